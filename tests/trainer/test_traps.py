"""The 28 traps that the reference script falls into: each test would fail on what happens there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from loratui.settings.answers import parse_set
from tests.shaped import shaped_model
from tests.trainer import trap_parts as parts
from tests.trainer.conftest import draw_dataset, make_config, make_run
from tests.trainer.trap_parts import CLASS, COLOURS, Runs, begin, live_rows, pipeline_words, same, shown
from trainer.checkpoints.saver import Saver
from trainer.checkpoints.snapshot import OPTIMIZER, newest_checkpoint
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.loras.keys import diffusers_key
from trainer.contract.run import exits
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.arithmetic import learning_rates
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.contract.settings.triggers import split_triggers
from trainer.data import images
from trainer.data.dataset import ViewPlan, read_dataset
from trainer.export.__main__ import main as export
from trainer.export.card import model_card
from trainer.model.adapters import UnknownBlock, target_paths
from trainer.model.parts import load_scheduler, load_tokenizers
from trainer.model.prompts import tokenise
from trainer.model.tokens import PULL, Vocabulary, add_to_tokenizers
from trainer.samples.generate import main as generate
from trainer.step.diffusion import losses, make_diffusion
from trainer.step.not_finite.error import NotFinite
from trainer.step.optimizer import make_optimizer

pytestmark = pytest.mark.slow
FILES = ("toy.safetensors", "toy_emb.safetensors", DIFFUSERS)
ENCODERS = ("text_encoder", "text_encoder_2")
PROMPT = "a photo of a TOK"


@pytest.fixture(scope="module")
def runs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs that several traps look at."""
    return Runs(tmp_path_factory.mktemp("traps"), pictures)


def test_trap_01_prior_preservation_with_frozen_encoders_trains(runs: Runs, tmp_path: Path) -> None:
    whole = parts.trained(tmp_path, runs.prior_settings)
    assert whole.events[-1]["status"] == "completed"
    assert whole.of("step")[0]["grad_norm"] > 0


def test_trap_02_without_pivotal_tuning_prompts_are_what_the_pipeline_makes_of_them(runs: Runs) -> None:
    row = shown(runs.frozen_encoders, 1)[0]
    assert all(torch.equal(*pair) for pair in zip((row.hidden, row.pooled), pipeline_words(PROMPT), strict=True))
    for tokenizer in runs.frozen_encoders.parts.tokenizers:
        first, *rest = tokenise(tokenizer, [PROMPT])[0].tolist()
        assert (first, len(rest)) == (tokenizer.bos_token_id, 76)
        assert tokenizer.eos_token_id in rest


def test_trap_03_without_captions_every_row_has_the_prompt_of_its_own_picture(runs: Runs) -> None:
    live = runs.frozen_encoders
    prompts = {Path(live.config.dataset.path): PROMPT, Path(live.config.prior.path): CLASS}
    pictures = [path for folder in prompts for path in folder.iterdir()]
    seen = []
    for batch in (1, 2, 3, 4):
        rows = [row for step in (1, 2, 3) for row in shown(live, step, batch)]
        assert len(rows) == 3 * 2 * batch
        for row, path in parts.recognised(live, rows, pictures):
            assert torch.equal(row.hidden, pipeline_words(prompts[path.parent])[0])
            seen.append(path.parent)
    assert min(seen.count(folder) for folder in prompts) > 10


def test_trap_04_shuffled_latents_keep_their_own_captions_and_sizes(tmp_path: Path) -> None:
    folder, sides = tmp_path / "pictures", {colour: 64 + 8 * place for place, colour in enumerate(COLOURS)}
    for colour, side in sides.items():
        parts.plain_picture(folder / f"{colour}.png", colour, side)
        (folder / f"{colour}.txt").write_text(f"a {colour} star")
    live = begin(tmp_path / "run", make_config(folder, pivotal__enabled=False, train__batch=4, dataset__repeats=2))
    rows, seen = [row for step in range(1, 9) for row in shown(live, step)], []
    for row, path in parts.recognised(live, rows, list(folder.glob("*.png"))):
        assert torch.equal(row.hidden, pipeline_words(f"a {path.stem} star")[0])
        assert row.sizes == (sides[path.stem], sides[path.stem], 0, 0, 64, 64)
        seen.append(path.stem)
    assert set(seen) == set(COLOURS)
    assert seen != sorted(seen)


