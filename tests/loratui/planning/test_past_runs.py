"""Runs correct the estimates of later ones: per GPU and settings, from their directories alone, safely kept."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from loratui.planning.lines import plan_lines
from loratui.planning.past_runs import FILE, FIRST, KEPT, WARM_UP, PastRuns, gather, note, place
from loratui.planning.plan import make_plan
from tests.loratui.conftest import LoraTUI
from tests.loratui.planning.measured_runs import GPU, MEMORY, PLAIN, config, counted, write_run
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.events import EventLog
from trainer.contract.run.rundir import RunDir


def test_a_run_corrects_the_rough_parts_and_tells_the_time(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/a", factor=1.4, seconds=0.75)
    found = gather(tmp_path / "runs").correction(config(), estimate(config(), 5), GPU, MEMORY)
    assert found.memory == pytest.approx(1.4, rel=1e-3)
    assert found.seconds == pytest.approx(0.75)  # neither the warm-up nor the slow ones count
    assert (found.memory_runs, found.time_runs, found.same) == (1, 1, True)


def test_the_nearest_settings_on_the_same_gpu_speak(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "far", {"train.batch": 4, "train.resolution": 512, "train.rank": 8}, factor=3.0, t=3000)
    write_run(runs / "near", {"train.batch": 4}, factor=1.2, seconds=2.0, t=2000)
    write_run(runs / "other gpu", factor=4.0, gpu="NVIDIA L4", t=4000)
    write_run(runs / "two gpus", factor=4.0, world=2, t=4001)
    write_run(runs / "other size", {"model.base": "sdxl-small"}, factor=5.0, t=5000)
    found = gather(runs).correction(config(), estimate(config(), 5), GPU, MEMORY)
    assert found.memory == pytest.approx(1.2, rel=1e-3)
    assert found.seconds == pytest.approx(0.5)  # a quarter of the pictures, a quarter of the arithmetic
    assert not found.same
    nothing = gather(runs).correction(config(), estimate(config(), 5), "NVIDIA H100", 0)
    assert (nothing.memory, nothing.seconds, nothing.memory_runs) == (1.0, None, 0)
    assert gather(runs).correction(config(), estimate(config(), 5), GPU, MEMORY // 2).memory_runs == 0


def test_what_a_run_held_before_its_memory_ran_out_is_not_all_that_it_needs(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs/a", factor=0.4, end=False)
    log = EventLog(run.events)
    log.emit("error", kind="oom", message="out of memory", advice=[])
    log.close()
    found = gather(tmp_path / "runs").correction(config(), estimate(config(), 5), GPU, MEMORY)
    assert (found.memory, found.memory_runs, found.time_runs) == (1.0, 0, 1)


def test_each_estimate_is_judged_by_what_was_known_before_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "first", factor=2.0, seconds=1.0, t=1)
    write_run(runs / "second", factor=2.0, seconds=1.25, t=2)
    errors = gather(runs).errors(GPU, MEMORY)
    certain, rough = counted(config())
    assert errors.memory[0] == pytest.approx((certain + rough) / (certain + 2 * rough) - 1, rel=1e-3)
    assert errors.memory[1] == pytest.approx(0, abs=1e-3)
    assert errors.time == (pytest.approx(1.0 / 1.25 - 1),)


def test_on_the_cpu_it_is_the_resident_memory_of_this_host(tmp_path: Path) -> None:
    here = os.uname().nodename
    write_run(tmp_path / "runs/a", {"train.device": "cpu"}, gpu=None, host=here)
    write_run(tmp_path / "runs/b", {"train.device": "cpu"}, gpu=None, host="another")
    known = gather(tmp_path / "runs")
    need = estimate(config(), 5, "cpu")
    assert known.correction(config(), need, place("")).time_runs == 1
    assert known.correction(config(), need, place("", "another")).time_runs == 1
    assert here not in (tmp_state() / FILE).read_text() and place("") != place("", "another")


def tmp_state() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "loratui"


def test_a_run_nobody_watched_counts_and_one_that_went_is_remembered(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs/a")
    assert len(gather(tmp_path / "runs").runs) == 1
    run.config.unlink()
    run.events.unlink()
    assert len(gather(tmp_path / "runs").runs) == 1


def test_a_run_is_counted_as_far_as_it_came_and_again_when_it_went_on(tmp_path: Path) -> None:
    store = tmp_path / "state"
    early = write_run(tmp_path / "runs/a", steps=WARM_UP + 5, end=False)
    (first,) = note(early, store).runs
    assert first.steps == 5 and not first.over
    assert first.seconds == 0.5  # the slow first steps would be three of eight
    log = EventLog(early.events)
    for step in range(WARM_UP + 6, WARM_UP + FIRST + 20):
        log.emit("step", step=step, loss=0.1, s=0.5, vram=1, vram_peak=first.peak + 10_000_000)
    log.emit("end", status="stopped", step=90, seconds=1.0, files=[])
    log.close()
    (later,) = gather(tmp_path / "runs", store).runs
    assert later.id == first.id and later.over
    assert later.peak == first.peak + 10_000_000
    before = (store / FILE).stat().st_mtime_ns
    assert gather(tmp_path / "runs", store).runs == (later,)
    assert (store / FILE).stat().st_mtime_ns == before  # nothing new, nothing written


def test_what_says_nothing_is_passed_over(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "only warm-up", steps=WARM_UP)
    write_run(runs / "good")
    broken = write_run(runs / "no config", t=7)
    broken.config.write_text("[train]\nsteps = 'many'\n")
    garbage = write_run(runs / "garbage", t=8)
    garbage.events.write_bytes(b"\xff\xfe{}\n[1]\n" + b'{"type":"step","step":"x","s":null}\n')
    endless = write_run(runs / "endless", t=10)
    endless.events.write_text(endless.events.read_text().replace('"s":', '"s":1e999,"x":'))
    huge = write_run(runs / "huge", t=11)
    huge.events.write_text(huge.events.read_text().replace('"vram_peak":', '"vram_peak":1e999,"x":'))
    gone = write_run(runs / "model gone", t=9)
    gone.config.write_text(gone.config.read_text().replace("stabilityai/stable-diffusion-xl-base-1.0", "/nowhere"))
    assert len(gather(runs).runs) == 1
    assert gather(tmp_path / "no such folder").runs == gather(runs).runs


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"runs": 5}', '{"runs": [{"t": 1e999}]}', '{"runs": [7, {}, {"id": "x"}]}', "null"]
)
def test_a_damaged_file_is_made_again_from_the_runs(tmp_path: Path, text: str) -> None:
    write_run(tmp_path / "runs/a")
    store = tmp_path / "state"
    store.mkdir()
    (store / FILE).write_text(text)
    assert len(gather(tmp_path / "runs", store).runs) == 1
    assert len(json.loads((store / FILE).read_text())["runs"]) == 1


@pytest.mark.parametrize(
    "harm", [{"seconds": 1e999}, {"seconds": 0}, {"flop": "x"}, {"settings": [1]}, {"revision": 0}]
)
def test_a_row_that_cannot_be_used_is_left_out(tmp_path: Path, harm: dict[str, object]) -> None:
    store = tmp_path / "state"
    note(write_run(tmp_path / "runs/a"), store)
    (row,) = json.loads((store / FILE).read_text())["runs"]
    (store / FILE).write_text(json.dumps({"runs": [{**row, "id": "other", **harm}, row]}))
    assert [one.id for one in gather(tmp_path / "none", store).runs] == [row["id"]]


def test_what_is_kept_is_bounded_private_and_names_no_path_or_host(tmp_path: Path) -> None:
    store, runs = tmp_path / "state", tmp_path / "runs"
    write_run(runs / "a", {"model.base": "sdxl-small", "dataset.path": "/home/somebody/pictures"}, host="secret-host")
    gather(runs, store)
    (row,) = json.loads((store / FILE).read_text())["runs"]
    rows = [{**row, "id": f"{number:016}", "t": float(number)} for number in range(KEPT + 30)]
    (store / FILE).write_text(json.dumps({"runs": rows}))
    write_run(runs / "b", t=1e9)
    kept = gather(runs, store).runs
    on_disk = json.loads((store / FILE).read_text())["runs"]
    assert len(on_disk) == KEPT and on_disk[-1]["t"] == 1e9 and kept[-1].t == 1e9
    text = (store / FILE).read_text()
    assert "somebody" not in text and "secret-host" not in text and str(tmp_path) not in text
    assert stat.S_IMODE((store / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(store.stat().st_mode) == 0o700


def _count(folder: Path, store: Path) -> None:
    note(RunDir(folder), store)


@pytest.mark.slow
def test_two_programs_that_count_at_once_lose_nothing(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"runs/{number}", t=float(number)).path for number in range(8)]
    store = tmp_path / "state"
    context = multiprocessing.get_context("fork")
    programs = [context.Process(target=_count, args=(folder, store)) for folder in folders]
    for one in programs:
        one.start()
    for one in programs:
        one.join(60)
    rows = json.loads((store / FILE).read_text())["runs"]
    assert sorted(row["t"] for row in rows) == [float(number) for number in range(8)]
    assert not list(store.glob("*.part"))


def test_a_state_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")
    write_run(tmp_path / "runs/a")
    assert len(gather(tmp_path / "runs", tmp_path / "state").runs) == 1


def test_a_wild_measurement_cannot_make_the_estimate_absurd(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/a", factor=90.0)
    assert gather(tmp_path / "runs").correction(config(), estimate(config(), 5), GPU).memory == 5.0


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A home in which no run was made."""
    return {**environment, "HOME": str(tmp_path), "COLUMNS": "300"}  # a row of a plan is a line


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_a_real_run_teaches_the_next_plan(loratui: LoraTUI, answers_file: Path, environment: dict[str, str]) -> None:
    """Trained in the background and watched by nobody; then planned again."""
    words = ("--set", "train.steps=12")
    before = loratui("plan", answers_file, *words)
    assert "rough: no run of this size on this machine yet" in " ".join(before.stdout.split())
    assert loratui("replay", answers_file, *words, "--out", "runs/one").returncode == 0
    (Path(environment["HOME"]) / ".local/state/loratui" / FILE).unlink()  # as if nobody had followed it
    after = loratui("plan", answers_file, *words).stdout
    assert "its rough parts corrected by 1 run here: x " in after
    assert "s a step, as 1 run here took" in after
    events = [json.loads(line) for line in (answers_file.parent / "runs/one/events.jsonl").read_text().splitlines()]
    peak = max(one["rss_peak"] for one in events if one["type"] == "step")
    assert 0.5 < peak / max(one["rss"] for one in events if one["type"] == "step") < 1  # less what lies in files
    total = next(line for line in after.splitlines() if "at its peak" in line and "corrected" in line)
    said = float(total.split("about ")[1].split()[0]) * {"MB": 1e6, "GB": 1e9}[total.split("about ")[1].split()[1]]
    assert said == pytest.approx(peak, rel=0.06)  # what the plan rounds away


