"""`loratui init` and `loratui import`, `-h` and completion, through the real program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from loratui.commands.options import KINDS
from loratui.settings.answers import read_answers
from tests.loratui.conftest import LoraTUI
from tests.ptys import Pty

Draw = Callable[..., Path]
OTHER = (
    "network_dim = 8\nnetwork_module = 'networks.lora'\nweighted_captions = true\ncache_latents = true\n"
    "xformers = true\nhuggingface_token = 'hf_ofsomebody'\n"
)


def test_an_answer_file_for_a_folder(loratui: LoraTUI, pictures: Path, tmp_path: Path) -> None:
    taught = pictures.rename(tmp_path / "3_TOK blob")
    written = loratui("init", taught, "--kind", "face", "--set", "train.rank=8", "--set", "model.base=sdxl-small")
    assert written.returncode == 0, written.stderr
    assert "run it: loratui replay answers.toml" in written.stdout
    text = (tmp_path / "answers.toml").read_text()
    assert 'preset = "face"' in text and 'name = "blob"' in text and "rank = 8" in text
    assert 'trigger = "TOK"' in text and "repeats = 3" in text and 'class_word = "blob"' in text
    assert "run: loratui replay answers.toml\n" in text
    assert loratui("init", taught, "--into", "a b.toml").returncode == 0
    assert "run: loratui replay 'a b.toml'\n" in (tmp_path / "a b.toml").read_text()
    again = loratui("init", taught)
    assert again.returncode == 2 and "answers.toml is there already" in again.stderr
    assert (tmp_path / "answers.toml").read_text() == text
    wrong = loratui("init", taught, "--into", "b.toml", "--kind", "fase")
    assert wrong.returncode == 2 and "did you mean 'face'?" in wrong.stderr and not (tmp_path / "b.toml").exists()


def test_what_plan_calls_not_ready_init_and_replay_call_so_with_the_same_words(
    loratui: LoraTUI, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("no folder")
    small = ("--set", "model.base=sdxl-small")
    written = loratui("init", pictures, "--kind", "object", "--trigger", "TOK")
    replayed, planned = (loratui(one, "answers.toml") for one in ("replay", "plan"))
    assert (written.returncode, replayed.returncode, planned.returncode) == (0, 2, 2)
    assert "run it:" not in written.stdout and "start it:" not in planned.stdout
    reasons = written.stdout.partition("not ready to run: 2 reasons\n")[2].splitlines()
    assert len(reasons) == 2  # the base model and the folder of the runs
    for one in (" ".join(one.split()) for one in reasons):
        assert all(one in " ".join(said.split()) for said in (planned.stdout, replayed.stderr))
    remedy = "loratui plan answers.toml --set model.base=sdxl-small"
    assert remedy.replace("plan", "replay") in " ".join(planned.stdout.split())
    assert remedy.replace("plan", "replay") in " ".join(replayed.stderr.split())
    (tmp_path / "runs").unlink()
    assert "run it: loratui replay" in loratui("init", pictures, *small, "--replace").stdout
    gone = loratui("init", tmp_path / "gone", *small, "--into", "gone.toml")
    assert "not ready to run: 1 reason\n  dataset.path: there is no folder" in gone.stdout, gone.stdout


def test_settings_of_another_trainer(loratui: LoraTUI, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "kohya.toml").write_text(OTHER)
    done = loratui("import", "kohya.toml", "--pictures", pictures, "--trigger", "TOK", "--set-nothing")
    assert done.returncode == 2 and not (tmp_path / "answers.toml").exists()
    done = loratui("import", "kohya.toml", "--pictures", pictures, "--trigger", "TOK")
    assert done.returncode == 0, done.stderr
    assert "train.rank = 8" in done.stdout and "network_dim" in done.stdout
    assert "change nothing that is learned: cache_latents, xformers" in done.stdout
    assert "weighted_captions: captions are trained as they are written" in done.stdout
    text = (tmp_path / "answers.toml").read_text()
    assert "rank = 8" in text and "alpha = 1.0" in text and str(pictures) in text
    assert "hf_ofsomebody" not in done.stdout + text
    planned = loratui("plan", "answers.toml", "--all", "--set", "model.base=sdxl-small")
    assert 'targets = "all-linear"  # answers: answers.toml' in planned.stdout, planned.stderr


def test_help_and_completion(environment: dict[str, str], tmp_path: Path) -> None:
    def asked(words: list[str], **more: str) -> str:
        command = [sys.executable, "-m", "loratui", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert asked(["-h"]) == asked(["--help"]) != ""
    assert "|".join(KINDS) in asked(["check", "-h"])
    (tmp_path / "runs" / "2026-01-01-anna").mkdir(parents=True)
    (tmp_path / "runs" / "2026-01-01-anna" / "config.toml").write_text("")
    completed = {
        "loratui sto": "stop",
        "loratui check --kind f": "face",
        "loratui init x --preset char": "character-style",
        "loratui attach 2026": "2026-01-01-anna",
    }
    for typed, found in completed.items():
        shell = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_LORATUI_COMPLETE": "complete_bash"}
        assert found in asked([], **shell).split(), typed


@pytest.mark.slow
def test_a_kohya_tree_of_two_concepts_trains_as_it_lies(loratui: LoraTUI, tmp_path: Path, draw_picture: Draw) -> None:
    for name in ("2_ANN woman", "1_REX dog"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        for number in range(2):
            draw_picture(tmp_path / "tree" / name / f"{number}.png", number)
    checked = loratui("check", "tree")
    assert checked.stdout.count("The pictures are not ready yet") == 2 and "1_REX dog: 2 pictures" in checked.stdout
    refused = loratui("init", "tree", "--trigger", "TOK")
    assert refused.returncode == 2 and "1_REX dog, 2_ANN woman" in refused.stderr
    assert loratui("init", "tree").returncode == 0
    assert "[[concepts]]" in (tmp_path / "answers.toml").read_text()
    own = {"model.base": "sdxl-small", "train.resolution": 64, "train.steps": 3, "train.batch": 2, "sample.steps": 1}
    own |= {"train.rank": 2, "train.targets": "attention", "dataset.accept": '["low-resolution"]'}
    sets = [word for key, value in own.items() for word in ("--set", f"{key}={value}")]
    done = loratui("replay", "answers.toml", *sets, "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    names = {one.name for one in (tmp_path / "run" / "export").iterdir()}
    assert {"tree_REX_emb.safetensors", "tree_ANN_emb.safetensors", "tree.safetensors"} <= names
    again = loratui("plan", "run/answers.toml")  # what the run keeps replays
    assert "ANN  2 pictures x 2 repeats" in again.stdout, again.stdout + again.stderr


def test_on_a_terminal_what_is_refused_breaks_between_words_and_its_command_stays_whole(
    loratui: LoraTUI, environment: dict[str, str], pictures: Path, tmp_path: Path
) -> None:
    piped = loratui("init", pictures, "--kind", "object", "--trigger", "TOK").stdout.splitlines()
    assert max(map(len, piped)) > 80  # a line a sentence, for whoever reads lines
    for words in (["init", str(pictures), "--replace"], ["replay", "answers.toml"]):
        with Pty([sys.executable, "-m", "loratui", *words], tmp_path, environment, (80, 24)) as pty:
            pty.end()
            shown = pty.wrote.decode().splitlines()
        wide = [line for line in shown if len(line) > 80 and "loratui replay" not in line]
        assert not any(" " in line.strip() for line in wide)  # a path that is longer than a line is not broken
        assert any("hub cannot be reached" in " ".join((one, two)) for one, two in pairwise(shown))
    assert any(line.strip().startswith("loratui replay answers.toml --set model.base=sdxl-small") for line in shown)


def project(place: Path, draw_picture: Draw, *names: str) -> Path:
    """A folder as kohya's programs lay it out: the tree in img, class pictures in reg."""
    for number, name in enumerate((*(f"img/{one}" for one in names), "reg/1_woman")):
        (place / name).mkdir(parents=True)
        draw_picture(place / name / "a.png", 2 * number)
        draw_picture(place / name / "b.png", 2 * number + 1)
    (place / "log").mkdir()
    return place


