"""What is offered after a bad end: only what helps those settings, the mildest first, in honest words."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from loratui.events.history import History
from loratui.events.series import Series
from loratui.planning.memory_steps import MEMORY_STEPS, changed, goes_on, stays_the_same
from loratui.planning.past_runs import gather
from loratui.recovery.remedies import LESS, NO_LESS, case_of, remedies, with_base
from loratui.recovery.remedy import BadEnd, Kind, Remedy, need
from loratui.recovery.sound_checkpoints import sound_steps
from tests.loratui.planning.measured_runs import GPU, MEMORY, write_run
from tests.trainer.conftest import make_config
from trainer import failures
from trainer.contract.plan.estimate import corrected, estimate
from trainer.contract.run.events import CAUSES
from trainer.contract.run.not_finite import advice, is_trained
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, load_config

FULL_SIZE = {
    "model__base": "stabilityai/stable-diffusion-xl-base-1.0",
    "train__precision": "bf16",
    "train__batch": 4,
    "train__rank": 32,
    "train__targets": "attention",
    "train__resolution": 1024,
}


def config(**own: Any) -> TrainConfig:
    return make_config(Path("photos"), **(FULL_SIZE | own))


CASE = BadEnd("oom", config(), gpu=True)


def offered(kind: Any, own: dict[str, Any] | None = None, **case: Any) -> list[Remedy]:
    values = {"checkpoints": (100, 200), "sound": (100, 200), "gpu": True} | case
    return remedies(BadEnd(kind, config(**(own or {})), **values))


def test_out_of_memory_offers_first_what_leaves_the_training_as_it_is() -> None:
    found = offered("oom")
    effects = [one.effect for one in found if one.changes]
    assert effects == sorted(effects, key=("rounding", "training").index)
    assert found[0].changes == {"train.gradient_checkpointing": "blocks"}
    assert [one.goes for one in found if one.effect == "rounding"] == ["checkpoint"] * 4
    assert all(one.step == 200 for one in found if one.goes == "checkpoint" and not one.opens)
    products = {one.changes["train.batch"] * one.changes["train.accumulation"] for one in found[1:4]}
    assert products == {4}
    assert "rank 32 to 16" not in [one.title for one in found]  # 0.7 GB of 32
    assert found[-2].changes == {} and found[-2].goes == "checkpoint"


def test_what_would_save_too_little_is_not_offered_and_where_nothing_is_left_that_is_said() -> None:
    assert "slice_p 1 to 11" not in [one.title for one in offered("oom")]  # 0.2 GB of 36
    small = {"train__gradient_checkpointing": True, "train__batch": 1}
    titles = [one.title for one in offered("oom", {**small, "train__rank": 64})]
    assert "8-bit AdamW" in titles and "slice_p 1 to 11" not in titles  # 1.0 and 0.4 GB of 12
    for size in ({}, {**small, "train__rank": 1, "train__resolution": 512}):
        found = offered("oom", size)
        (again,) = [one for one in found if not one.changes and not one.opens]
        assert (NO_LESS in again.why) == bool(size) == (not any(one.changes for one in found))


def test_where_memory_ran_out_while_drawing_the_pictures_make_room_first() -> None:
    own = {"train__batch": 1, "train__gradient_checkpointing": "blocks", "train__resolution": 512}
    own |= {"sample__width": 1536, "sample__height": 1536}
    of_pictures = [{"sample.tiles": True}, {"sample.width": 0, "sample.height": 0}, {"sample.count": 0}]
    found = [one for one in offered("oom", own, phase="sample") if one.changes]
    assert [one.changes for one in found[:3]] == of_pictures
    assert {(one.effect, one.goes) for one in found[:3]} == {("none", "checkpoint")}
    stepping = [one.changes for one in offered("oom", own, phase="train")]
    assert not any(one in stepping for one in of_pictures)  # no picture was there then
    off = offered("oom", own | {"sample__count": 0}, phase="sample")
    assert not any(key.startswith("sample.") for one in off for key in one.changes)


def test_every_remedy_for_memory_lowers_the_estimate_that_it_names() -> None:
    base = config()
    found = [one for one in offered("oom") if one.changes]
    assert len(found) >= 4
    for one in found:
        assert one.memory == (need(CASE, base), need(CASE, changed(base, one.changes)))
        assert one.memory[1] < LESS * one.memory[0]


@pytest.mark.parametrize("kind", ["oom", "crash", "nan"])
def test_what_a_change_is_to_the_training_does_not_depend_on_whether_a_checkpoint_is_there(kind: Kind) -> None:
    kept = {repr(one.changes): one.effect for one in offered(kind) if one.changes}
    bare = {repr(one.changes): one for one in offered(kind, checkpoints=(), sound=()) if one.changes}
    assert bare and all(one.effect == kept.get(key, one.effect) for key, one in bare.items())
    assert all(one.effect == "training" for one in bare.values() if "train.rank" in one.changes)


def test_past_runs_correct_the_memory_of_a_remedy_as_they_correct_a_plan(tmp_path: Path) -> None:
    history = History()
    write_run(tmp_path / "a", factor=0.6)
    write_run(tmp_path / "b", factor=0.6)
    run, mine = RunDir(tmp_path / "b"), load_config(tmp_path / "b/config.toml")
    history.absorb([{"type": "run", "t": 1, "name": "b", "steps": 9, "gpu": GPU, "vram_total": MEMORY}])
    case = case_of(run, history)
    plan = gather(tmp_path).correction(mine, estimate(mine, 1), GPU, MEMORY)
    assert case.factor == plan.memory == pytest.approx(0.6, rel=1e-3)
    assert need(case, mine) == corrected(estimate(mine, 1), plan.memory).memory_total < need(CASE, mine)
    on_cpu = replace(case, gpu=False, factor=1.0)
    assert need(on_cpu, mine) == estimate(mine, 1, "cpu").memory_total


def test_what_is_already_so_is_not_offered() -> None:
    own = {"train__gradient_checkpointing": True, "train__batch": 1, "train__optimizer": "adamw-8bit", "train__rank": 8}
    assert [one.title for one in offered("oom", own)] == [
        "resolution 1024 to 768 px",
        "change nothing, resume",
        "look at this machine",
    ]


def test_a_batch_is_split_only_as_the_processes_can_share_it_and_never_under_dropout() -> None:
    shared = [one.changes.get("train.batch") for one in offered("oom", world=4)]
    assert 1 in shared and 2 not in shared  # 2 x 2 cannot be dealt out to four
    dropped = [one for one in offered("oom", {"train__dropout": 0.1}) if "train.batch" in one.changes]
    assert dropped == []


def test_while_loading_nothing_about_activations_is_offered() -> None:
    changes = {key for one in offered("oom", phase="load") for key in one.changes}
    assert not changes & {"train.gradient_checkpointing", "train.batch"}


def test_not_finite_in_fp16_offers_bf16_first_and_always_a_change() -> None:
    found = offered("nan", {"train__precision": "fp16"}, pictures=("a.png",))
    assert found[0].changes == {"train.precision": "bf16"}
    assert found[1].changes == {"train.learning_rate": 0.5, "train.embedding_learning_rate": 0.5}
    assert found[2].changes == {"dataset.skip": ("a.png",)}
    assert not any("model.vae_precision" in one.changes for one in found)  # the pictures are encoded in fp32
    rough = offered("nan", {"train__precision": "fp16", "model__vae_precision": "training"})
    assert rough[1].changes == {"model.vae_precision": "auto"}
    assert all(one.changes for one in found)  # the same step would give the same again
    assert {one.effect for one in found} == {"training"}


def test_of_several_pictures_none_is_blamed() -> None:
    assert not any("dataset.skip" in one.changes for one in offered("nan", pictures=("a.png", "b.png")))


def test_a_step_of_one_picture_and_class_pictures_does_not_blame_it() -> None:
    beside = {"prior__enabled": True, "prior__path": "/class", "dataset__class_word": "star"}
    assert any("dataset.skip" in one.changes for one in offered("nan", pictures=("a.png",)))
    assert not any("dataset.skip" in one.changes for one in offered("nan", beside, pictures=("a.png",)))
    (anew,) = offered("nan", beside, pictures=("a.png",), cause="latents")  # those of a class picture
    assert (anew.goes, anew.changes) == ("new run", {}) and "take the class picture out" in anew.why


def test_what_was_found_decides_what_helps() -> None:
    two = {"pictures": ("a.png", "b.png")}
    (left,) = offered("nan", cause="latents", at_fault=("b.png",), **two)
    assert left.changes == {"dataset.skip": ("b.png",)} and left.why == "what the VAE makes of it is not finite"
    rough = {"train__precision": "fp16", "model__vae_precision": "training"}
    assert [[*one.changes] for one in offered("nan", rough, cause="latents", at_fault=two["pictures"], **two)] == [
        ["model.vae_precision"],
        ["dataset.skip"],
    ]
    damaged = offered("nan", cause="base", **two)
    assert damaged[0].opens == "base model" and not any("train.learning_rate" in one.changes for one in damaged)
    again, *others = offered("nan", cause="gone", **two)
    assert not again.changes and again.title == "change nothing, resume" and others == offered("nan", **two)
    bound = offered("nan", cause="gradient", at_fault=("a.png",), **two)
    assert [one.title for one in bound if "dataset.skip" in one.changes] == ["skip a.png"]
    both = offered("nan", cause="gradient", at_fault=two["pictures"], **two)
    assert not any("dataset.skip" in one.changes for one in both)


@pytest.mark.parametrize("kind", [*CAUSES, ""])
def test_what_the_trainer_advises_after_a_cause_is_a_key_that_does_it(kind: str) -> None:
    """Every setting that its advice names is changed by a remedy or chosen behind one; a rate only where it helps."""
    words = [{}, {"pivotal__enabled": False}]
    for precision, vae, own, pictures in product(("bf16", "fp16"), ("auto", "training"), words, ((), ("a.png",))):
        own = {"train__precision": precision, "model__vae_precision": vae, **own}
        said = advice(kind, pictures, config(**own))
        found = offered("nan", own, cause=kind, pictures=("a.png", "b.png"), at_fault=pictures)
        done = {key for one in found for key in one.changes} | {"model.base" for one in found if one.opens}
        named = {key for one in said for key in re.findall(r"\b[a-z]+\.[a-z_]+\b", one.replace("a.png", ""))}
        assert said and named <= done, (kind, own, pictures, named - done)
        assert ("train.learning_rate" in named) == is_trained(kind, config(**own)) == ("train.learning_rate" in done)
        assert ("train.precision" in named) == (precision == "fp16" and kind not in ("latents", "vae"))
        assert ("machine" in found[0].why) == (kind == "gone") == ("as it was" in said[0])


def test_a_run_that_ran_away_goes_back_to_before_or_begins_anew() -> None:
    back = offered("nan", sound=(100,))[0]
    assert (back.goes, back.step, back.back) == ("checkpoint", 100, True)
    assert back.changes["train.learning_rate"] == 0.5
    assert {one.goes for one in offered("nan", sound=())} == {"new run"}
    first = offered("nan", checkpoints=(), sound=())[0]
    assert (first.goes, first.step) == ("beginning", 0)


def test_adamw_far_above_its_own_rate_goes_to_it_and_else_to_a_third() -> None:
    high = offered("nan", {"train__optimizer": "adamw", "train__learning_rate": 1.0})[0]
    assert high.changes == {"train.learning_rate": 1e-4, "train.embedding_learning_rate": 3e-4}
    own = {"train__optimizer": "adamw", "pivotal__enabled": False}
    assert offered("nan", own)[0].changes == {"train.learning_rate": pytest.approx(1e-4 / 3)}


def test_the_other_ends() -> None:
    crashed = offered("crash")
    assert crashed[0].changes == {} and crashed[0].goes == "checkpoint"
    assert crashed[1].changes and crashed[-1].opens == "doctor"
    assert "train.batch" in {key for one in offered("crash", full=True) for key in one.changes}
    assert offered("disk")[1].changes == {"train.keep_checkpoints": 1}
    assert offered("disk")[1].effect == "none"
    skip = offered("data", {"dataset__skip": ["a.png"]}, pictures=("b.png", "c.png"))[0]
    assert skip.changes == {"dataset.skip": ("a.png", "b.png", "c.png")} and skip.title == "skip 2 pictures"
    assert [one.goes for one in offered("data") if not one.opens] == ["checkpoint", "new run"]


def test_no_remedy_leaves_a_run_without_a_picture(tmp_path: Path) -> None:
    """Of an end that names all that are there, and of the one that comes when all were left out."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    own: dict[str, Any] = {"dataset__path": str(tmp_path)}
    (first, *_) = offered("data", own, pictures=("a.png",))
    assert first.title == "skip a.png"
    both = offered("data", own, pictures=("a.png", "b.png"))
    assert both[0].opens == "folder" and not any("dataset.skip" in one.changes for one in both)
    left_out = offered("data", {**own, "dataset__skip": ["a.png", "b.png"]})
    assert left_out[0].changes == {"dataset.skip": ()} and left_out[1].opens == "folder"
    for name in ("a.png", "b.png"):
        (tmp_path / name).unlink()
    gone = offered("data", own, pictures=("a.png", "b.png"))
    assert [one.opens for one in gone][:2] == ["folder", ""] and not any(one.changes for one in gone)