def test_trap_05_embeddings_are_bit_identical_after_the_pivot(runs: Runs) -> None:
    whole = runs.pivotal
    assert [event["step"] for event in whole.of("pivot")] == [3]
    assert all(not torch.equal(one, whole.rows(3)[name]) for name, one in whole.rows(2).items())
    assert all(same(whole.rows(step), whole.exported("toy_emb.safetensors")) for step in (3, 4, 5, 6))
    assert not [name for name in load_file(whole.run.checkpoint(4) / "optimizer.safetensors") if "embeddings" in name]


def test_trap_06_the_pull_back_ends_with_the_pivot(runs: Runs) -> None:
    for name, table in zip(("clip_l", "clip_g"), runs.one_by_four[0].live.trainee.tables, strict=True):
        spreads = [float(runs.pivotal.rows(step)[name].std()) for step in (3, 4, 5, 6)]
        assert len(set(spreads)) == 1
        # one more pull would be seen: the rows are not as wide as the table
        assert float((table.std / spreads[0]) ** PULL) != pytest.approx(1, rel=1e-4)


def test_trap_07_resume_goes_on_with_the_trained_embeddings(runs: Runs, tmp_path: Path) -> None:
    live = runs.pivotal.cut_after(2, tmp_path)
    assert live.done == 2
    assert same(live_rows(live), runs.pivotal.rows(2))
    assert not same(live_rows(begin(tmp_path / "fresh", live.config)), runs.pivotal.rows(2))
    live._one_step(3)
    assert [event["step"] for event in parts.logged(live, "pivot")] == [3]
    assert same(live_rows(live), runs.pivotal.rows(3))


def test_trap_08_a_run_resumed_at_or_after_the_pivot_stays_pivoted(runs: Runs, tmp_path: Path) -> None:
    for step in (3, 4):
        live = runs.pivotal.cut_after(step, tmp_path)
        live._one_step(step + 1)
        (event,) = parts.logged(live, "step")
        assert set(event["rates"]) == {"unet"}
        assert same(live_rows(live), runs.pivotal.rows(3))
        assert same(live.trainee.lora_tensors(), load_file(runs.pivotal.run.checkpoint(step + 1) / "lora.safetensors"))


def test_trap_09_a_run_of_one_step_trains_the_embeddings_in_it(pictures: Path, tmp_path: Path) -> None:
    live = begin(tmp_path / "run", make_config(pictures, train__steps=1, prodigy__d0=1e-3))
    start = live_rows(live)
    live._one_step(1)
    assert set(parts.logged(live, "step")[0]["rates"]) == {"unet", "embeddings"}
    assert [event["step"] for event in parts.logged(live, "pivot")] == [1]
    # a pull-back alone would make all numbers longer by the same factor
    assert min(float((one / start[name]).std()) for name, one in live_rows(live).items()) > 1e-3