def test_a_plan_says_how_it_was_corrected_and_how_far_off_the_last_were(tmp_path: Path) -> None:
    from loratui.curation.report import outcome
    from loratui.curation.scan import ScanSettings, scan
    from loratui.planning.hardware import Machine
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import resolve
    from tests.loratui.conftest import _draw

    runs, pictures = tmp_path / "runs", tmp_path / "pictures"
    pictures.mkdir()
    _draw(pictures / "a.png", 1, (1100, 1100))
    for number, factor in enumerate((1.5, 1.5, 1.2)):
        write_run(runs / str(number), factor=factor, t=float(number), seconds=0.5 + 0.1 * number)
    resolved = resolve(Answers("object", {"dataset.path": str(pictures), **PLAIN}), {}, 1)
    report = scan(pictures, ScanSettings.of(resolved.config))

    def lines(knowledge: PastRuns) -> str:
        machine = Machine("cuda", GPU, MEMORY, MEMORY)
        plan = make_plan(resolved, report, outcome(report), runs=runs, machine=machine, knowledge=knowledge)
        return "\n".join(plan_lines(plan, 200))

    said = lines(gather(runs))
    assert "its rough parts corrected by 3 runs here: x 1.50" in said
    assert "0.60 s a step, as 3 runs here took" in said
    assert "memory, 3 runs here" in said and "time, 2 runs here" in said
    assert "off by -" in said
    assert "rough: no run of this size on this machine yet" in lines(PastRuns())


def test_on_a_cpu_what_is_over_before_the_first_step_is_no_part_of_what_is_learned(tmp_path: Path) -> None:
    """The peak is counted from the first step on: encoding at 1536 px takes more, and is gone by then."""
    own: dict[str, object] = {"train.resolution": 1536, "pivotal.enabled": False, "sample.count": 0}
    one = config(own | {"train.rank": 4, "train.targets": "attention"})
    need = estimate(one, 1, "cpu")
    later = need.memory_total - next(part.bytes for part in need.memory if part.name == "encoding")
    assert later < 0.8 * need.memory_total
    run = write_run(tmp_path / "run", own | {"train.rank": 4, "train.targets": "attention"}, gpu=None, peak=later)
    found = note(run, tmp_path).correction(one, need, place("", "box"))
    assert (found.memory, found.memory_runs) == (pytest.approx(1.0, abs=1e-6), 1)