def kinds() -> list[str]:
    """Every kind of end: those that the trainer names, and the one that it cannot."""
    (explain,) = (one for one in ast.parse(inspect.getsource(failures)).body if getattr(one, "name", "") == "explain")
    said = [one.value for one in ast.walk(explain) if isinstance(one, ast.Return)]
    named = [
        word.value
        for one in said
        if isinstance(one, ast.Tuple)
        for word in ast.walk(one.elts[0])
        if isinstance(word, ast.Constant)
    ]
    return sorted({*("data" if kind == "usage" else kind for kind in named), "crash"})


def test_the_trainers_kinds_are_those_that_have_remedies() -> None:
    assert set(kinds()) == set(get_args(Kind))


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("steps", [(), (100, 200)], ids=["before a checkpoint", "after some"])
@pytest.mark.parametrize("base", ["", "model.base: 'a/b' is not completely on this disk"], ids=["a base", "none"])
@pytest.mark.parametrize("size", [{}, {"train__gradient_checkpointing": True, "train__batch": 1, "train__rank": 8}])
def test_no_end_leaves_only_the_same_again(kind: str, steps: tuple[int, ...], base: str, size: dict[str, Any]) -> None:
    found = offered(kind, size, checkpoints=steps, sound=steps, base=base)
    other = [one for one in found if one.changes or one.opens or one.goes == "new run"]
    assert other, [one.title for one in found]
    opened = [one.opens for one in found if one.opens]
    assert len(opened) == len(set(opened))
    if kind == "data" and base:
        assert found[0].opens == "base model"
        assert any(one.changes.get("model.base") == "sdxl-small" for one in found) == (not steps)
    if kind == "disk":
        assert "disk" in opened
    if kind in ("oom", "crash"):
        assert any(one.memory and one.memory[1] < one.memory[0] for one in found)


