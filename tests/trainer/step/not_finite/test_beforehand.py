"""What is encoded for all steps is looked at before the first of them: a run does not find out in the night."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.trap_parts import begin, logged, of, plain_picture
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run import exits
from trainer.contract.run.rundir import RunDir
from trainer.data.dataset import View
from trainer.data.latents import LatentCache
from trainer.step.not_finite.error import NotFinite

pytestmark = pytest.mark.slow  # each more than a second of the small SDXL
Change = Callable[[torch.Tensor], None]
IN = "encoder.conv_in.weight"
LIMIT = 5e4  # times a weight of the VAE: white is then more than fp16 holds, grey is not


def with_weight(folder: Path, part: str, name: str, change: Change) -> Path:
    """The base model with one tensor of a part changed in its file."""
    base = Path(shutil.copytree(small_model(), folder))
    (file,) = (base / part).glob("*.safetensors")
    tensors = load_file(file)
    change(tensors[name])
    save_file(tensors, file, {"format": "pt"})
    return base


def spoilt(one: torch.Tensor) -> None:
    one.view(-1)[3] = float("nan")


def ended(folder: Path, pictures: Path, code: int = exits.FAILED, **own: Any) -> tuple[RunDir, list[dict[str, Any]]]:
    """A run that goes to its end, with captions that are constants."""
    run = make_run(folder, make_config(pictures, **({"pivotal__enabled": False, "train__steps": 1} | own)))
    return run, train(run, code)


def before_any_step(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The error of a run that took no step, and saved nothing that could be gone on from."""
    assert of(events, "step") == of(events, "checkpoint") == []
    (error,) = of(events, "error")
    assert error["kind"] == "nan" and "step" not in error and error["message"].startswith(error["cause"]["words"])
    assert error["pictures"] == error["cause"]["pictures"] and error["advice"]
    assert not any("saved" in one for one in error["advice"])
    return error


def test_a_damaged_vae(pictures: Path, tmp_path: Path, own_cache: Path) -> None:
    before = set(own_cache.rglob("latents/*"))
    base = with_weight(tmp_path / "base", "vae", "encoder.mid_block.resnets.0.conv1.weight", spoilt)
    _, events = ended(tmp_path / "run", pictures, model__base=str(base))
    error = before_any_step(events)
    said = "the VAE's own numbers of encoder.mid_block.resnets.0.conv1 are not finite"
    assert error["cause"] == {"kind": "vae", "words": said, "pictures": []}
    assert error["advice"] == ["download the base model again, or choose another: model.base"]
    assert set(own_cache.rglob("latents/*")) == before  # nothing of it is kept for a later run
    assert of(events, "phase")[-1]["name"] == "cache"


def coloured(folder: Path, *names: str) -> Path:
    """Pictures of the colours in their names, each of another size."""
    for place, name in enumerate(names):
        colour = {"grey": "#7f7f7f", "white": "#ffffff"}[name.split("-")[0]]
        plain_picture(folder / f"{name}.png", colour, 64 + place)
    return folder


@pytest.fixture
def narrow(tmp_path: Path) -> dict[str, Any]:
    """Settings of a run whose VAE, in fp16, overflows at white and at no grey."""
    base = with_weight(tmp_path / "base", "vae", IN, lambda one: one.mul_(LIMIT))
    return {"model__base": str(base), "train__precision": "fp16", "model__vae_precision": "training"}


def test_a_picture_at_which_the_vae_overflows(tmp_path: Path, narrow: dict[str, Any]) -> None:
    own = coloured(tmp_path / "own", "grey", "white")
    _, events = ended(tmp_path / "run", own, **narrow)
    error = before_any_step(events)
    said = "the latents of white.png are not finite"
    assert error["cause"] == {"kind": "latents", "words": said, "pictures": ["white.png"]}
    first, second = error["advice"]
    assert first.endswith("model.vae_precision to auto") and second == "leave out white.png: add to dataset.skip"
    for helps in ({"model__vae_precision": "auto"}, {"dataset__skip": ("white.png",)}):
        _, events = ended(tmp_path / f"run-{[*helps]}", own, exits.DONE, **(narrow | helps))
        assert len(of(events, "step")) == 1


def test_all_pictures_at_which_the_vae_overflows(tmp_path: Path, narrow: dict[str, Any]) -> None:
    """None of them is at fault then, and the rest is not encoded to find that out."""
    own = coloured(tmp_path / "own", *(f"white-{one}" for one in range(3)))
    _, events = ended(tmp_path / "run", own, **narrow, train__steps=9)
    cause = before_any_step(events)["cause"]
    assert (cause["kind"], cause["pictures"]) == ("vae", [])
    assert cause["words"].startswith("the latents of all 3 pictures that were encoded are not finite")


def test_a_class_photograph_at_which_the_vae_overflows(tmp_path: Path, narrow: dict[str, Any]) -> None:
    own, classes = coloured(tmp_path / "own", "grey"), coloured(tmp_path / "class", "white")
    prior = {"prior__enabled": True, "prior__path": str(classes), "prior__images": 1, "prior__prompt": "a star"}
    for steps in (1, 50):  # a short run is walked through, of a long one every variant is taken
        _, events = ended(tmp_path / f"run-{steps}", own, **narrow, **prior, train__steps=steps, train__batch=1)
        error = before_any_step(events)
        said = "the latents of class picture white.png are not finite"
        assert error["cause"] == {"kind": "latents", "words": said, "pictures": []}
        assert error["advice"][-1].startswith("take the class picture out")


