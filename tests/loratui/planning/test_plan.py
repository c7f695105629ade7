"""The plan's arithmetic in words, and what it warns of."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from loratui.curation.report import outcome
from loratui.curation.scan import ScanSettings, scan
from loratui.planning.hardware import Machine, asked_for
from loratui.planning.lines import plan_lines, resolved_lines
from loratui.planning.memory_steps import MEMORY_STEPS
from loratui.planning.past_runs import gather
from loratui.planning.plan import LINEAR_COST, Plan, make_plan, settled
from loratui.planning.sections import MachineKnown, memory_section
from loratui.settings.answers import Answers
from loratui.settings.checks import answers_of
from loratui.settings.drafts.draft import Draft
from loratui.settings.resolve import resolve
from tests.loratui.conftest import LoraTUI
from tests.trainer.conftest import make_config
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.levels import LONGER, with_level
from trainer.contract.plan.memory import MADE_AGAIN, made_again
from trainer.contract.run.events import EventLog
from trainer.contract.settings.config import dump_config
from trainer.contract.settings.tracking import NO_SAMPLES

SMALL = {
    "model.base": "sdxl-small",
    "train.resolution": 64,
    "train.precision": "fp32",
    "train.gradient_checkpointing": False,
    "train.steps": 100,
    "train.batch": 2,
}

MACHINE = Machine("cpu", "the CPU", 16_000_000_000, 12_000_000_000)


def planned(pictures: Path, runs: Path, **own: object) -> Plan:
    values = {"dataset.path": str(pictures), **SMALL, **{key.replace("__", "."): one for key, one in own.items()}}
    resolved = resolve(Answers("object", values), {}, 4)
    report = scan(pictures, ScanSettings.of(resolved.config))
    return make_plan(resolved, report, outcome(report), runs=runs, machine=MACHINE, knowledge=gather(runs))


def value(plan: Plan, title: str, label: str) -> tuple[str, str]:
    (section,) = (one for one in plan.sections if one.title == title)
    return next((row.value, row.note) for row in section.rows if row.label == label)


def drawn(plan: Plan, title: str, width: int) -> list[str]:
    (section,) = (one for one in plan.sections if one.title == title)
    assert section.draw is not None
    return section.draw(width)


def test_the_arithmetic_is_said_in_words(pictures: Path, tmp_path: Path) -> None:
    plan = planned(pictures, tmp_path / "runs", dataset__repeats=3, train__checkpoint_every=40, train__sample_every=50)
    first, *line = drawn(plan, "Steps", 100)
    words = "4 pictures x 3 repeats / batch 2 = 6 steps per epoch -> 100 steps = 16.7 epochs, 50 views per image"
    assert first == words
    assert line[0].startswith("0 ○") and line[0].endswith("▲ 100")
    assert value(plan, "Steps", "views per image")[0] == "50.0"
    assert value(plan, "Steps", "pivot")[0] == "after step 50"
    assert value(plan, "Steps", "checkpoints") == ("3", "after step 40, 80, 100")
    assert value(plan, "Steps", "samples") == ("3 times", "after step 0, 50, 100")
    assert not plan.errors
    words_too = {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "text_encoder_lora__fraction": 0.3}
    said = value(planned(pictures, tmp_path / "runs", **words_too), "Steps", "pivot")
    assert said == ("after step 30", "then the LoRA of the text encoders is frozen (0.3 of the run)")


def test_a_pivot_on_the_last_step_is_none_and_nothing_is_told_of_after_it(pictures: Path, tmp_path: Path) -> None:
    for fraction, own in ((1.0, "none"), (0.999, "none"), (0.5, "after step 50")):
        plan = planned(pictures, tmp_path / "runs", pivotal__fraction=fraction)
        number, note = value(plan, "Steps", "pivot")
        assert number == own and ("trained to the end" in note) is (own == "none")
        config = make_config(tmp_path, pivotal__fraction=fraction, train__steps=100)
        need = replace(estimate(config, 4), memory_after=1)
        memory = memory_section(need, MachineKnown(), None, config=config)
        assert ("after the pivot" in [row.label for row in memory.rows]) is (own != "none")
        assert ("no pivot" in drawn(plan, "Steps", 100)[-1]) is (own == "none")


def test_that_many_views_overfit_is_not_said_of_the_small_model(pictures: Path, tmp_path: Path) -> None:
    assert "overfits" not in value(planned(pictures, tmp_path / "runs"), "Steps", "views per image")[1]
    full = value(planned(pictures, tmp_path / "runs", model__base="owner/sdxl"), "Steps", "views per image")[1]
    assert "above 200 overfits" in full


def test_time_is_told_only_where_a_run_on_this_machine_measured_it(
    pictures: Path, tmp_path: Path, own_state: Path
) -> None:
    runs = tmp_path / "runs"
    assert value(planned(pictures, runs), "Time", "all steps")[0] == "not known yet"
    past = runs / "past"
    past.mkdir(parents=True)
    config = resolve(Answers("object", {"dataset.path": str(pictures), **SMALL})).config
    (past / "config.toml").write_text(dump_config(config))
    log = EventLog(past / "events.jsonl")
    log.emit("run", v=1, pid=os.getpid(), host=socket.gethostname(), name="past", steps=100)
    log.emit("step", step=50, loss=0.1, s=2.0)
    log.close()
    assert value(planned(pictures, runs), "Time", "all steps")[0] == "about 3 min"
    # half as many pictures more a step, worked out from the arithmetic of a step; and of another model nothing
    assert value(planned(pictures, runs, train__batch=3), "Time", "all steps") == (
        "about 5 min",
        "3 s a step, worked out from 1 run with other settings: rough; starting, samples and files come on top",
    )
    assert value(planned(pictures, runs, model__base="owner/sdxl"), "Time", "all steps")[0] == "not known yet"
    own_state.joinpath("loratui/measured.json").unlink()
    text = (past / "events.jsonl").read_text()
    (past / "events.jsonl").write_text(text.replace(json.dumps(socket.gethostname()), '"elsewhere"'))
    assert value(planned(pictures, runs), "Time", "all steps")[0] == "not known yet"


def test_before_the_first_run_time_is_an_estimate_on_a_card_that_is_known(pictures: Path, tmp_path: Path) -> None:
    report = scan(pictures, ScanSettings.of(resolve(Answers("object", {"dataset.path": str(pictures)})).config))

    def time(gpu: str, **own: object) -> tuple[str, str]:
        chosen = {"dataset.path": str(pictures), "train.steps": 1000, "train.batch": 1}
        chosen |= {key.replace("__", "."): one for key, one in own.items()}
        machine = Machine("cuda", gpu, 24_000_000_000, 24_000_000_000)
        resolved = resolve(Answers("object", chosen), {}, 4)
        plan = make_plan(resolved, report, outcome(report), runs=tmp_path, machine=machine)
        return value(plan, "Time", "all steps")

    words, note = time("NVIDIA GeForce RTX 4090")
    assert words == "5 min to 10 min" and note.startswith("an estimate") and "Ada whitepaper" in note
    assert "the first run here corrects it" in note
    assert time("NVIDIA GeForce RTX 4090", train__batch=8)[0] == "about 51 min", "nothing is bound by launches there"
    assert time("NVIDIA L40S")[0].endswith("to 10 min") and "A40 data" not in time("NVIDIA L40S")[1]
    for other in ("NVIDIA GeForce GTX 1080", "NVIDIA RTX A4000"):
        assert time(other)[0] == "not known yet"
    assert time("NVIDIA GeForce RTX 4090", train__precision="fp32")[0] == "not known yet"
    assert time("NVIDIA GeForce RTX 4090", model__base="sdxl-small", train__resolution=64)[0] == "not known yet"


def test_what_is_left_to_the_plan_is_what_is_started(pictures: Path, tmp_path: Path) -> None:
    chosen = resolve(Answers("object", {"dataset.path": str(pictures), "train.batch": 1}), {}, 4)
    report = scan(pictures, ScanSettings.of(chosen.config))
    plan = make_plan(chosen, report, outcome(report), runs=tmp_path, machine=asked_for(16))
    rows = [row.value for one in plan.sections for row in one.rows if row.label == "recomputed"]
    assert rows == ["norms and GELUs"]
    assert settled(chosen, plan).config.train.gradient_checkpointing == "norms" == plan.level
    unknown = make_plan(chosen, report, outcome(report), runs=tmp_path)
    assert unknown.level is None and settled(chosen, unknown) == chosen


@pytest.mark.parametrize("own", [{}, {"train.dora": True}])
def test_what_is_made_again_is_said_with_what_it_costs(own: dict[str, object], pictures: Path, tmp_path: Path) -> None:
    """In the words of the changes that a plan proposes; layer by layer there are only whole blocks."""
    chosen = resolve(Answers("object", {"dataset.path": str(pictures), "train.batch": 1} | own), {}, 4)
    report, seen = scan(pictures, ScanSettings.of(chosen.config)), set()
    for card in (8, 12, 16):
        plan = make_plan(chosen, report, outcome(report), runs=tmp_path, machine=asked_for(card))
        made = made_again(with_level(chosen.config, plan.level))
        (row,) = (one for section in plan.sections for one in section.rows if one.label == "recomputed")
        assert row.value == MADE_AGAIN[made] and row.note.startswith(f"steps take {LONGER[made]}; ")
        assert any(LONGER[made] in one.cost for one in MEMORY_STEPS)
        seen.add(made)
    assert seen == ({"blocks"} if own else set(LONGER))


def test_a_run_without_sample_pictures_says_so_in_every_section(pictures: Path, tmp_path: Path) -> None:
    plan = planned(pictures, tmp_path, sample__count=0)
    assert value(plan, "Steps", "samples") == ("none", NO_SAMPLES)
    for section in ("Memory", "Disk"):
        assert value(plan, section, "samples") == ("0 B", NO_SAMPLES)
    assert "no samples" in " ".join(drawn(plan, "Steps", 80)) and "○" not in " ".join(drawn(plan, "Steps", 80))


def test_a_long_wait_for_the_first_step_is_said_with_what_ends_it(pictures: Path, tmp_path: Path) -> None:
    report = scan(pictures, ScanSettings.of(resolve(Answers("object", {"dataset.path": str(pictures)})).config))

    def time(flops: float, **own: object) -> dict[str, tuple[str, str]]:
        chosen = {"dataset.path": str(pictures)} | {key.replace("__", "."): one for key, one in own.items()}
        machine = Machine("cpu", "the CPU", 64_000_000_000, 64_000_000_000, flops=flops)
        plan = make_plan(resolve(Answers("object", chosen), {}, 4), report, outcome(report), machine=machine)
        (found,) = (one for one in plan.sections if one.title == "Time")
        return {row.label: (row.value, row.note) for row in found.rows}

    # 25 steps of two passes for a picture, 32 passes of the loss, 4 latents: 584 TFLOP
    words, note = time(1e11)["until the first step"]
    assert words == "at least 1 h 37 min" and "sample.at_start=false and train.measure=false" in note
    short = time(1e11, sample__at_start=False, train__measure=False)["until the first step"]
    assert short[0] == "at least 3 min" and "=false" not in short[1]
    assert "until the first step" not in time(1e14)
    begun = {"train__measure": False, "sample__at_start": False, "adapter__start": "pissa"}
    slow, note = time(1e10, **begun, adapter__start_rounds=0)["until the first step"]
    assert "working out the LoRA's start from the weights is in it" in note
    assert slow != time(1e10, **begun)["until the first step"][0]  # the whole decomposition


def test_a_run_that_does_not_fit_on_the_disk_is_an_error(pictures: Path, tmp_path: Path) -> None:
    plan = planned(
        pictures,
        tmp_path,
        model__base="owner/sdxl",
        train__rank=1024,
        train__keep_checkpoints=1000,
        train__checkpoint_every=1,
        train__steps=1000,
    )
    assert any("on disk" in error for error in plan.errors)


def test_a_class_folder_that_is_not_there_is_an_error(pictures: Path, tmp_path: Path) -> None:
    plan = planned(pictures, tmp_path, prior__enabled=True, prior__path=str(tmp_path / "gone"))
    assert plan.errors and "prior.path: there is no folder" in plan.errors[0]


def test_the_equivalent_command_quotes_what_a_shell_would_eat(pictures: Path) -> None:
    answers = Answers("object", {"dataset.path": str(pictures), **SMALL})
    overrides = {"dataset.instance_prompt": "a TOK; rm -rf $HOME", "dataset.skip": ["a b.png"], "dataset.flip": True}
    command = make_plan(resolve(answers, overrides)).command
    assert "'dataset.instance_prompt=a TOK; rm -rf $HOME'" in command
    assert """'dataset.skip=["a b.png"]'""" in command and "dataset.flip=true" in command


def test_hostile_captions_and_names_are_safe_in_the_plan(pictures: Path, tmp_path: Path) -> None:
    plan = planned(pictures, tmp_path, dataset__instance_prompt="a TOK \x1b]52;c;x\x07 \u202e")
    shown = "\n".join(plan_lines(plan))
    assert "\x1b" not in shown and "\x07" not in shown and "\u202e" not in shown


def test_another_gpu_can_be_planned_for_from_the_command_line(loratui: LoraTUI, answers_file: Path) -> None:
    """Exit code 0: what does not fit is said with the options to paste, the estimate being one."""
    own = ("--set", "model.base=owner/sdxl", "--set", "train.resolution=1024", "--set", "train.accumulation=1")
    done = loratui("plan", answers_file, *own, "--memory", "10", timeout=240)
    said = done.stdout
    assert "a GPU with 10 GB" in said and "! warning: the run needs about" in said
    pasted = next(line for line in said.splitlines() if line.startswith("  --set ")).split()
    assert pasted[::2] == ["--set"] * (len(pasted) // 2) and "train.gradient_checkpointing=blocks" in pasted
    again = loratui("plan", answers_file, *own, *pasted, "--memory", "10", timeout=240).stdout
    assert "verdict" in again and "fits" in again and "To make it fit" not in again
    assert "does not fit" not in again


def test_the_class_prompt_is_shown_or_asked_for(pictures: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "member.png")
    own = {"prior__enabled": True, "prior__images": 7, "prior__path": str(tmp_path)}
    plan = planned(pictures, tmp_path / "runs", dataset__class_word="dog", **own)
    said_of_one = "1 photograph trained as 'a photo of a dog', 6 drawn as 'a photo of a dog'"
    assert value(plan, "Technique", "class pictures") == ("7", said_of_one)
    assert not plan.errors
    for word in ("woman", "man"):
        (tmp_path / "reg" / f"1_{word}").mkdir(parents=True)
        shade = 90 if word == "man" else 60
        Image.new("RGB", (64, 64), (shade, 0, 0)).save(tmp_path / "reg" / f"1_{word}" / "one.png")
    two = {**own, "prior__path": str(tmp_path / "reg"), "prior__images": 2}
    plan = planned(pictures, tmp_path / "runs", dataset__class_word="person", **two)
    said_of_two = "2 photographs trained as their captions or folders say"
    assert value(plan, "Technique", "class pictures") == ("2", said_of_two)
    plan = planned(pictures, tmp_path / "runs", dataset__class_word="dog", **{**own, "prior__path": ""})
    assert value(plan, "Technique", "class pictures") == ("7", "drawn, and trained as 'a photo of a dog'")
    (said,) = planned(pictures, tmp_path / "runs", **own).errors
    assert said.startswith("answers.toml: prior.enabled: nothing says what the class pictures show")


def test_every_picture_of_a_sample_step_is_counted(pictures: Path, tmp_path: Path) -> None:
    own = {"sample__prompts": ["a TOK", "a TOK, red"], "sample__count": 3, "train__sample_every": 50}
    plan = planned(pictures, tmp_path / "runs", **own)
    assert value(plan, "Steps", "samples") == ("3 times, 6 pictures each time", "after step 0, 50, 100")
    assert value(plan, "Disk", "samples")[1] == "18 PNG"


def test_what_a_form_refuses_names_its_setting_and_no_file(pictures: Path) -> None:
    values = {"dataset.path": str(pictures), **SMALL, "model.vae": "/nowhere"}
    resolved = resolve(answers_of(Draft(preset="object", values=values)), images=4)
    plan = make_plan(resolved, machine=MACHINE)
    assert [one.partition(":")[0] for one in plan.errors] == ["model.vae"]
    assert "answers.toml" not in " ".join([*plan.errors, *resolved_lines(resolved)])
    named = make_plan(resolve(Answers("object", values, {}, "a.toml")), machine=MACHINE)
    assert named.errors[0].startswith("a.toml: model.vae: ")


def test_what_every_linear_costs_is_said_where_it_is_trained(pictures: Path, tmp_path: Path) -> None:
    plan = planned(pictures, tmp_path)
    assert value(plan, "Technique", "targets")[0] == "every Linear"
    said = value(plan, "Technique", "targets")[1]
    assert said.startswith("preset: tests/bench/reference.md") and said.endswith(LINEAR_COST)
    plain = planned(pictures, tmp_path, train__targets="attention")
    assert value(plain, "Technique", "targets") == ("the attention's Linears", "answers: answers.toml")


@pytest.mark.parametrize("columns", [None, "60", "80", "120"])
def test_a_plan_into_a_pipe_is_as_wide_as_a_terminal_and_cuts_no_word(
    columns: str | None, answers_file: Path, environment: dict[str, str]
) -> None:
    own = environment | ({} if columns is None else {"COLUMNS": columns})
    base = ["--set", "model.base=owner/name", "--set", "train.resolution=1024"]  # refused, with all there is to say
    for words in ([], base, ["--memory", "4"], ["--memory", "4", *base]):
        done = subprocess.run(
            [sys.executable, "-m", "loratui", "plan", "answers.toml", *words],
            cwd=answers_file.parent, env=own, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        width = int(columns or 80)
        wide = [line for line in done.stdout.splitlines() if len(line) > width]
        pasted = ("loratui replay ", "--set ", "accept = ", "skip = ")
        whole = [line for line in wide if line.strip().startswith(pasted) or " " not in line.strip()]
        assert done.stdout and wide == whole
        assert "…" not in done.stdout