def test_a_base_model_that_is_chosen_is_written_and_the_run_starts_again() -> None:
    case = BadEnd("data", config(), base="it is not there")
    assert with_base(case, "sdxl-small").changes == {"model.base": "sdxl-small"}
    assert with_base(case, case.config.model.base).changes == {}


def test_a_loss_that_leaves_its_range_spoils_what_was_saved_after_it() -> None:
    healthy, ran_away = Series(), Series()
    for step in range(1, 201):
        healthy.add(step, 0.1 + 0.05 * (step % 3))
        ran_away.add(step, (0.1 + 0.05 * (step % 3)) * (1 if step < 150 else 1.2 ** (step - 149)))
    assert sound_steps(healthy, (50, 100, 200)) == (50, 100, 200)
    assert sound_steps(ran_away, (50, 100, 149, 175, 200)) == (50, 100, 149)
    assert sound_steps(Series(), (50,)) == (50,)


def test_the_case_is_read_from_the_run(tmp_path: Path) -> None:
    run, history = RunDir(tmp_path), History()
    run.config.write_text(dump_config(config()))
    error = {"type": "error", "t": 3, "kind": "nan", "message": "m", "step": 7, "pictures": ["a.png"]}
    phases = [{"type": "phase", "t": 2, "name": "cache", "done": 0, "total": 4}, error]
    history.absorb([{"type": "run", "t": 1, "name": "toy", "steps": 9, "gpu": "G", "world": 2}, *phases])
    run.checkpoint(3).mkdir(parents=True)  # cut off while it was written: no manifest
    case = case_of(run, history)
    assert (case.kind, case.phase, case.pictures, case.gpu, case.world) == ("nan", "cache", ("a.png",), True, 2)
    assert case.checkpoints == ()
    for name, done, phase in (("load", 3, "train"), ("load", 2, "load"), ("sample", 3, "train"), ("cache", 3, "cache")):
        history.absorb([{"type": "phase", "t": 4, "name": name, "done": done, "total": 3}])
        assert case_of(run, history).phase == phase
    history.error = {"kind": "of another version"}
    assert case_of(run, history).kind == "exception"