def test_latents_that_were_kept_are_looked_at_too(pictures: Path, tmp_path: Path, own_cache: Path) -> None:
    """A file of an earlier trainer, or of a bad disk: encoded anew while the VAE is in its place."""
    live = begin(tmp_path / "run", make_config(pictures, pivotal__enabled=False))
    views, cache = live.plan.distinct_views(), live.latents
    path = cache._path(cache.key(views[0]))
    wanted = {name: one.clone() for name, one in cache.get(views[0]).items()}  # what was read lies in its file
    path.write_bytes(save({name: torch.full_like(one, float("nan")) for name, one in wanted.items()}))
    again = begin(tmp_path / "again", live.config)
    (encoded,) = {event["total"] for event in logged(again, "phase") if event["name"] == "cache"}
    assert encoded == 1 and torch.equal(load_file(path)["mean"], wanted["mean"])


def test_a_set_of_bad_pictures_ends_early_but_where_others_are_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Path
) -> None:
    live = begin(tmp_path / "run", make_config(pictures, pivotal__enabled=False))
    view, seen = live.plan.distinct_views()[0], []
    bad = {name: torch.full((4, 8, 8), float("inf")) for name in ("mean", "std")}
    monkeypatch.setattr(LatentCache, "_encode", lambda *given: seen.append(given) or bad)
    views = [_other(view, str(one)) for one in range(30)]
    cache = LatentCache(tmp_path / "empty", "#ffffff")
    found = cache.fill(views, lambda done, total: None)
    assert (len(found.bad), found.sound, len(seen)) == (8, 0, 8)
    seen.clear()
    flipped = [replace(view, geometry=replace(view.geometry, corner=(one, 0))) for one in range(30)]
    assert len(LatentCache(tmp_path / "empty", "#ffffff").fill(flipped, lambda *_: None).bad) == 30  # of one picture


def _other(view: View, digest: str) -> View:
    return replace(view, item=replace(view.item, digest=digest))


def test_a_damaged_text_encoder(pictures: Path, tmp_path: Path, own_cache: Path) -> None:
    before = set(own_cache.rglob("prompts/*"))
    layer = "text_model.encoder.layers.0.mlp.fc1"
    base = with_weight(tmp_path / "base", "text_encoder_2", f"{layer}.weight", spoilt)
    _, events = ended(tmp_path / "run", pictures, model__base=str(base))
    error = before_any_step(events)
    said = f"the base model's own numbers of {layer} of the second text encoder are not finite"
    assert error["cause"]["kind"] == "base" and error["cause"]["words"] == said
    assert set(own_cache.rglob("prompts/*")) == before


def test_text_embeddings_of_one_caption(pictures: Path, tmp_path: Path) -> None:
    """And of a prompt that is only drawn: of that it is told, and the run goes on."""
    own = {"sample__prompts": ["a ring of gold"], "prodigy__d0": 1e-3}
    live = begin(tmp_path / "run", make_config(pictures, pivotal__enabled=False, **own))
    encoded, place = live.prompts._encoded, live.prompts._place
    assert encoded is not None
    encoded.pooled[place["a ring of gold"], 0] = float("nan")
    live._check_words(live.prompts)
    (warning,) = logged(live, "warn")
    assert warning["code"] == "words-not-finite" and "'a ring of gold'" in warning["message"]
    item = live.plan.items[1]
    encoded.hidden[place[item.prompt], 3, 2] = float("inf")
    with pytest.raises(NotFinite) as found:
        live._check_words(live.prompts)
    said = f"the text embeddings of '{item.prompt}', the caption of {item.name}, are not finite"
    assert (found.value.cause.words, found.value.pictures) == (said, (item.name,))


def test_words_that_become_constants_at_the_pivot(pictures: Path, tmp_path: Path) -> None:
    """Not when the first step happens to read them: many steps later in a large set."""
    live = begin(tmp_path / "run", make_config(pictures, prodigy__d0=1e-3))
    live._one_step(1)
    encoders = live.parts.text_encoders
    assert encoders is not None and live.trainee.pivot is not None and live.done == 1

    def overflow(_module: Any, _given: Any, answer: Any) -> Any:
        answer.text_embeds.fill_(float("inf"))

    encoders[1].register_forward_hook(overflow)
    with pytest.raises(NotFinite) as found:
        live._pivot(1)
    assert found.value.step is None and found.value.cause.kind == "words"


def test_class_pictures_that_the_base_model_draws(pictures: Path, tmp_path: Path, own_cache: Path) -> None:
    before = set(own_cache.rglob("class-*/*.png"))  # of other tests
    base = with_weight(tmp_path / "base", "unet", "conv_in.weight", spoilt)
    prior = {"prior__enabled": True, "prior__images": 2, "prior__prompt": "a star"}
    _, events = ended(tmp_path / "run", pictures, model__base=str(base), **prior)
    error = before_any_step(events)
    assert error["cause"]["kind"] == "base" and "'a star', the class pictures" in error["cause"]["words"]
    assert set(own_cache.rglob("class-*/*.png")) == before
