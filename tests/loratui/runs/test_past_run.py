"""An old run's answers as a new draft: folders found again, what cannot be used said, nothing crashed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.runs.find import RunNotFound
from loratui.runs.launch import create_run
from loratui.runs.past_run import (
    AT_PICTURES,
    AT_PRESET,
    AT_SETTINGS,
    built_on,
    draft_of,
    draft_of_answers,
    draft_of_run,
)
from loratui.settings.answers import Answers, AnswersError, read_answers
from loratui.settings.resolve import resolve
from trainer.contract.run.rundir import RunDir

HOSTILE = "\x1b]52;c;aGk=\x07"
VALUES = {"name": "anna", "dataset.path": "photos", "dataset.skip": ("a.jpg",), "train.rank": 8}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    return tmp_path


@pytest.fixture
def run() -> RunDir:
    """A run that was started beside a folder called photos."""
    answers = Answers("face", VALUES)
    return create_run(resolve(answers, {}, 6), answers)


def test_the_answers_come_back_at_the_settings(run: RunDir, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "elsewhere" / "photos").mkdir(parents=True)  # not those that were trained on
    monkeypatch.chdir(place / "elsewhere")
    past = draft_of_run(run)
    assert past.notes == () and past.words == ""
    assert past.draft.values == {**VALUES, "dataset.path": str(place / "photos")}
    assert (past.draft.preset, past.draft.step, past.draft.out) == ("face", AT_SETTINGS, "")


def test_pictures_that_are_gone_are_said_and_asked_for(run: RunDir, place: Path) -> None:
    (place / "photos").rmdir()
    past = draft_of_run(run)
    assert past.draft.step == AT_PICTURES
    assert past.notes == ("the pictures are gone: ~/photos; choose the folder where they are now",)


def test_answers_without_pictures_ask_for_them(place: Path) -> None:
    (place / "answers.toml").write_text("schema = 1\nname = 'x'\n")
    past = draft_of_answers(place / "answers.toml")
    assert past.draft.step == AT_PICTURES and "name no pictures" in past.words


def test_settings_of_another_version_are_left_out_and_said(run: RunDir) -> None:
    text = run.answers.read_text().replace(
        "rank = 8", f'rank = 0\ngone = "{HOSTILE.encode("unicode_escape").decode()}"'
    )
    run.answers.write_text(text.replace("\\x1b", "\\u001b").replace("\\x07", "\\u0007"))
    past = draft_of_run(run)
    assert "train.rank" not in past.draft.values and past.draft.values["name"] == "anna"
    assert len(past.notes) == 2
    assert any("train.gone: unknown setting" in one and one.endswith("; left out") for one in past.notes)
    assert any("train.rank: 0 is out of bounds" in one for one in past.notes)
    assert "(and 1 more note)" in past.words and "\x1b" not in " ".join(past.notes)


def test_a_rule_over_two_settings_is_kept_too(run: RunDir) -> None:
    run.answers.write_text(run.answers.read_text() + "\n[text_encoder_lora]\nenabled = true\n")
    past = draft_of_run(run)
    assert "text_encoder_lora.enabled" not in past.draft.values
    assert "it stands in place of pivotal tuning" in past.words


@pytest.mark.parametrize("text", [None, "", "{half", "x = 1", "\x00"])
def test_without_usable_answers_the_configuration_tells(run: RunDir, text: str | None, place: Path) -> None:
    run.answers.unlink() if text is None else run.answers.write_text(text)
    past = draft_of_run(run)
    assert past.draft.preset == "face" and past.draft.values["train.rank"] == 8
    assert past.draft.values["dataset.path"] == str(place / "photos")
    assert past.draft.values["train.steps"] == 720  # counted for its pictures then
    assert "train.batch" not in past.draft.values  # the preset has it
    assert any("come from the run's config.toml" in one for one in past.notes)


def test_with_neither_it_is_refused(run: RunDir) -> None:
    run.answers.write_text("{half")
    run.config.write_text("{half")
    with pytest.raises(AnswersError):
        draft_of_run(run)


def test_a_preset_that_is_not_here_is_asked_for(run: RunDir) -> None:
    run.answers.write_text(run.answers.read_text().replace('"face"', '"gone"'))
    past = draft_of_run(run)
    assert (past.draft.preset, past.draft.step) == ("", AT_PRESET)
    assert "there is no preset 'gone'" in past.words


def test_a_data_set_of_the_hub_stays_its_name(run: RunDir) -> None:
    run.answers.write_text(run.answers.read_text().replace('"photos"', '"owner/name@v1"'))
    assert draft_of_run(run).draft.values["dataset.path"] == "owner/name@v1"


def test_an_answer_file_finds_the_folder_beside_it(run: RunDir, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "answers.toml"
    file.write_bytes(run.answers.read_bytes())
    (place / "empty").mkdir()
    monkeypatch.chdir(place / "empty")
    past = draft_of_answers(file)
    assert past.draft.values["dataset.path"] == str(place / "photos") and past.draft.step == AT_SETTINGS
    assert read_answers(file).values["dataset.path"] == "photos"


def test_a_run_is_named_as_everywhere(run: RunDir, place: Path) -> None:
    runs = place / "runs"
    for text in ("anna", run.path.name, str(run.path), str(run.answers)):
        assert draft_of(text, runs).draft.values["train.rank"] == 8
    with pytest.raises(RunNotFound):
        draft_of("bob", runs)


def test_to_train_on_from_a_run_with_a_start_leaves_start_and_rank_to_its_file(place: Path) -> None:
    """The file is a LoRA of twice the rank: with the run's own start and rank the new one would be refused."""
    for start, kept in (("pissa", False), ("default", True)):
        own = {**VALUES, "adapter.start": start}
        made = create_run(resolve(Answers("face", own), {}, 6), Answers("face", own), place / start)
        values = built_on(made).draft.values
        assert values["train.start_from"] == str(made.path)
        assert ("train.rank" in values) is kept and values.get("adapter.start", "default") == "default"