def test_the_steps_say_of_themselves_what_the_trainers_rules_say() -> None:
    """`same` is what the list claims; whether it holds for a run is asked of the rules that refuse a resume."""
    larger = {"sample__width": 1536, "sample__height": 1536}
    rich = config(train__precision="fp32", model__vae_precision="fp32", train__targets="all-linear", **larger)
    kept = {step.name: [stays_the_same(rich, one) for one in step.down(rich)] for step in MEMORY_STEPS}
    same = {"tiles", "smaller samples", "no samples", "norms", "feed-forward", "checkpointing", "batch"}
    assert {name for name, said in kept.items() if said and all(said)} == same
    assert {step.name for step in MEMORY_STEPS if step.same} == same
    on = {step.name for step in MEMORY_STEPS for one in step.down(rich) if goes_on(rich, one)}
    assert on == {*same, "VAE", "precision", "average", "resolution", "small pictures"}
    (batch,) = (step for step in MEMORY_STEPS if step.name == "batch")
    dropped = config(train__dropout=0.1)
    assert not any(goes_on(dropped, one) or stays_the_same(dropped, one) for one in batch.down(dropped))


def test_before_and_after_a_run_the_same_list_is_read() -> None:
    """What is offered after memory ran out are settings that a plan could propose, with the plan's reason."""
    own: dict[str, Any] = {"train__rank": 64, "train__alpha": 32.0, "train__optimizer": "adamw"}
    known = {step.cost: step for step in MEMORY_STEPS}
    small = {**own, "train__gradient_checkpointing": True, "train__batch": 1}
    found = [(one, each) for each in (own, small) for one in offered("oom", each) if one.changes and one.why in known]
    assert len(found) >= 6
    for one, each in found:
        assert dict(one.changes) in list(known[one.why].down(config(**each)))
    (rank,) = (one for one, _ in found if "train.rank" in one.changes)
    assert rank.changes == {"train.rank": 32, "train.alpha": 16.0}  # the LoRA's scale stays as it was
