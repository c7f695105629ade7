"""What follows from the answers, prompts and counts, is the same in the wizard, in a replay and in the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loratui.screens.wizard.preset import describe
from loratui.settings.answers import Answers, counted_images, read_answers, write_answers
from loratui.settings.checks import answers_of, effective
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.settings.preset_file import save_preset
from loratui.settings.presets import preset
from loratui.settings.resolve import resolve
from tests.trainer.conftest import draw_dataset
from trainer.contract.plan.advice import refusals
from trainer.contract.settings.arithmetic import schedule
from trainer.contract.settings.config import TrainConfig, dump_config, load_config
from trainer.contract.settings.prompts import class_prompt
from trainer.data.dataset import hold_out, read_dataset
from trainer.samples.class_pictures import real_class_pictures

PROMPT = "dataset.instance_prompt"
DOG = {"dataset.class_word": "dog"}
PROMPTS: dict[str, tuple[str, dict[str, Any], str, str]] = {  # preset, answers, instance and class prompt (or none)
    "a class word": ("object", DOG, "a photo of a TOK dog", "a photo of a dog"),
    "no class word": ("object", {}, "a photo of a TOK", ""),
    "another trigger": ("face", {"dataset.trigger": "ZED, ZED2", **DOG}, "a photo of a ZED dog", "a photo of a dog"),
    "a style": ("style", DOG, "in the style of TOK", "a photo of a dog"),
    "a style's own prompt": ("icon-3d", DOG, "3d icon in the style of TOK", "a photo of a dog"),
    "another kind": ("object", {"kind": "style"}, "in the style of TOK", ""),
    "a preset's own prompt": ("character-style", {}, "a TOK emoji", ""),
    "a figure": ("character-style", {"dataset.class_word": "fox"}, "a TOK fox", "a photo of a fox"),
    "one picture": ("b-lora", {"dataset.trigger": "[v19]"}, "a [v19]", ""),
    "an own prompt": ("object", {**DOG, PROMPT: "TOK, sitting"}, "TOK, sitting", "a photo of a dog"),
    "an own class prompt": ("object", {**DOG, "prior.prompt": "dogs"}, "a photo of a TOK dog", "dogs"),
}


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def in_the_trainer(config: TrainConfig, folder: Path) -> TrainConfig:
    """The configuration as the trainer reads it out of a run's folder."""
    (folder / "config.toml").write_text(dump_config(config))
    return load_config(folder / "config.toml")


@pytest.mark.parametrize("case", PROMPTS)
def test_prompts(case: str, tmp_path: Path) -> None:
    name, values, prompt, of_the_class = PROMPTS[case]
    photos = draw_dataset(tmp_path / "photos", captions=False)
    values = {**values, "dataset.path": str(photos), "prior.enabled": True, "prior.path": str(photos)}
    draft = Draft(preset=name, values=values)
    assert effective(draft)[PROMPT] == prompt
    written = tmp_path / "answers.toml"
    write_answers(written, Answers(name, values))
    for answers in (answers_of(draft), read_answers(written)):
        config = in_the_trainer(resolve(answers).config, tmp_path)
        assert config.dataset.instance_prompt == prompt
        assert class_prompt(config) == of_the_class
        assert {one.prompt for one in read_dataset(config)} == {prompt}
        if of_the_class:
            assert {one.prompt for one in real_class_pictures(config)} == {of_the_class}
        else:  # nothing is trained on a class that has no name
            assert any(one.startswith("prior.enabled: ") for one in refusals(config))


@pytest.mark.parametrize("of_the_preset", [False, True])
@pytest.mark.parametrize(("held", "count"), [(0, 5), (2, 3), (9, 1)])
def test_counts(held: int, count: int, of_the_preset: bool, tmp_path: Path) -> None:
    """Five pictures, some of them held out, by the answers or by a preset of one's own: the same steps everywhere."""
    values: dict[str, Any] = {"dataset.path": str(draw_dataset(tmp_path / "photos"))}
    if of_the_preset:
        save_preset("held", Answers("face", {"dataset.hold_out": held}), "x")
    else:
        values["dataset.hold_out"] = held
    name = "held" if of_the_preset else "face"
    draft = Draft(preset=name, values=values, images=5)
    assert counted_images(5, effective(draft)) == count
    shown = describe(preset(name), "", draft).plain
    assert f"120 x {count} = {120 * count}" in shown and f"over {count} picture" in shown
    config = in_the_trainer(resolve(answers_of(draft), images=5).config, tmp_path)
    assert config.train.steps == 120 * count
    if held < 5:  # else the trainer refuses, and the plan before it
        trained, kept = hold_out(read_dataset(config), config)
        assert (len(trained), len(kept)) == (count, held)
        assert f"{schedule(config, len(trained)).views_per_image:.0f}" in shown


def test_a_draft_that_kept_the_suggestion_follows_it_again(tmp_path: Path) -> None:
    """Drafts of the time before: a mark said whether the prompt was an own one."""
    (tmp_path / "drafts").mkdir()
    for edited, expected in ((False, "a photo of a TOK cat"), (True, "a photo of a TOK dog")):
        raw = {"preset": "object", "values": {"dataset.class_word": "cat", PROMPT: "a photo of a TOK dog"}}
        (tmp_path / "drafts" / "draft-a.json").write_text(json.dumps(raw | {"prompt_edited": edited}))
        loaded = DraftStore(tmp_path).load()
        assert not loaded.trouble and effective(loaded.draft)[PROMPT] == expected