def test_trap_10_the_output_may_lie_anywhere(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = runs.pivotal.run, "some/nested folder/größe/"  # the run itself lies in such a folder, too
    monkeypatch.chdir(tmp_path)
    assert export([f"{run.path}/", "--out", out]) == exits.DONE
    for name in FILES:
        assert (tmp_path / out / name).read_bytes() == (run.export / name).read_bytes()


def test_trap_11_pivotal_tuning_with_prodigy_runs_at_the_default_rates(runs: Runs) -> None:
    config = load_config(runs.pivotal.run.config)
    assert (config.train.learning_rate, config.train.embedding_learning_rate) == (0.0, 0.0)
    assert (config.train.optimizer, learning_rates(config)) == ("prodigy", (1.0, 1.0))
    rates = runs.pivotal.of("step")[0]["rates"]
    assert {name: rate["lr"] for name, rate in rates.items()} == {"unet": 1.0, "embeddings": 1.0}


def test_trap_12_the_final_pictures_are_made_with_the_embeddings(runs: Runs, tmp_path: Path) -> None:
    run, out = runs.pivotal.run, tmp_path / "a.png"
    without, with_rows = parts.pipeline_pictures(run.export, "TOK", "a TOK star")
    final = parts.pixels(images.open_rgb(run.sample(6, 0)))
    assert float((final - with_rows).abs().max()) < 1.1 / 127.5  # rounding of one level
    assert float((final - without).abs().mean()) > 5 / 127.5
    assert generate([str(run.path), "a TOK star", "--out", str(out)]) == exits.DONE
    assert out.read_bytes() == run.sample(6, 0).read_bytes()


def test_trap_13_the_kohya_file_has_every_layer_and_its_alpha(runs: Runs) -> None:
    found = parts.kohya_as_diffusers_reads_it(runs.words_and_dora.run.export, "toy.safetensors")
    trained = runs.words_and_dora.trained(2)
    own = {name: one for name, one in trained.items() if not name.endswith(".magnitude")}
    layers = {name.rpartition(".")[0] for name in own}
    assert {name.partition(".")[0] for name in layers} >= {*ENCODERS, "mid_block", "up_blocks", "down_blocks"}
    assert set(found) == set(own) | {f"{layer}.alpha" for layer in layers}
    scale = {layer: 0.5 if f"{layer}.magnitude" in trained else 1.0 for layer in layers}  # of a DoRA it is folded in
    up = {name: scale[name.removesuffix(".up")] for name in own if name.endswith(".up")}
    assert all(torch.equal(found[name].float(), (one * up.get(name, 1)).half().float()) for name, one in own.items())
    assert {(one, float(found[f"{layer}.alpha"])) for layer, one in scale.items()} == {(0.5, 4.0), (1.0, 2.0)}


def test_trap_14_the_kohya_file_of_a_dora_has_dora_scale(runs: Runs) -> None:
    kohya = runs.words_and_dora.exported("toy.safetensors")
    assert not [name for name in kohya if "magnitude" in name]
    layers = {name.removesuffix(".alpha") for name in kohya if name.endswith(".alpha") and "_unet_" in name}
    assert {name.removesuffix(".dora_scale") for name in kohya if name.endswith(".dora_scale")} == layers
    assert {one.dtype for name, one in kohya.items() if name.endswith(".dora_scale")} == {torch.float32}
    base, own, made = parts.dora_as_interfaces_make_it(runs.words_and_dora.run, kohya)
    assert [torch.allclose(one, own, atol=1e-4) for one in (*made, base)] == [True] * len(made) + [False]


def test_trap_15_the_first_encoders_keys_have_text_model(runs: Runs) -> None:
    kohya = list(runs.words_and_dora.exported("toy.safetensors"))
    theirs = [diffusers_key(name.rpartition(".")[0], "up") for name in runs.words_and_dora.trained(2)]  # no such file
    prefixes = [(kohya, "lora_te1_"), (kohya, "lora_te2_"), *((theirs, f"{one}.") for one in ENCODERS)]
    for names, prefix in prefixes:
        own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        assert {re.split(r"[._]\d", name)[0] for name in own} == {f"text_model{prefix[-1]}encoder{prefix[-1]}layers"}


def test_trap_16_identifiers_are_whole_words_and_the_longest_comes_first() -> None:
    vocabulary, tokenizers = Vocabulary.of(split_triggers("TOK,TOK2"), 2), load_tokenizers(str(small_model()))
    size = len(tokenizers[0])
    add_to_tokenizers(tokenizers, vocabulary)
    for tokenizer in tokenizers:
        ids = tokenise(tokenizer, [vocabulary.write("a TOK2 beside TOK, no STOK and no TOKs")])[0].tolist()
        assert [one - size for one in ids if one >= size] == [2, 3, 0, 1]


def test_trap_17_clip_skip_zero_and_false_mean_what_they_say(runs: Runs, pictures: Path, tmp_path: Path) -> None:
    live = begin(tmp_path / "run", make_config(pictures, pivotal__enabled=False, model__clip_skip=1))
    prompt, hidden = live.plan.micro_batch(1, 0)[0].item.prompt, shown(live, 1)[0].hidden
    assert torch.equal(hidden, pipeline_words(prompt, clip_skip=1)[0])
    assert not torch.equal(hidden, pipeline_words(prompt)[0])
    settled = runs.one_by_four[0].live
    for optimizer in ("prodigy", "adamw"):  # without a gradient, the decay alone is left
        groups = [replace(one, data=torch.ones_like(one.data), grad=one.grad * 0) for one in settled.trainee.groups]
        make_optimizer(groups, parts.with_train(settled.config, optimizer=optimizer)).step(1.0)
        assert [bool((one.data == 1).all()) for one in groups] == [False, True]
    assert load_config(runs.words_and_dora.run.config).pivotal.enabled is False
    assert parse_set("pivotal.enabled=false") == ("pivotal.enabled", False)
    assert not list(runs.words_and_dora.run.export.glob("*_emb*"))


def test_trap_18_min_snr_of_v_prediction_divides_by_snr_plus_one() -> None:
    own, _ = load_scheduler(str(small_model()), TrainConfig().model)
    own.register_to_config(prediction_type="v_prediction")
    t = torch.tensor([1, 300, 999])
    snr = own.alphas_cumprod[t] / (1 - own.alphas_cumprod[t])
    process = make_diffusion(own, TrainConfig(), t.device)
    found = losses(process, torch.zeros(3, 4, 2, 2), torch.ones(3, 4, 2, 2), t)
    assert torch.allclose(found, snr.clamp(max=5.0) / (snr + 1), rtol=1e-4)


def test_trap_19_only_the_new_rows_train_and_count(runs: Runs) -> None:
    live = runs.one_by_four[0].live
    unet, rows = live.trainee.groups
    trained = [one for encoder in live.parts.text_encoders or () for one in encoder.parameters() if one.requires_grad]
    assert rows.data.numel() == sum(one.numel() for one in trained) == 2 * (64 + 96)
    state = live.trainee.optimizer.state_tensors()
    assert sum(one.numel() for name, one in state.items() if name.startswith("embeddings")) == 4 * rows.data.numel()
    for table, part in zip(live.trainee.tables, ENCODERS, strict=True):
        weights = load_file(next((small_model() / part).glob("*.safetensors")))
        (base,) = (one for name, one in weights.items() if name.endswith("token_embedding.weight"))
        assert torch.equal(table.table.weight, base.float())
        assert table.table.weight.grad is None and table.rows.grad.abs().sum(1).min() > 0
    norm = torch.cat([unet.grad, *(table.rows.grad.flatten() for table in live.trainee.tables)]).norm()
    assert runs.one_by_four[0].event["grad_norm"] == pytest.approx(float(norm), rel=1e-5)


def test_trap_20_the_rows_are_pulled_back_once_a_step(runs: Runs) -> None:
    for taken in runs.one_by_four:
        for start, table in zip(taken.start.values(), taken.live.trainee.tables, strict=True):
            # Prodigy's first step moves them by a millionth
            assert torch.allclose(table.rows, start * (table.std / start.std()) ** PULL, atol=1e-5)


def test_trap_21_repeats_hold_nothing_and_every_view_is_drawn_anew(runs: Runs, pictures: Path) -> None:
    for taken in runs.one_by_four:
        assert (taken.live.config.dataset.repeats, len(taken.live.plan.items)) == (50, 5)
        assert len(taken.live.latents._kept) <= 5
    config = make_config(pictures, dataset__flip=True, dataset__crop="random", dataset__repeats=3)
    plan = ViewPlan(read_dataset(config), (), config)
    views = [view for step in range(1, 40) for view in plan.micro_batch(step, 0) if view.item.name == "2.png"]
    assert {view.geometry.flip for view in views} == {True, False}
    assert len({view.geometry.corner for view in views}) > 3


def test_trap_22_other_files_of_the_folder_do_no_harm_and_captions_beside_pictures_count(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures", captions=False)
    for name in ("3.txt", "notes.txt", ".DS_Store", "._3.png"):
        (folder / name).write_text(f"a TOK in {name}\n")
    parts.plain_picture(folder / "sub" / "inner.png", "red", 64)
    parts.plain_picture(folder / "10.png", "red", 64)
    items = read_dataset(make_config(folder))
    assert [item.name for item in items] == ["0.png", "1.png", "10.png", "2.png", "3.png", "4.png"]
    assert [item.prompt for item in items] == [PROMPT] * 4 + ["a TOK in 3.txt", PROMPT]


def test_trap_23_a_single_picture_is_turned_upright_and_laid_on_the_background(runs: Runs, tmp_path: Path) -> None:
    for raw, meant in parts.odd_pictures("#00ff00"):
        found, expected = (parts.latents(runs.frozen_encoders, tmp_path, "#00ff00", one) for one in (raw, meant))
        assert torch.equal(found, expected)


def test_trap_24_the_model_card_is_saved_and_names_the_real_base(runs: Runs) -> None:
    assert "export/README.md" in runs.pivotal.events[-1]["files"]
    card = (runs.pivotal.run.export / "README.md").read_text()
    models = {"base": "someone/other-xl", "vae": "someone/vae"}, {"base": str(small_model())}, {"base": "/data/my-xl"}
    said, own, local = (model_card(TrainConfig.model_validate({"model": one}), 5, 6, []) for one in models)
    assert "stabilityai" not in card + said + own
    assert "base = str(small_model())" in own and str(small_model()) not in own
    assert "base = 'my-xl'  # what the run was given on its own disk" in local and "/data" not in local
    assert "base = 'owner/name'\n" in card and str(shaped_model().parent) not in card  # a folder of the hub's cache
    assert "\nbase_model: someone/other-xl\n" in said and "from_pretrained('someone/vae', torch_dtype=" in said


def test_trap_25_a_signal_a_full_disk_and_a_nan_lose_nothing(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__steps=300, train__checkpoint_every=0, pivotal__fraction=1.0)
    run = make_run(tmp_path, own)
    last = parts.train_until_sigterm(run, exits.STOPPED).of("step")[-1]["step"]
    assert newest_checkpoint(run).step == last < 300
    assert all((run.export / name).is_file() for name in FILES)
    live = begin(run.path, own)
    saver = Saver(run, live.log, keep=1)
    (run.checkpoints / f"step-{last + 1:06d}").write_text("a file where the folder must be")
    for step, kept in ((last + 1, last), (last + 2, last + 2)):  # the old one goes when the new one is there
        saver.save(live.trainee.snapshot(step, live.identity))
        assert saver.wait() == (step == kept)
        assert [one.parent.name for one in run.checkpoints.glob(f"*/{OPTIMIZER}")] == [f"step-{kept:06d}"]
    (lora := live.trainee.groups[0].data)[0] = float("nan")
    before = lora.nan_to_num()
    with pytest.raises(NotFinite, match=rf"step {last + 1} is not finite.*\.png at timestep"):
        live._one_step(last + 1)
    assert live.done == last
    assert torch.equal(lora.nan_to_num(), before)


def test_trap_26_the_export_holds_nothing_but_what_may_be_public(runs: Runs) -> None:
    public = ["README.md", DIFFUSERS, "sample-0.png", "toy.json", "toy.png", "toy.safetensors", "toy_emb.safetensors"]
    for whole, names in ((runs.pivotal, public), (runs.words_and_dora, [public[0], *public[2:-1]])):
        files = [path for path in sorted(whole.run.export.rglob("*")) if path.is_file()]
        assert [str(path.relative_to(whole.run.export)) for path in files] == names
        for path in files:
            for private in (str(whole.run.path), load_config(whole.run.config).dataset.path, str(small_model())):
                assert private.encode() not in path.read_bytes()


def test_trap_27_the_log_has_the_mean_loss_and_what_prodigy_makes_of_the_rate(runs: Runs) -> None:
    one, four = (taken.event for taken in runs.one_by_four)
    assert [four["loss"], four["grad_norm"]] == pytest.approx([one["loss"], one["grad_norm"]], rel=1e-4)
    rates = {event["step"]: event["rates"] for event in runs.pivotal.of("step")}
    for step, groups in rates.items():
        assert set(groups) == ({"unet", "embeddings"} if step <= 3 else {"unet"})
        for rate in groups.values():
            assert rate["effective"] == pytest.approx(rate["d"] * (1 - 0.99**step) ** 0.5 / (1 - 0.9**step))
    assert rates[1]["unet"]["d"] == 5e-4 < rates[6]["unet"]["d"]


def test_trap_28_blocks_are_whole_names() -> None:
    config = UNet2DConditionModel.load_config(small_model(), subfolder="unet")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config({**config, "transformer_layers_per_block": [1, 1, 12]})
    block = "up_blocks.0.attentions.1"
    assert {path[: len(block) + 1] for path in target_paths(unet, "attention", (block,))} == {f"{block}."}
    found = target_paths(unet, "attention", (f"{block}.transformer_blocks.1",))
    assert {path.split(".")[5] for path in found} == {"1"}  # not 10 and 11
    for part in ("0.attentions.0", f"unet.{block}", "attn1", f"{block}.trans"):
        with pytest.raises(UnknownBlock, match="has no block"):
            target_paths(unet, "attention", (part,))
