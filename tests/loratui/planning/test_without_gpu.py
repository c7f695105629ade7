"""Where a run of the full size would take days, the first line says so, in words that a machine's speed backs."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from loratui.curation.report import Outcome
from loratui.planning.fitting import Verdict, propose
from loratui.planning.hardware import Machine, cpu_flops
from loratui.planning.lines import plan_lines, start_line, verdict_lines
from loratui.planning.past_runs import NO_CORRECTION, Correction
from loratui.planning.plan import SLOW_HALF, make_plan
from loratui.planning.sections import MachineKnown, time_section
from loratui.planning.shell_command import with_set
from loratui.planning.without_gpu import without_gpu
from loratui.recovery.doctor import wanted_memory
from loratui.settings.answers import Answers
from loratui.settings.demo import SMALL_SIZE
from loratui.settings.resolve import resolve
from loratui.terminal.units import in_bytes, in_time
from tests.loratui.conftest import LoraTUI
from tests.trainer.conftest import make_config
from trainer.contract.plan.estimate import estimate
from trainer.contract.settings.arithmetic import schedule
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import SDXL

GB = 1_000_000_000
CPU = Machine("cpu", "the CPU", 64 * GB, 60 * GB, flops=100e9)
FULL = {"model__base": SDXL, "train__resolution": 1024, "train__steps": 1000, "train__batch": 1}
SMALL = {"model__base": "sdxl-small", "train__resolution": 64}


def said(machine: Machine | None = CPU, known: Correction = NO_CORRECTION, **own: object) -> str:
    config = make_config(Path("photos"), **{**FULL, "train__gradient_checkpointing": True, **own})
    return without_gpu(config, estimate(config, 5, "cpu"), machine, known)


def test_the_days_are_the_arithmetic_at_the_speed_of_this_machine(own_cache: Path) -> None:
    # 19.5 TFLOP a step, 1000 steps, 100 GFLOP/s: 195,000 s
    assert said() == (
        "No GPU here: 1,000 steps of a full-size SDXL take about 2 days at the very least, by the arithmetic of a step."
    )
    assert "about 23 days" in said(train__steps=10_000)
    assert said(machine=Machine("cpu", "the CPU", GB, GB)).endswith("take days on a CPU.")
    assert said(train__device="cpu").startswith("train.device is cpu: ")
    cpu_flops.cache_clear()
    first = cpu_flops(64)
    assert first > 0
    cpu_flops.cache_clear()  # as another program, at another load
    assert cpu_flops(64) == first
    (kept,) = own_cache.rglob("cpu-64.json")
    for odd in ("", "[]", '{"cores": 1000, "flops": 1}', '{"cores": null}'):
        kept.write_text(odd)
        cpu_flops.cache_clear()
        assert cpu_flops(64) > 1
    cpu_flops.cache_clear()


def test_what_runs_here_took_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Correction(seconds=900.0, time_runs=2)
    assert "about 10 days, as runs here took" in said(known=known)


def test_a_gpu_a_small_model_and_an_unknown_machine_say_nothing() -> None:
    assert said(machine=Machine("cuda", "a GPU", 24 * GB, 20 * GB)) == ""
    assert said(machine=None) == ""
    assert said(**SMALL) == ""


@pytest.mark.parametrize("seconds", [0.6, 4.0, 24.0, 300.0, 900.0, 90_000.0])
def test_the_first_line_and_the_row_of_all_steps_word_one_time_alike(seconds: float) -> None:
    """Also where a run is short: a time that no training undercuts is not rounded up."""
    config = make_config(Path("photos"), **{**FULL, "train__steps": 6})
    need = estimate(config, 5, "cpu")
    ran = Correction(seconds=seconds, time_runs=1)
    fast = replace(CPU, flops=need.step_flop / seconds)
    for known, machine, head in ((ran, CPU, "about "), (NO_CORRECTION, fast, "at least ")):
        row = time_section(config, need, schedule(config, 5), MachineKnown(machine, known)).rows[0]
        assert row.value == head + in_time(6 * seconds)
        assert f"take about {in_time(6 * seconds)}" in without_gpu(config, need, machine, known)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0.01, "36 s"), (0.2, "12 min"), (47.9999, "2 days"), (47, "47 h"), (10.4, "10 h"), (61, "3 days")],
)
def test_a_long_time_is_in_days(hours: float, words: str) -> None:
    assert in_time(hours * 3600) == words


def test_the_plan_begins_with_it() -> None:
    resolved = resolve(Answers("object", {"dataset.path": "photos", "model.base": SDXL}), {"train.seed": 7}, 5)
    plan = make_plan(resolved, None, Outcome((), (), ("a.png",) * 5), machine=CPU, source="my dog.toml")
    first, rows = verdict_lines(plan), plan_lines(plan)
    assert first[0].startswith("! Not ready: No GPU here: ")
    assert "loratui replay 'my dog.toml' --set train.seed=7 --set model.base=sdxl-small" in first[1]
    assert first[2].endswith(": loratui replay 'my dog.toml' --set train.seed=7")  # not another file's
    told = re.search(r"about (\d[\w ]+) at the very least", first[0])
    (whole,) = [one for one in rows if one.startswith("  all steps ")]
    assert told is not None and f"at least {told[1]} " in whole, "the plan's rows know what its first line does"


@pytest.mark.parametrize(("precision", "warned"), [("fp16", True), ("bf16", False)])
def test_half_precision_on_a_processor_is_warned_of(precision: str, warned: bool) -> None:
    """446 s were measured for the encoding of one picture (issue 12)."""
    answers = Answers("object", {"dataset.path": "photos", "model.base": SDXL, "train.precision": precision})
    for machine, here in ((CPU, warned), (Machine("cuda", "a GPU", 24 * GB, 20 * GB), False)):
        found = make_plan(resolve(answers, {}, 5), machine=machine)
        assert (SLOW_HALF in found.warnings) is here


def test_the_doctors_figures_are_the_plans() -> None:
    """Of a machine without a GPU; the base model is the default one, which is not here."""
    usual = estimate(TrainConfig(), 1).memory_total
    said = wanted_memory()
    assert in_bytes(usual) in said and in_bytes(propose(TrainConfig(), 1, 0).total) in said


def test_the_plan_of_a_model_that_cannot_be_had_ends_with_a_code(loratui: LoraTUI, answers_file: Path) -> None:
    done = loratui(
        "plan", answers_file, "--memory", 24, "--set", f"model.base={SDXL}", "--set", "train.resolution=1024"
    )
    assert done.returncode == 2, done.stdout + done.stderr
    first, last = (done.stdout.splitlines()[place] for place in (0, -1))
    assert last == "This is not ready: the first lines say why, and what to do." and first.startswith("✗ Not ready: ")
    assert "is not completely on this disk, and the hub cannot be reached" in " ".join(done.stdout.split())
    refused = loratui("replay", answers_file, "--set", f"model.base={SDXL}")
    assert refused.returncode == 2 and "the hub cannot be reached" in refused.stderr
    usual = loratui("plan", answers_file)
    assert usual.returncode == 0 and " ".join(usual.stdout.split()).startswith("✓ Ready; start it: loratui replay ")


@pytest.mark.parametrize(("machine", "base", "promised"), [(CPU, SDXL, False), (CPU, "sdxl-small", True)])
def test_memory_that_fits_is_no_promise_where_something_else_is_in_the_way(
    machine: Machine, base: str, promised: bool
) -> None:
    answers = Answers("object", {"dataset.path": "photos", "model.base": base, "train.resolution": 1024})
    plan = make_plan(resolve(answers, {}, 5), None, Outcome((), (), ("a.png",) * 5), machine=machine)
    (row,) = [one for section in plan.sections for one in section.rows if one.label == "verdict"]
    assert row.value.startswith("fits") and (row.note == "") is promised
    assert ("not ready" in row.note, "Not ready" in verdict_lines(plan)[0]) == (not promised, not promised)


def test_the_verdict_says_what_is_in_the_way_and_never_more_than_once() -> None:
    plan = make_plan(resolve(Answers("object", {"dataset.path": "photos", "model.base": "sdxl-small"}), {}, 5))
    assert verdict_lines(plan, (), "a GPU with 24 GB")[0].startswith("✓ Ready for a GPU with 24 GB; start it there: ")
    assert verdict_lines(plan, ["dog: 1 finding to decide"])[0] == "! Not ready, because of the pictures:"
    short = replace(plan, verdict=Verdict(False, False, "does not fit: 2 GB too much"))
    assert verdict_lines(short) == ["! It would start, but: does not fit: 2 GB too much. What helps stands below."]
    bad = replace(plan, base="model.base: gone", errors=("a.toml: model.base: gone", "train.rank: too high"))
    assert sum("gone" in one for one in verdict_lines(bad)) == sum("rank" in one for one in verdict_lines(bad)) == 1
    for one in (bad, replace(plan, slow="No GPU here"), replace(plan, errors=("x",))):
        assert "✓" not in "".join(verdict_lines(one)) and start_line(one).startswith("This is not ready")


def test_a_setting_that_was_given_already_is_replaced_in_a_command_and_never_named_twice() -> None:
    command = "loratui replay 'my answers.toml' --set model.base=x --set train.rank=4 --gpus 2"
    said = shlex.split(with_set(command, SMALL_SIZE))
    named = [word.partition("=")[0] for place, word in enumerate(said) if said[place - 1] == "--set"]
    assert len(named) == len(set(named)) and {*SMALL_SIZE, "train.rank"} == set(named)
    assert said[:3] == ["loratui", "replay", "my answers.toml"] and "model.base=x" not in said
    assert f"model.base={SMALL_SIZE['model.base']}" in said and said[said.index("--gpus") + 1] == "2"