@pytest.mark.parametrize("names", [("10_ohwx woman",), ("2_ANN woman", "3_BEN man"), ("1_REX dog", "2_ANN woman")])
def test_one_level_above_a_kohya_tree_all_commands_see_the_tree_and_no_class_pictures(
    loratui: LoraTUI, tmp_path: Path, draw_picture: Draw, names: tuple[str, ...]
) -> None:
    project(tmp_path / "all", draw_picture, *names)
    above, tree = (loratui("check", one).stdout for one in ("all", "all/img"))
    assert above.startswith(tree.rstrip()) and "all/reg: class pictures" in above.removeprefix(tree.rstrip())
    assert "in-subfolder" not in above and "other-trigger" not in above
    (tmp_path / "kohya.toml").write_text(OTHER)
    kind = "object" if "1_REX dog" in names else "face"
    for number, one in enumerate(("all", "all/img")):
        said = loratui("init", one, "--into", f"{number}.toml").stdout
        assert ("all/reg: class pictures" in said) is (one == "all") and (f"kind {kind}, as" in said) is (
            kind == "face"
        )
        taken = loratui("import", "kohya.toml", "--pictures", one, "--into", f"k{number}.toml").stdout
        assert f"on top of the preset '{kind}'" in taken and (f"kind {kind}, as" in taken) is (kind == "face")
    first, second = (read_answers(tmp_path / f"{number}.toml") for number in range(2))
    assert first.preset == second.preset == kind and first.values["dataset.path"] == f"all/img/{names[0]}"
    assert {**first.values, "name": ""} == {**second.values, "name": ""}
    imported = [read_answers(tmp_path / f"k{number}.toml") for number in range(2)]
    assert imported[0].preset == imported[1].preset == kind
    assert imported[0].values["dataset.path"] == f"all/img/{names[0]}"


