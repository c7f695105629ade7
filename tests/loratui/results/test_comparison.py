"""What tells two runs apart, from their files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loratui.results.comparison import Comparison, compare, facts_of
from loratui.results.comparison_lines import comparison_lines
from tests.loratui.screens.conftest import HOSTILE, fake_run, training
from trainer.contract.run.exports import INNER
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

CAT, DOG = {"a.png": "1", "b.png": "2"}, {"b.png": "9", "c.png": "3", "d.png": "4"}


def make(root: Path, name: str, pictures: dict[str, str] | None = None, steps: int = 40, **train: Any) -> RunDir:
    """A run of so many steps, with one checkpoint if its pictures are given."""
    end = {"type": "end", "status": "completed", "step": steps, "seconds": 1.5 * steps, "files": []}
    run = fake_run(root / name, [*training(steps), end])
    run.config.write_text(dump_config(TrainConfig.model_validate({"name": "dog", "train": train})))
    run.log.touch()
    if pictures is not None:
        run.checkpoint(30).mkdir(parents=True)
        state = {"version": 1, "step": 30, "identity": {"pictures": pictures, "settings": {}, "base": {}}}
        (run.checkpoint(30) / "state.json").write_text(json.dumps(state))
    return run


def found(one: RunDir, other: RunDir) -> Comparison:
    return compare(facts_of(one), facts_of(other))


def test_settings_that_differ_are_named_as_in_the_form(tmp_path: Path) -> None:
    result = found(make(tmp_path, "a", rank=8, precision="fp32"), make(tmp_path, "b", rank=32))
    assert [(one.key, one.title, one.left, one.right) for one in result.settings] == [
        ("train.rank", "rank", "8", "32"),
        ("train.precision", "precision", "fp32", "bf16"),
    ]


def test_results_that_differ(tmp_path: Path) -> None:
    left, right = make(tmp_path, "a", steps=10), make(tmp_path, "b", steps=40)
    more = (
        {"type": "measure", "step": 40, "loss": 0.125, "losses": [0.1, 0.15], "of": "held-out", "norm": 2.5},
        {"type": "checkpoint", "step": 40, "path": "x", "bytes": 1},
    )
    with right.events.open("a") as file:
        file.writelines(json.dumps({"t": 1795428100, **one}) + "\n" for one in more)
    right.export.mkdir()
    (right.export / "dog.safetensors").write_bytes(b"x" * 1000)
    rows = {one.title: (one.left, one.right) for one in found(left, right).results}
    assert rows["steps"] == ("10 of 100", "40 of 100")
    assert rows["views per image"] == ("8.0", "32.0")
    assert rows["held-out loss"] == ("-", "0.1250")
    assert rows["adapter norm"] == ("-", "2.5")
    assert rows["checkpoints"] == ("0", "2")
    assert rows["dog.safetensors"] == ("-", "1 kB")
    assert rows["time"] == ("0:15", "1:00")
    assert rows["d of unet"] == ("1.38e-05", "0.0001")
    assert "GPU memory" not in rows  # the same in both


def test_time_is_summed_over_the_starts(tmp_path: Path) -> None:
    run = make(tmp_path, "a")
    with run.events.open("a") as file:
        more = {"steps": 100, "name": "dog", "resumed_from": 30}
        file.write(json.dumps({"t": 1795430000, "type": "run", **more}) + "\n")
        file.write(json.dumps({"t": 1795430010, "type": "checkpoint", "step": 40, "path": "x", "bytes": 1}) + "\n")
    assert facts_of(run).seconds == pytest.approx(60 + 10)  # it still trains
    with run.events.open("a") as file:
        file.write(json.dumps({"t": 1795430010, "type": "end", "status": "completed", "seconds": 14.0}) + "\n")
    assert facts_of(run).seconds == pytest.approx(60 + 14)  # with what went by before its first word


def test_files_of_the_inner_folder_are_compared_as_the_others(tmp_path: Path) -> None:
    run = make(tmp_path, "a", CAT)
    inner = run.export / INNER[0]
    (inner / "more").mkdir(parents=True)
    for place in (run.export / "dog.safetensors", inner / "new.safetensors"):
        place.write_bytes(b"x" * 3000)
    assert facts_of(run).files == {"dog.safetensors": 3000, f"{INNER[0]}/new.safetensors": 3000}


def test_pictures_that_differ_are_named(tmp_path: Path) -> None:
    result = found(make(tmp_path, "a", CAT), make(tmp_path, "b", DOG))
    assert [tuple(one) for one in result.pictures] == [
        ("pictures", "2", "3", ""),
        ("only here", "a.png", "c.png, d.png", ""),
        ("changed", "1 picture: b.png", "content or caption", ""),
    ]


def test_the_seed_is_spoken_of(tmp_path: Path) -> None:
    same = found(make(tmp_path, "a", CAT), make(tmp_path, "b", CAT))
    assert same.settings == () and "give the same result" in same.remarks[0]
    rank = found(make(tmp_path, "c", CAT, rank=8), make(tmp_path, "d", CAT))
    assert rank.remarks[0].startswith("The same seed")
    seed = found(make(tmp_path, "e", CAT, seed=1), make(tmp_path, "f", CAT))
    assert seed.remarks[0].startswith("Two seeds")
    steps = found(make(tmp_path, "g", CAT, steps=20), make(tmp_path, "h", steps=40))
    assert "none in h." in steps.remarks[1] and "different steps" in steps.remarks[2]


def test_samples_of_one_step_are_pointed_to_only_where_both_have_them(tmp_path: Path) -> None:
    def remark(left: RunDir, right: RunDir) -> str:
        return found(left, right).remarks[-1]

    runs = [make(tmp_path, name, CAT, steps=steps) for name, steps in (("a", 20), ("b", 40))]
    assert remark(*runs) == "They ended at different steps: look at the samples of a step that both have."
    for run in runs:
        kept = [line for line in run.events.read_text().splitlines() if '"type": "sample"' not in line]
        run.events.write_text("\n".join(one for one in kept if '"type":"sample"' not in one) + "\n")
    assert remark(*runs) == "They ended at different steps."


def test_damaged_files_are_survived(tmp_path: Path) -> None:
    left, right = make(tmp_path, "a", CAT), make(tmp_path, "b", CAT)
    right.config.write_text("{half")
    right.events.write_text('{"type":"step"\n{"type":"step","step":"x"}\n\x00\n')
    (right.checkpoint(30) / "state.json").write_text("[" * 5000)
    (tmp_path / "c").mkdir()
    for other in (right, RunDir(tmp_path / "c")):
        result = found(left, other)
        assert ("state", "completed") in [(one.title, one.left) for one in result.results]


def test_hostile_words_are_harmless(tmp_path: Path) -> None:
    left = make(tmp_path, "a", {f"{HOSTILE}.png".replace("/", ""): "1"})
    right = make(tmp_path, HOSTILE.replace("/", ""), {})
    right.config.write_text(
        f"[train]\nrank = 1\n[dataset]\ntrigger = {json.dumps(HOSTILE)}\n[x]\n{json.dumps(HOSTILE)} = 1\n"
    )
    right.export.mkdir()
    (right.export / HOSTILE.replace("/", "")).write_text("x")
    text = "\n".join(line for _, line in comparison_lines(found(left, right), 80))
    assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert "␛" in text


def test_lines_keep_to_the_width_and_cut_no_value(tmp_path: Path) -> None:
    prompts = ["a photo of a TOK dog on a beach at night, in the rain", "a TOK"]
    left, right = make(tmp_path, "a" * 60), make(tmp_path, "b")
    right.config.write_text(right.config.read_text().replace("prompts = []", f"prompts = {json.dumps(prompts)}"))
    lines = [line for _, line in comparison_lines(found(left, right), 60)]
    assert max(map(len, lines)) <= 60
    assert set(" ".join(prompts).split()) <= set(" ".join(lines).replace(";", " ").split())
