"""A step that is not finite is computed again, and its cause named: each of these is another one, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import draw_dataset, make_config
from tests.trainer.step.test_no_wait import magnify_once
from tests.trainer.trap_parts import begin, same
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.events import CAUSES
from trainer.contract.run.not_finite import advice
from trainer.failures import details, explain
from trainer.loop import Run
from trainer.model.adapters import LoraLinear
from trainer.model.errors import ModelError
from trainer.model.quantized import QuantizedLinear
from trainer.step.not_finite.cause import _trained_name
from trainer.step.not_finite.error import NotFinite
from trainer.step.step import Stepper

pytestmark = pytest.mark.slow  # each more than a second of the small SDXL
QUERY = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FEED = "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
LAST = "up_blocks.1.attentions.1.transformer_blocks.0.attn2.to_out.0"


def run_of(pictures: Path, folder: Path, **own: Any) -> Run:
    """A run of two steps, of which none is taken yet; only the unet trains, in blocks that are nodes."""
    defaults: dict[str, Any] = {"pivotal__enabled": False, "train__steps": 2, "prodigy__d0": 1e-3}
    return begin(folder, make_config(pictures, **(defaults | own)))


def failed(live: Run) -> NotFinite:
    """How the first step of a run ends; nothing is applied by it, and no gradient is left."""
    assert live.trainee.optimizer is not None
    before = {name: one.detach().nan_to_num(7.0) for name, one in live.trainee.lora_tensors().items()}
    with pytest.raises(NotFinite) as found:
        live._one_step(1)
    assert same({name: one.detach().nan_to_num(7.0) for name, one in live.trainee.lora_tensors().items()}, before)
    assert not any(group.grad.any() for group in live.trainee.groups)
    error = found.value
    kind, message, helps = explain(error)
    assert helps == advice(error.cause.kind, error.cause.pictures, live.config)
    told = details(error)["cause"]
    assert kind == "nan" and error.cause.words in message and message.endswith("The step was not applied.")
    assert told["kind"] in CAUSES and set(told["pictures"]) <= set(error.pictures)
    return error


def test_latents_of_one_picture(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    view, other = live.plan.micro_batch(1, 0)
    live.latents.get(view)["mean"][1, 2, 3] = float("nan")
    found = failed(live).cause
    assert view.item.name != other.item.name
    assert (found.kind, found.pictures) == ("latents", (view.item.name,))
    assert found.words == f"the latents of {view.item.name} are not finite"


def test_a_class_picture_is_none_of_yours_that_has_its_name(pictures: Path, tmp_path: Path) -> None:
    beside = draw_dataset(tmp_path / "class", captions=False, grey=200)
    own = {"prior__enabled": True, "prior__path": str(beside), "prior__images": 5, "prior__prompt": "a star"}
    live = run_of(pictures, tmp_path, train__batch=1, **own)
    view = next(one for one in live.plan.micro_batch(1, 0) if one.prior)
    live.latents.get(view)["mean"][0, 0, 0] = float("nan")
    found = failed(live).cause
    assert (found.kind, found.pictures) == ("latents", ())
    assert found.words == f"the latents of class picture {view.item.name} are not finite"


def test_a_picture_is_named_where_the_other_passes_are_well(pictures: Path, tmp_path: Path) -> None:
    """One a pass is not to blame for what all passes have."""
    apart: dict[str, Any] = {"train__batch": 1, "train__accumulation": 3}
    live = run_of(pictures, tmp_path, **apart)
    live.trainee.unet_layers[QUERY].up.data.fill_(1e38)
    found = failed(live).cause
    assert (found.kind, found.pictures) == ("layer", ()) and ".png" not in found.words
    live = run_of(pictures, tmp_path / "one", **apart)
    (view,) = live.plan.micro_batch(1, 1)
    live.latents.get(view)["mean"][:] = 1e35
    found = failed(live).cause
    assert found.kind in ("layer", "loss") and found.pictures == (view.item.name,)
    assert f"{view.item.name}" in found.words


def test_what_is_trained_of_a_trigger_is_named_so() -> None:
    """A dot in it is no path of a layer."""
    assert _trained_name("embeddings a.b clip_g") == "the embedding of 'a.b' in clip_g"
    assert _trained_name("clip_l") == "the new tokens' embedding in clip_l"
    assert _trained_name("mid.to_q.up") == "the LoRA's up of mid.to_q"


def test_text_embeddings_of_one_caption(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    view, _ = live.plan.micro_batch(1, 0)
    encoded = live.prompts._encoded
    assert encoded is not None
    encoded.pooled[live.prompts._place[view.item.prompt], 0] = float("inf")
    found = failed(live).cause
    assert (found.kind, found.pictures) == ("words", (view.item.name,))
    assert f"'{view.item.prompt}', the caption of {view.item.name}" in found.words


@pytest.mark.parametrize("path", [f"{QUERY}.base", FEED, "conv_in", "time_embedding.linear_1"])
def test_a_frozen_weight(pictures: Path, tmp_path: Path, path: str) -> None:
    live = run_of(pictures, tmp_path)
    with torch.no_grad():
        live.parts.unet.get_submodule(path).weight.view(-1)[3] = float("inf")
    found = failed(live).cause
    assert (found.kind, found.pictures) == ("base", ())
    assert found.words == f"the base model's own numbers of {path.removesuffix('.base')} of the U-Net are not finite"


KINDS: list[dict[str, Any]] = [
    {},
    {"train__dora": True},
    {"train__dora": True, "train__dora_axis": "output"},
    {"train__dora": True, "train__dropout": 0.1},
    {"train__precision": "bf16"},
    {"model__quantize": "nf4"},
    {"model__quantize": "int8"},
    {"adapter__kind": "lokr"},
    {"adapter__kind": "loha"},
    {"adapter__kind": "oft", "adapter__block": 4},
    {"adapter__start": "pissa"},
    {"adapter__start": "olora"},
    {"adapter__conv_rank": 2},
]


def of_base(path: str) -> tuple[str, str]:
    return "base", f"the base model's own numbers of {path} of the U-Net are not finite"


def said(own: dict[str, Any]) -> str:
    return " ".join(f"{key}={one}" for key, one in own.items()) or "lora"


@pytest.mark.parametrize("own", KINDS, ids=said)
def test_a_frozen_weight_below_any_adapter_is_not_its_own_fault(
    pictures: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    convolution = ("down_blocks.1.resnets.0.conv1",) if own.get("adapter__conv_rank") else ()
    for path in (QUERY, FEED, *convolution):
        live = run_of(pictures, tmp_path / path, train__targets="all-linear", **own)
        inside = live.trainee.unet_layers[path].base
        with torch.no_grad():
            (inside.scales if isinstance(inside, QuantizedLinear) else inside.weight).view(-1)[3] = float("nan")
        found = failed(live).cause
        assert (found.kind, found.words, found.pictures) == (*of_base(path), ())


def damaged_base(folder: Path, path: str) -> Path:
    """The base model with one weight of the unet that is not finite in its file."""
    base = Path(shutil.copytree(small_model(), folder))
    (file,) = (base / "unet").glob("*.safetensors")
    tensors = load_file(file)
    tensors[f"{path}.weight"].reshape(-1)[3] = float("nan")
    save_file(tensors, file, {"format": "pt"})
    return base


@pytest.mark.parametrize("own", KINDS, ids=said)
def test_what_a_damaged_base_model_makes_of_a_start_is_its_own_fault(
    pictures: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    """Lengths are made of the frozen weight when the run begins: not finite then, and still not theirs."""
    base = damaged_base(tmp_path / "base", QUERY)
    if own.get("adapter__start") == "pissa":  # which then cannot be made
        with pytest.raises(ModelError, match=rf"{QUERY} of the U-Net: .* the base model's own numbers"):
            run_of(pictures, tmp_path / "run", model__base=str(base), **own)
        return
    live = run_of(pictures, tmp_path / "run", model__base=str(base), **own)
    found = failed(live).cause
    assert (found.kind, found.words) == of_base(QUERY)


def test_a_lora_that_is_too_large(pictures: Path, tmp_path: Path) -> None:
    """Its own answer is finite: it is the attention that cannot hold the product of two such."""
    live = run_of(pictures, tmp_path)
    live.trainee.unet_layers[QUERY].up.data.fill_(1e25)
    live.trainee.unet_layers[QUERY.replace("to_q", "to_k")].up.data.fill_(1e25)
    found = failed(live).cause
    assert found.kind == "layer"
    assert found.words.startswith(f"{QUERY.removesuffix('.to_q')} of the U-Net is the first whose answer is not finite")
    assert "with a LoRA that reaches 1e+25 in to_" in found.words


def test_a_lora_whose_own_answer_is_too_large(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    live.trainee.unet_layers[QUERY].up.data.fill_(1e38)
    found = failed(live).cause
    assert found.kind == "layer" and found.words.startswith(f"{QUERY} of the U-Net is the first")
    assert "to numbers of up to" in found.words and "with a LoRA that reaches 1e+38" in found.words


def test_trained_numbers_that_were_not_finite_before(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    live.trainee.unet_layers[LAST].up.data[0, 0] = float("nan")
    found = failed(live).cause
    assert (found.kind, found.words) == ("weights", f"the LoRA's up of {LAST} was not finite before it")


def test_what_fp16_cannot_hold(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path, train__precision="fp16")
    live.trainee.unet_layers[LAST].up.data.fill_(60_000)
    found = failed(live).cause
    assert found.kind == "layer" and found.words.startswith(f"{LAST} of the U-Net is the first")
    assert found.words.endswith("with a LoRA that reaches 6e+04; fp16 holds nothing over 65,504")
    live = run_of(pictures, tmp_path / "more", train__precision="fp16")
    live.trainee.unet_layers[LAST].up.data[1, 1] = 1e6
    found = failed(live).cause
    assert found.kind == "weights"
    assert found.words == f"the LoRA's up of {LAST} reaches 1e+06; fp16 holds nothing over 65,504"


def test_a_loss_that_is_too_large(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    with torch.no_grad():
        live.parts.unet.conv_out.weight.mul_(1e21)
    found = failed(live).cause
    assert found.kind == "loss" and "is finite, but its loss is more than fp32 holds" in found.words
    assert len(found.pictures) == 2  # of either


def test_a_gradient_that_is_too_large(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As fp16's do: the loss is finite, and scaled it is so no more; the last LoRA sees it first."""
    live = run_of(pictures, tmp_path)
    monkeypatch.setattr(live.stepper.scaler, "scaled", lambda loss: loss * 1e38 * 1e38)
    found = failed(live).cause
    assert found.kind == "gradient" and len(found.pictures) == 2
    assert found.words.startswith("the loss is finite, but not the gradient of the LoRA's") and LAST in found.words


