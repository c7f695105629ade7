"""Presets of one's own: saved, used everywhere a preset is, written out in a run's files, never in the way."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from loratui.runs.launch import create_run
from loratui.settings.answers import Answers, answers_text, read_answers
from loratui.settings.own_presets import PresetError, delete_preset, found_presets, preset_folder
from loratui.settings.portable import portable
from loratui.settings.preset_file import save_preset
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError
from loratui.settings.resolve import resolve
from trainer.contract.settings.config import config_sha, flat, load_config

HOSTILE = "\x1b]52;c;aGk=\x07[@click=app.quit()]x[/]\x9b2J"


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


CHOSEN = {
    "name": "anna",
    "kind": "face",
    "dataset.path": "/home/me/photos",
    "dataset.trigger": "SKS",
    "dataset.class_word": "woman",
    "dataset.instance_prompt": "a photo of a SKS woman",
    "dataset.skip": ("a.jpg",),
    "dataset.accept": ("low-resolution:b.jpg",),
    "prior.path": "/home/me/women",
    "train.rank": 8,
    "sample.prompts": ("SKS on a beach", "a house"),
}


def written(name: str, text: str) -> Path:
    preset_folder().mkdir(parents=True, exist_ok=True)
    path = preset_folder() / f"{name}.toml"
    path.write_text(text)
    return path


def test_what_is_saved_is_what_differs_and_never_what_belongs_to_one_set() -> None:
    saved = save_preset("mine", Answers("face", CHOSEN), "run 2026-11-23-anna", "My face")
    raw = tomllib.loads(saved.path.read_text())
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
    assert raw["values"]["train.rank"]["value"] == 8
    assert "from run 2026-11-23-anna" in raw["values"]["train.rank"]["source"]
    assert raw["values"]["sample.prompts"]["value"] == ["TOK on a beach", "a house"]
    assert raw["steps_per_image"]["value"] == 120
    assert (raw["title"], raw["kind"], raw["based_on"]) == ("My face", "face", "face")
    text = saved.path.read_text()
    for word in ("photos", "SKS", "woman", "a.jpg", "low-resolution", "/home", "anna/"):
        assert word not in text


def test_a_value_of_the_shipped_preset_keeps_its_source() -> None:
    save_preset("mine", Answers("face"), "x")
    raw = tomllib.loads((preset_folder() / "mine.toml").read_text())
    assert raw["values"]["train.batch"] == {
        "value": 1,
        "source": "the post counts steps per picture and gives no batch",
        "inferred": True,
    }


@pytest.mark.parametrize("name", ["face", "FACE", "demo", "a/b", "../x", "", "x" * 41, "_common", "a b", HOSTILE])
def test_a_name_that_clashes_or_is_none_is_refused(name: str) -> None:
    with pytest.raises(PresetError) as refused:
        save_preset(name, Answers("face"), "x")
    assert "\x1b" not in str(refused.value)
    assert not preset_folder().exists()


def test_an_old_one_is_written_over_only_when_asked() -> None:
    save_preset("mine", Answers("face", {"train.rank": 8}), "x")
    with pytest.raises(PresetError, match="--replace"):
        save_preset("mine", Answers("face", {"train.rank": 4}), "x")
    save_preset("mine", Answers("face", {"train.rank": 4}), "x", replace=True)
    assert resolve(Answers("mine")).config.train.rank == 4


BASES = [
    "face",
    "face/75x",
    "object",
    "style/v6",
    "character-style",
    "character-style-adamw",
    "icon-3d",
    "b-lora",
    "demo",
]
MORE = {
    "rank": {"train.rank": 8},
    "other optimizer": {"train.optimizer": "adamw", "train.learning_rate": 2e-4},
    "a rate of the other optimizer": {"train.optimizer": "adamw", "train.learning_rate": 1.0},
    "steps as the default has them": {"train.steps": 1000},
    "steps": {"train.steps": 77, "kind": "one-picture"},
    "back to the default": {"prodigy.d0": 1e-6, "train.min_snr_gamma": 5.0, "train.gradient_checkpointing": True},
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("changes", MORE)
def test_it_comes_to_the_same_as_the_answers_and_a_run_replays_without_it(base: str, changes: str) -> None:
    """Saved, chosen for other pictures, run, deleted: the run's answers give the same run, to its hash."""
    values = MORE[changes]
    plain = resolve(Answers(base, values), {}, 6)
    save_preset("mine", Answers(base, values), "x")
    chosen = {"dataset.trigger": "ZED", "name": "toy", "dataset.path": "/p"}
    answers = Answers("mine", chosen)
    resolved = resolve(answers, {}, 6)
    names = {"name", "preset", "dataset.path", "dataset.trigger", "dataset.instance_prompt", "sample.prompts"}
    differing = {key for key, value in flat(resolved.config).items() if value != flat(plain.config)[key]}
    assert differing <= names
    config, written_out = portable(resolved, answers)
    delete_preset("mine")
    assert written_out.preset == base
    path = Path("answers.toml")
    path.write_text(answers_text(written_out))
    assert config_sha(resolve(read_answers(path), {}, 6).config) == config_sha(config.config)


