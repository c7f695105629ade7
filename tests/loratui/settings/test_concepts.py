"""Concepts in an answer file: read, written and resolved; and kohya's trees of folders, which are such."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.curation.concepts import without_concept
from loratui.errors import Refusal
from loratui.events.lines import EventLines
from loratui.planning.lines import plan_lines, resolved_lines
from loratui.planning.prepared import prepare, refuse_if_needed
from loratui.recovery.settings_change import amend, amended
from loratui.runs.past_run import draft_of_run
from loratui.settings.answers import Answers, AnswersError, answers_text, parse_set, read_answers, write_answers
from loratui.settings.other_trainers.imported import import_settings
from loratui.settings.other_trainers.kohya_folders import folders_of_tree, taught_by_tree
from loratui.settings.resolve import resolve
from loratui.settings.toml_text import inline_tables
from loratui.terminal.line_sink import Lines
from trainer.contract.documents.parsers import parse_toml
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import dump_config, flat, load_config

Draw = Callable[..., Path]
HEAD = 'schema = 1\npreset = "object"\n\n[dataset]\npath = "anna"\ntrigger = "ANN"\n'
REX = {"path": "rex", "trigger": "REX", "class_word": "dog", "repeats": 3, "loss_weight": 0.5}


def tree_of(folder: Path, draw_picture: Draw, *names: str) -> Path:
    """A kohya tree with two pictures in each of its folders."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(2):
            draw_picture(folder / name / f"{number}.png", number)
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    values = {"dataset.path": "anna", "dataset.trigger": "ANN", "concepts": (REX, {"path": "ivy"}), "train.rank": 8}
    write_answers(tmp_path / "a.toml", Answers("object", values))
    found = read_answers(tmp_path / "a.toml")
    assert found.values["concepts"] == [REX, {"path": "ivy"}] and found.values["train.rank"] == 8
    assert (tmp_path / "a.toml").read_text() == answers_text(found, "a.toml")