def test_gradients_whose_norm_is_too_large(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = run_of(pictures, tmp_path)
    monkeypatch.setattr(live.stepper.scaler, "scaled", lambda loss: loss * 1e28)
    found = failed(live).cause
    assert found.kind == "gradient" and found.words.startswith("each gradient is finite, but not their norm")


def test_without_memory_for_every_layer_the_nodes_are_looked_at(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep less, and fitted before: the block is named, if not the layer in it."""
    live = run_of(pictures, tmp_path)
    live.trainee.unet_layers[QUERY].up.data.fill_(1e38)

    def raises(_: LoraLinear, x: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(LoraLinear, "forward", raises)
    found = failed(live).cause
    block = QUERY.removesuffix(".attn1.to_q")
    assert found.kind == "layer" and found.words.startswith(f"{block} of the U-Net is the first whose answer")
    assert found.words.endswith("with a LoRA that reaches 1e+38 in attn1.to_q")


def test_what_is_not_so_again_is_of_the_machine(pictures: Path, tmp_path: Path) -> None:
    live = run_of(pictures, tmp_path)
    magnify_once(live)
    assert failed(live).cause.kind == "gone"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "there was no memory to compute it again"),
        (MemoryError(), "there was no memory to compute it again"),
        (OSError("a.png is gone\nand more"), "computing it again failed: a.png is gone"),
    ],
)
def test_what_cannot_be_computed_again_is_no_other_end(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    live = run_of(pictures, tmp_path)
    live.trainee.unet_layers[QUERY].up.data.fill_(1e38)

    def raises(_: Stepper, step: int) -> Any:
        raise error

    monkeypatch.setattr(Stepper, "_whole_step", raises)
    found = failed(live).cause
    assert (found.kind, found.words) == ("unseen", f"the cause was not looked into, for {why}")


@pytest.mark.parametrize(
    "own", [{"train__dora": True}, {"train__dropout": 0.2, "train__accumulation": 2}, {"pivotal__enabled": True}]
)
def test_the_step_that_is_computed_again_is_the_step(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any]
) -> None:
    """The same losses come again, draws of torch's own and the words' training included."""
    live = run_of(pictures, tmp_path, **own)
    seen: list[list[float]] = [[]]
    weighed = live.stepper._weighed

    def kept(errors: torch.Tensor, mine: int) -> torch.Tensor:
        seen[-1] += errors.tolist()
        return weighed(errors, mine)

    monkeypatch.setattr(live.stepper, "_weighed", kept)
    magnify_once(live)
    found = found_again(live, lambda: seen.append([]))
    assert found.kind == "gone"
    assert seen[1] == pytest.approx(seen[0], rel=1e-5) and len(seen) in (2, 3)
    if len(seen) == 3:  # with the nodes, as it was
        assert seen[2] == seen[0]


def found_again(live: Run, begins: Callable[[], None]) -> Any:
    """The cause of the first step's end; `begins` is called before each look at the whole step."""
    whole = live.stepper._whole_step

    def counted(step: int) -> Any:
        begins()
        return whole(step)

    live.stepper._whole_step = counted  # type: ignore[method-assign]
    return failed(live).cause
