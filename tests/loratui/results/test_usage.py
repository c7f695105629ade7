"""The lines of the result: each file's uses, and which programs read it rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.planning.plan import make_plan
from loratui.results.facts import read_facts
from loratui.results.parcel import allowed
from loratui.results.usage import Usage, usage_lines
from loratui.settings.answers import read_answers
from loratui.settings.resolve import resolve
from trainer.contract.run.exports import DIFFUSERS, OLD_DIFFUSERS
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config, nested
from trainer.contract.settings.tracking import Sample

INTERFACES = "ComfyUI, AUTOMATIC1111, Forge, SD.Next, InvokeAI, SwarmUI"
WITHOUT = "kohya's scripts, stable-diffusion.cpp"


def lines(folder: Path, files: tuple[str, ...], **own: object) -> tuple[Usage, ...]:
    run = RunDir(folder)
    run.export.mkdir(parents=True)
    config = TrainConfig.model_validate(nested({"name": "toy", **{k.replace("__", "."): v for k, v in own.items()}}))
    run.config.write_text(dump_config(config))
    for name in files:
        (run.export / name).parent.mkdir(exist_ok=True)
        (run.export / name).write_bytes(b"x")
    return usage_lines(run, read_facts(run))


@pytest.mark.parametrize(
    ("axis", "file", "said"),
    [
        ("input", "toy.safetensors", f"{INTERFACES}; not diffusers, PEFT, {WITHOUT}"),
        ("output", DIFFUSERS, f"diffusers, PEFT; not {INTERFACES}, {WITHOUT}"),
    ],
)
def test_result_and_plan_say_which_programs_compute_a_dora(tmp_path: Path, axis: str, file: str, said: str) -> None:
    found = lines(tmp_path / "run", (file,), train__dora=True, train__dora_axis=axis)
    assert [one.copied for one in found if one.shown == f"DoRA along the {axis} axis"] == [said]
    (tmp_path / "answers.toml").write_text(
        f'schema = 1\npreset = "object"\n[train]\ndora = true\ndora_axis = "{axis}"\n'
    )
    plan = make_plan(resolve(read_answers(tmp_path / "answers.toml")))
    (row,) = [row for section in plan.sections for row in section.rows if row.label == "DoRA"]
    assert row.value == f"along the {axis} axis" and row.note.endswith(f"read by {said}")


@pytest.mark.parametrize(("count", "draws"), [("0", False), ("2", True), ('"x"', True), (None, True)])
def test_whether_a_run_draws_is_what_the_settings_say(tmp_path: Path, count: str | None, draws: bool) -> None:
    """Also of a file of which nothing else is a setting of ours."""
    run = RunDir(tmp_path)
    run.config.write_text(f"[sample]\nother = 1\n{'' if count is None else f'count = {count}'}\n")
    assert read_facts(run).draws is draws
    assert count is None or not count.isdigit() or Sample(count=int(count)).drawn is draws


def test_every_file_has_its_uses_and_may_be_pushed(tmp_path: Path) -> None:
    files = ("toy.safetensors", "toy_emb.safetensors", "toy_bundle.safetensors", "toy_style.safetensors", DIFFUSERS)
    files += ("toy.json", "toy.png", "README.md")
    found = lines(tmp_path / "run", files, sample__prompts=["a (red) TOK."])
    assert {one.shown for one in found if one.head} == {*files, "try it"}
    typed = [one.copied for one in found if one.note.endswith("; prompt")]
    assert r"a \(red\) embedding:toy_emb ." in typed and r"a \(red\) <embed:toy_emb>." in typed
    assert all(allowed(name, "toy") for name in files)
    assert not allowed("toy.png", "toy", samples=False) and not allowed("diffusers/other.safetensors", "toy")
    old = lines(tmp_path / "old", ("toy.safetensors", OLD_DIFFUSERS))
    assert [one.shown for one in old if one.note == "the whole script, with the folder"] == ["diffusers"]