def test_an_answer_file_of_one_folder_has_no_word_of_concepts() -> None:
    assert "concepts" not in answers_text(Answers("object", {"dataset.path": "anna", "concepts": ()}))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('path = "rex"\nrepeets = 2', "concepts: concept 2: repeets: unknown setting; did you mean 'repeats'?"),
        ('path = "rex"\nrepeats = 0', "concept 2: repeats: 0 is out of bounds; allowed is 1 to 1000"),
        ('trigger = "REX"', "concept 2: path: missing"),
        ('path = "rex"\ntrigger = "a b"', "concept 2: trigger: a trigger is one word without spaces; write 'a_b'"),
        ('path = "rex"\ninstance_prompt = "a dog"', "does not hold the trigger 'ANN'"),
        ('path = "anna"', "concept 2: its folder is that of [dataset] already"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_its_concept(tmp_path: Path, entry: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"{HEAD}\n[[concepts]]\n{entry}\n")
    with pytest.raises(AnswersError) as caught:
        read_answers(path)
    assert str(caught.value).startswith("a.toml:8: concepts: ") and said in str(caught.value)


def test_a_table_of_one_pair_of_brackets_is_told_of_the_two(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'{HEAD}\n[concepts]\npath = "rex"\n')
    with pytest.raises(AnswersError, match=r"a.toml:8: concepts: a table is not .*write \[\[concepts\]\] and below it"):
        read_answers(path)


def test_its_folders_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = resolve(Answers("object", {"dataset.path": "anna", "concepts": (REX,)})).config
    assert config.concepts[0].path == str(tmp_path / "rex")
    assert config.concepts[0].loss_weight == 0.5 and config.triggers == ("TOK", "REX")


def test_concepts_are_set_on_the_command_line_as_they_are_shown() -> None:
    key, value = parse_set(f"concepts={inline_tables((REX,))}")
    assert (key, value) == ("concepts", [REX])


def test_plan_and_checks_are_of_every_concept(tmp_path: Path, draw_picture: Draw) -> None:
    tree = tree_of(tmp_path / "tree", draw_picture, "1_ANN woman", "3_REX dog")
    values = {**taught_by_tree(folders_of_tree(str(tree))), "model.base": "sdxl-small", "train.resolution": 1024}
    values |= {"train.steps": 8, "train.batch": 1, "dataset.skip": ["concept-2/1.png"]}
    ready = prepare(Answers("object", values), {}, "answers.toml", out=tmp_path / "run")
    assert [one.name for one in ready.report.pictures] == ["0.png", "1.png", "concept-2/0.png", "concept-2/1.png"]
    assert ready.outcome.images == ("0.png", "1.png", "concept-2/0.png") and not ready.outcome.unknown
    files = {one.file for one in ready.outcome.to_decide}
    assert "concept-2/0.png" in files  # it is as small as the others
    text = " ".join("\n".join(plan_lines(ready.plan)).split())
    assert "2 concepts, 5 views an epoch = 5 steps per epoch" in text
    assert "REX 1 picture x 3 repeats, each seen 4.8 times 'a photo of a REX dog'" in text
    shown = parse_toml("\n".join(resolved_lines(ready.resolved))).value
    assert shown is not None and shown["concepts"] == list(flat(ready.resolved.config)["concepts"])
    held = prepare(Answers("object", values), {"dataset.hold_out": 1}, "answers.toml", out=tmp_path / "run")
    assert any("concept 2: dataset.hold_out: 1 of 1 picture leaves none" in one for one in held.plan.errors)
    assert "2 held out" in "\n".join(plan_lines(held.plan))
    values["dataset.skip"] = ["concept-2/0.png", "concept-2/1.png"]
    (said,) = prepare(Answers("object", values), {}, "answers.toml", out=tmp_path / "run").plan.errors
    assert said.startswith("concept 2: all of its pictures are skipped")


def test_each_finding_of_a_refusal_stands_below_the_folder_that_it_is_of(tmp_path: Path, draw_picture: Draw) -> None:
    tree = tree_of(tmp_path / "tree", draw_picture, "1_ANN woman", "3_REX dog", "1_CAR car")
    (tree / "3_REX dog" / "0.png").write_bytes(b"")
    for number in range(9):  # pictures that no program here reads
        (tree / "1_CAR car" / f"{number}.heic").write_bytes(b"x")
    values = {**taught_by_tree(folders_of_tree(str(tree))), "model.base": "sdxl-small", "train.resolution": 1024}
    values["dataset.accept"] = ["low-resolution"]
    ready = prepare(Answers("object", values), {}, "answers.toml", out=tmp_path / "run")
    with pytest.raises(Refusal) as caught:
        refuse_if_needed(ready)
    heads = [one for one in caught.value.messages if one.endswith("to decide before training:")]
    assert [Path(one.partition(":")[0]).name for one in heads] == ["1_CAR car", "3_REX dog"]
    first, second = map(caught.value.messages.index, heads)
    assert second - first > 1 and "9 " in caught.value.messages[first + 1]
    assert "concept-3/0.png" in caught.value.messages[second + 1]


def test_a_concept_that_is_not_there_is_named(tmp_path: Path, draw_picture: Draw) -> None:
    tree = tree_of(tmp_path, draw_picture, "1_ANN woman")
    values = {"dataset.path": str(tree / "1_ANN woman"), "concepts": ({"path": str(tmp_path / "gone")},)}
    with pytest.raises(Exception, match=": concepts: concept 2: there is no folder"):
        prepare(Answers("object", values), {"model.base": "sdxl-small"}, "answers.toml", out=tmp_path / "run")


def test_a_tree_is_one_only_where_its_folders_say_so(tmp_path: Path, draw_picture: Draw) -> None:
    tree = tree_of(tmp_path / "tree", draw_picture, "1_ANN woman", "3_REX dog", "holiday")
    (tree / "5_empty").mkdir()
    assert [Path(one).name for one in folders_of_tree(str(tree))] == ["1_ANN woman", "3_REX dog"]
    shutil.copytree(tree / "3_REX dog", tree / "3_REX dog-cropped")  # as the wizard names copies: no concept of its own
    assert [Path(one).name for one in folders_of_tree(str(tree))] == ["1_ANN woman", "3_REX dog"]
    assert taught_by_tree([str(tree / "3_REX dog-cropped")])["dataset.class_word"] == "dog"
    shutil.rmtree(tree / "3_REX dog-cropped")
    draw_picture(tree / "own.png", 1)
    assert folders_of_tree(str(tree)) == (), "a flat folder stays one concept"
    assert folders_of_tree(str(tmp_path / "nowhere")) == ()


def test_kohyas_tree_with_its_class_folders(tmp_path: Path, draw_picture: Draw) -> None:
    tree = tree_of(tmp_path / "img", draw_picture, "10_ohwx woman", "2_rex dog", "5_zwx style")
    classes = tree_of(tmp_path / "reg", draw_picture, "1_woman", "1_dog", "1_house")
    path = tmp_path / "kohya.toml"
    own = {"train_data_dir": str(tree), "reg_data_dir": str(classes), "max_train_epochs": 3, "train_batch_size": 2}
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in own.items()) + "\nnetwork_dim = 8\n")
    found, answers = import_settings([path], "object")
    values = answers.values
    assert (values["dataset.path"], values["dataset.repeats"]) == (str(tree / "10_ohwx woman"), 10)
    assert values["concepts"] == (
        {"path": str(tree / "2_rex dog"), "repeats": 2, "trigger": "rex", "class_word": "dog"}
        | {"class_path": str(classes / "1_dog")},
        {"path": str(tree / "5_zwx style"), "repeats": 5, "trigger": "zwx", "class_word": "style", "prior": False},
    )
    assert values["prior.path"] == str(classes / "1_woman") and values["prior.enabled"] is True
    assert values["train.steps"] == 3 * (2 * 10 + 2 * 2 + 2 * 5) // 2
    assert any("not taken over: 1_house" in note for note in found.notes)
    assert resolve(answers).config.triggers == ("ohwx", "rex", "zwx")