def test_the_folder_of_a_run_holds_no_preset_of_ones_own() -> None:
    save_preset("mine", Answers("face", {"train.rank": 8}), "x")
    answers = Answers("mine", {"name": "toy", "dataset.path": "/p"})
    run = create_run(resolve(answers, {}, 6), answers)
    text = run.answers.read_text()
    assert 'preset = "face"' in text and "rank = 8" in text
    assert "# The preset was 'mine', one of your own" in text
    assert load_config(run.config).preset == "face" and load_config(run.config).train.steps == 720


def test_it_works_as_a_preset_does() -> None:
    save_preset("mine", Answers("object", {"train.rank": 8}), "x")
    assert preset("mine").own
    assert resolve(Answers("object"), {"preset": "mine"}).config.train.rank == 8
    origin = resolve(Answers("mine")).origins["train.rank"]
    assert origin.layer == "preset" and origin.source.startswith("yours, saved ")


def test_an_unknown_preset_says_where_ones_own_belong() -> None:
    with pytest.raises(AnswersError, match=r"no preset 'gone'.*in ~/config/loratui/presets: copy gone.toml there"):
        preset("gone")


BROKEN = {
    "no TOML": "{half",
    "no form": "values = 5\nkind = 'face'",
    "a key of another version": "kind='face'\n[values]\n'train.gone' = {value=1, source=''}",
    "out of bounds": "kind='face'\n[values]\n'train.rank' = {value=0, source=''}",
    "of one set of pictures": "kind='face'\n[values]\n'dataset.path' = {value='/etc', source=''}",
    "no kind": "[values]\n",
    "another kind": "kind='cat'\n[values]\n",
    "a rule over two": "kind='face'\n[values]\n'text_encoder_lora.enabled' = {value=true, source=''}",
    "steps that are none": "kind='face'\n[steps_per_image]\nvalue='x'\n[values]\n",
    "too deep": "a=" + "[" * 5000,
    "no text": "\udc00",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_file_is_named_and_left_out(case: str) -> None:
    save_preset("good", Answers("face"), "x")
    path = written("bad", "")
    path.write_bytes(BROKEN[case].encode("utf-8", "surrogatepass"))
    found = found_presets()
    assert [one.name for one in found.presets] == ["good"]
    assert "bad.toml is left out" in found.troubles["bad"]
    with pytest.raises(AnswersError, match=r"bad\.toml is left out"):
        preset("bad")
    assert preset("face").name == "face"
    delete_preset("bad")
    assert found_presets().troubles == {}


def test_a_file_named_as_a_shipped_preset_changes_nothing() -> None:
    save_preset("mine", Answers("object", {"train.rank": 8}), "x").path.rename(preset_folder() / "face.toml")
    assert not preset("face").own and resolve(Answers("face")).config.train.rank == 32
    assert "ships with loratui" in found_presets().troubles["face"]


def test_words_of_a_foreign_file_are_harmless() -> None:
    import tomlkit

    document = {"kind": "face", "title": HOSTILE, "summary": HOSTILE, "data": HOSTILE}
    written("bad" + HOSTILE[:1], "")
    written("ok", tomlkit.dumps({**document, "values": {"train.rank": {"value": 8, "source": HOSTILE}}}))
    found = found_presets()
    (one,) = found.presets
    shown = [one.title, one.summary, one.data, one.values[0].source, *found.troubles.values()]
    assert not [text for text in shown if "\x1b" in text or "\x9b" in text or "\x07" in text]


def test_only_ones_own_can_be_deleted() -> None:
    for name in ("face", "gone", "../config", HOSTILE):
        with pytest.raises(PresetError):
            delete_preset(name)