def test_the_kind_of_a_folders_name_is_taken_by_all_commands_unless_another_is_given(
    loratui: LoraTUI, pictures: Path, tmp_path: Path
) -> None:
    named = pictures.rename(tmp_path / "10_ohwx woman")
    (tmp_path / "kohya.toml").write_text(OTHER)
    asked = {
        "check": ("check", named),
        "init": ("init", named, "--into", "i.toml", "--replace"),
        "import": ("import", "kohya.toml", "--pictures", named, "--into", "k.toml", "--replace"),
    }
    taken = {"check": "checked as {}", "init": "", "import": "preset '{}'"}
    for kind, more in (("face", ()), ("style", ("--kind", "style"))):
        for name, words in asked.items():
            done = loratui(*words, *more)
            assert taken[name].format(kind) in done.stdout, done.stdout
            assert ("the class word 'woman' says" in done.stdout) is (not more and name != "check")
        for file in ("i.toml", "k.toml"):
            assert read_answers(tmp_path / file).preset == kind
            planned = loratui("plan", file, "--set", "model.base=sdxl-small", "--all")
            assert f'kind = "{kind}"' in planned.stdout
    for own in (("--set", "kind=object"), ("--set", "preset=object"), ("--class-word", "dog")):
        said = loratui("init", named, *own, "--into", "o.toml", "--replace").stdout
        assert "class word" not in said and read_answers(tmp_path / "o.toml").preset == "object"


def test_init_promises_no_run_of_pictures_that_it_did_not_look_at(
    loratui: LoraTUI, pictures: Path, tmp_path: Path
) -> None:
    for one in pictures.glob("*.png"):
        one.write_bytes(b"no picture")
    said = loratui("init", pictures, "--set", "model.base=sdxl-small").stdout.splitlines()
    assert said[1].startswith("no picture was looked at yet") and said[1].endswith("loratui plan answers.toml")
    assert said[2] == "then, where nothing is in the way, run it: loratui replay answers.toml"
    planned, replayed = (loratui(one, "answers.toml") for one in ("plan", "replay"))
    assert planned.returncode == replayed.returncode == 3 and "cannot be read" in planned.stdout + planned.stderr
