"""Bad input, through the real program: a sentence with file, line and remedy, the right exit code, nothing created."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shaped import shaped_model

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
Change = Callable[[Path], None]


def edited(old: str, new: str) -> Change:
    def change(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def break_a_picture(path: Path) -> None:
    (path.parent / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")


def make_one_small(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (50, 50)).save(path.parent / "pictures" / "small.png")
    (path.parent / "pictures" / "small.txt").write_text("a TOK")


def empty_the_folder(path: Path) -> None:
    for one in (path.parent / "pictures").iterdir():
        one.unlink()


def not_sdxl(path: Path) -> None:
    (path.parent / "model").mkdir()
    (path.parent / "model" / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    edited(str(shaped_model()), f"{path.parent}/model")(path)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


CASES: dict[str, tuple[Change, int, str]] = {
    "a folder that does not exist": (
        edited("/pictures", "/nope"),
        3,
        "answers.toml:9: dataset.path: there is no folder",
    ),
    "an empty folder": (empty_the_folder, 3, "holds no pictures"),
    "an unreadable file among good ones": (break_a_picture, 3, 'skip = ["broken.jpg"]'),
    "a warning that nobody accepted": (make_one_small, 3, 'accept = ["low-resolution:small.png"]'),
    "a file that is no answer file": (binary, 2, "not an answer file"),
    "broken TOML": (edited("[train]", "[train"), 2, "answers.toml:11: not valid TOML"),
    "an unknown key": (
        edited("rank =", "rnk ="),
        2,
        "answers.toml:14: train.rnk: unknown setting; did you mean 'rank'?",
    ),
    "a value out of bounds": (edited("rank = 4", "rank = 0"), 2, "answers.toml:14: train.rank: 0 is out of bounds"),
    "a wrong type": (edited("steps = 4", 'steps = "4"'), 2, "answers.toml:12: train.steps: '4' is not a whole number"),
    "a trigger with a space": (
        edited("[train]", 'trigger = "my dog"\n\n[train]'),
        2,
        "answers.toml:11: dataset.trigger",
    ),
    "two triggers that would share a file": (
        edited("[train]", 'trigger = "TOK!, TOK?"\ninstance_prompt = "TOK! and TOK?"\n\n[train]'),
        2,
        "answers.toml:11: dataset.trigger: 'TOK!' and 'TOK?' differ only in punctuation or case",
    ),
    "a base model that is not SDXL": (not_sdxl, 2, "answers.toml:6: model.base"),
    "a base model that is not there": (edited(str(shaped_model()), "./gone"), 2, "there is no base model"),
    "an unknown preset": (edited('"object"', '"obect"'), 2, "answers.toml:2: preset: there is no preset 'obect'"),
    "a newer file": (edited("schema = 1", "schema = 9"), 2, "answers.toml:1: schema"),
    "no folder at all": (edited("path =", "# path ="), 2, "dataset.path: missing"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["plan", "replay"])
def test_bad_input_is_a_sentence_and_nothing_is_created(
    command: str, case: str, loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    change, code, said = CASES[case]
    change(answers_file)
    before = sorted(tmp_path.rglob("*"))
    done = loratui(command, "answers.toml")
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replay", "nope.toml"], 2, "there is no answer file 'nope.toml'"),
        (["replay", "pictures"], 2, "is a folder"),
        (["replay", "answers.toml", "--set", "train.rank=x", "--set", "trian.rank=2"], 2, "did you mean 'train'?"),
        (["replay", "answers.toml", "--set", "train.rank=4097"], 2, "--set train.rank: 4097 is out of bounds"),
        (["replay", "answers.toml", "--out", "/proc/self/mine"], 2, "nothing may be written there"),
        (["replay", "answers.toml", "--out", "answers.toml"], 2, "is a file"),
        (["replay", "answers.toml", "--out", "answers.toml/run"], 2, "it is a file"),
        (["replay", "answers.toml", "--out", "pictures"], 2, "is not empty"),
        (["replay", "answers.toml", "--gpus", "77"], 2, "--gpus 77: this machine shows"),
        (["replay", "answers.toml", "--gpus", "7000", "--set", "train.device=cpu"], 2, "--gpus 7000: this machine has"),
        (["replay", "answers.toml", "--gpus", "2", "--set", "train.batch=1"], 2, "cannot share a step of batch 1"),
        (["replay", "answers.toml", "--resume"], 2, "--resume needs the run's folder: name it with --out"),
        (["export-job", "answers.toml"], 2, "for whom? --sky writes a task for SkyPilot"),
        (["check", "nope"], 3, "there is no folder 'nope'"),
        (["check", "answers.toml"], 3, "is a file"),
        (["check", "pictures", "--kind", "fase"], 2, "did you mean 'face'?"),
        (["attach", "nope"], 2, "there is no run 'nope'"),
        (["stop"], 2, "there are no runs"),
        (["generate", "nope", "a TOK"], 2, "there is no run 'nope'"),
        (["generate", "--content", "nope"], 2, "Write RUN and PROMPT, or PROMPT alone with --content and --style"),
        (["generate", "nope", "a TOK", "--model", "x"], 2, "a run is drawn with its own base model"),
        (["export", "nope"], 2, "there is no run 'nope'"),
        (["sweep", "nope.toml", "--grid", "train.rank=2,4"], 2, "there is no answer file 'nope.toml'"),
        (["demo", "--concept", "nope"], 2, "nope"),
        ([], 2, "needs a terminal"),
        *(
            (words, code, said)
            for path in ("a" * 300, "~no-such-user-here/x")
            for words, code, said in (
                (["check", path], 3, "there is no folder"),
                (["plan", path], 2, "there is no answer file"),
                (["attach", path], 2, "there is no run"),
                (["preset", "save", "mine", "--from", path], 2, "there is no run"),
            )
        ),
        (["fix", "pictures", "--into", "a" * 300], 2, "cannot be written"),
    ],
)
def test_a_bad_command_line_is_a_sentence(
    words: list[str], code: int, said: str, loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = loratui(*words)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_a_checkpoint_says_what_makes_one_and_names_no_command_that_cannot(
    loratui: LoraTUI, answers_file: Path
) -> None:
    made = loratui("replay", "answers.toml", "--out", "runs/mine", "--no-start")
    assert made.returncode == 0, made.stderr
    for words in (["generate", "mine", "a TOK"], ["export", "mine"], ["push", "mine", "--repo", "me/mine"]):
        done = loratui(*words)
        assert done.returncode == 2 and "holds no files and no checkpoint: it is" in done.stderr, done.stderr
        assert "loratui resume mine" in done.stderr and "loratui export" not in done.stderr


def test_all_problems_of_the_command_line_come_at_once(loratui: LoraTUI, answers_file: Path) -> None:
    done = loratui("plan", answers_file, "--set", "train.rank=x", "--set", "trian.rank=2")
    assert done.stderr.count("--set") == 2


def test_the_line_to_paste_works(loratui: LoraTUI, answers_file: Path) -> None:
    break_a_picture(answers_file)
    make_one_small(answers_file)
    refused = loratui("plan", "answers.toml")
    lines = [line.strip() for line in refused.stdout.splitlines() if line.lstrip().startswith(("skip =", "accept ="))]
    assert refused.returncode == 3 and len(lines) == 2
    assert refused.stdout.startswith("✗ Not ready, because of the pictures:\n")
    edited("[train]", "\n".join([*lines, "[train]"]))(answers_file)
    done = loratui("plan", "answers.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 used" in done.stdout and "1 skipped" in done.stdout


def test_check_says_in_its_exit_code_whether_something_stops_a_run(loratui: LoraTUI, answers_file: Path) -> None:
    assert loratui("check", "pictures", "--resolution", 64).returncode == 0
    break_a_picture(answers_file)
    done = loratui("check", "pictures", "--resolution", 64, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["pictures"]["broken.jpg"]["opens"] is False


def test_with_all_the_plan_shows_every_value_with_who_said_so(loratui: LoraTUI, answers_file: Path) -> None:
    short, done = (loratui("plan", "answers.toml", "--set", "train.seed=7", *more) for more in ((), ("--all",)))
    assert done.returncode == short.returncode == 0
    assert "add --all" in short.stdout and "rank = 4" not in short.stdout
    assert [one.stdout.splitlines()[0][:1] for one in (short, done)] == ["✓", "✓"]  # the verdict is first in both
    assert "rank = 4  # answers: answers.toml:14" in done.stdout
    assert "seed = 7  # --set: command line" in done.stdout
    assert "min_snr_gamma = 0.0  # preset: the post:" in done.stdout and "(inferred)" in done.stdout
    assert "loratui replay answers.toml --set train.seed=7" in done.stdout
    assert "2 pictures" not in done.stdout and "4 pictures x 1 repeat / batch 2" in done.stdout


def test_a_runs_folder_is_made_for_another_launcher_and_nothing_starts(
    loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    done = loratui("replay", "answers.toml", "--no-start", "--out", "runs/dog")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Start it: loratui resume ")
    assert sorted(one.name for one in (tmp_path / "runs" / "dog").iterdir()) == ["answers.toml", "config.toml"]
    again = loratui("replay", "answers.toml", "--no-start", "--out", "runs/dog")
    assert again.returncode == 2 and "already holds a run" in again.stderr