def test_onetrainers_concepts(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    concepts = [
        {"path": "anna", "balancing": 2.0, "loss_weight": 1.0},
        {"path": "off", "enabled": False},
        {"path": "rex", "balancing": 3.0, "loss_weight": 0.5},
    ]
    path.write_text(json.dumps({"training_method": "LORA", "concepts": concepts}))
    _, answers = import_settings([path], "object")
    assert (answers.values["dataset.path"], answers.values["dataset.repeats"]) == ("anna", 2)
    assert answers.values["concepts"] == ({"path": "rex", "repeats": 3, "loss_weight": 0.5},)


def test_a_run_that_was_begun_is_a_draft_with_its_concepts_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = Answers("object", {"dataset.path": "anna", "concepts": (REX, {"path": "ivy"})})
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    write_answers(run.answers, answers)
    run.config.write_text(dump_config(resolve(answers).config))
    monkeypatch.chdir("/")
    found = draft_of_run(run).draft.values["concepts"]
    assert found == ({**REX, "path": str(tmp_path / "rex")}, {"path": str(tmp_path / "ivy")})


def test_the_loss_of_each_concept_is_told_without_a_screen() -> None:
    said = io.StringIO()
    lines = EventLines(Lines(said))
    each = [{"trigger": "TOK", "loss": 0.125}, {"trigger": "REX", "loss": 0.5}, {"trigger": "new", "loss": None}]
    lines.show({"type": "measure", "step": 3, "loss": 0.3, "of": "held-out", "concepts": each})
    lines.show({"type": "measure", "step": 4, "loss": 0.3, "of": "held-out"})
    lines.show({"type": "measure", "step": 5, "concepts": "damaged"})
    assert said.getvalue().splitlines() == ["loss at fixed noise at step 3, held-out pictures: TOK 0.1250, REX 0.5000"]


def test_a_run_goes_on_where_a_concept_lies_elsewhere_and_with_no_other_one(tmp_path: Path) -> None:
    values = {"dataset.path": str(tmp_path / "anna"), "concepts": ({**REX, "path": str(tmp_path / "rex")},)}
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    write_answers(run.answers, Answers("object", values))
    run.config.write_text(dump_config(resolve(Answers("object", values)).config))
    moved = [{**REX, "path": str(tmp_path / "moved")}]
    config, changes = amended(run, {"concepts": moved}, 3)
    assert config.concepts[0].path == str(tmp_path / "moved") and [one.key for one in changes] == ["concepts"]
    amend(run, {"concepts": moved})
    assert read_answers(run.answers).values["concepts"] == moved
    assert load_config(run.config).concepts[0].path == str(tmp_path / "moved")
    with pytest.raises(Refusal) as caught:
        amended(run, {"concepts": [{**moved[0], "repeats": 4}]}, 3)
    command = caught.value.messages[-1]
    assert command.startswith("train it as a new run: ")
    ((_, told),) = [parse_set(word) for word in shlex.split(command) if word.startswith("concepts=")]
    assert told == [{**moved[0], "repeats": 4}], "it can be pasted"


def test_pictures_of_later_concepts_are_called_by_their_new_numbers_where_one_is_taken_away() -> None:
    names = ["a.png", "concept-2/a.png", "concept-3/b.png", "low-resolution", "blurred:concept-3/b.png"]
    assert without_concept([*names, "blurred:concept-2/a.png"], 2) == {
        "a.png": "a.png",
        "concept-3/b.png": "concept-2/b.png",
        "low-resolution": "low-resolution",
        "blurred:concept-3/b.png": "blurred:concept-2/b.png",
    }
