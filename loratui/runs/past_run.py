"""Opens what an old run was told as a new draft; what cannot be used here is left out and said, never a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.settings.answers import DEFAULT_PRESET, Answers, salvaged_answers
from loratui.settings.drafts.draft import Draft
from loratui.settings.presets import preset
from loratui.settings.problems import AnswersError
from loratui.settings.recents import is_there
from loratui.settings.resolve import FOLDERS, MODELS, names_hub
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.documents.files import read_toml
from trainer.contract.paths import can_see, expanded, is_file
from trainer.contract.pictures.sources import written_folder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.concepts import PLACES
from trainer.contract.settings.config import BY_KEY, value_of_now

AT_PICTURES, AT_PRESET, AT_SETTINGS = 1, 3, 4  # steps of the wizard


@dataclass(frozen=True)
class PastRun:
    """A draft made from an old run, and a sentence for each thing that is not as it was."""

    draft: Draft
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The first note, and how many more there are; empty if all is as it was."""
        rest = len(self.notes) - 1
        return "".join(self.notes[:1]) + (f" (and {plural(rest, 'more note')})" if rest > 0 else "")


def draft_of(text: str, root: Path) -> PastRun:
    """The draft of what `text` names: an answers.toml, or a run as find_run reads it. Raises Refusal."""
    from loratui.runs.find import find_run

    path = expanded(text)
    return draft_of_answers(path) if is_file(path) else draft_of_run(find_run(text, root))


def draft_of_answers(path: Path) -> PastRun:
    """The draft of an answer file; a relative folder of pictures is looked for beside the file too."""
    answers, notes = salvaged_answers(path)
    values = dict(answers.values)
    for key in FOLDERS:
        beside = path.absolute().parent / str(values.get(key, ""))
        if _is_relative(key, values.get(key)) and not is_there(values[key]) and is_there(str(beside)):
            values[key] = str(beside)
    return _past(answers.preset, values, notes)


def draft_of_run(run: RunDir) -> PastRun:
    """The draft of a run's answers. Raises AnswersError if neither they nor its configuration can be read.

    Folders that were given relative to where the run was started come from its configuration, which holds them whole.
    """
    configured = config_values(run)
    try:
        answers, notes = salvaged_answers(run.answers)
    except AnswersError as error:
        if not configured:
            raise
        answers, notes = _of_config(configured), [*error.messages, "the values come from the run's config.toml"]
    values = dict(answers.values)
    for key in (*FOLDERS, *MODELS):
        whole = configured.get(key)
        if not _is_relative(key, values.get(key)) or not isinstance(whole, str) or not Path(whole).is_absolute():
            continue
        if Path(whole).parent != written_folder():  # a data set, written out: the answers name its source
            values[key] = whole
    if values.get(CONCEPTS):
        values[CONCEPTS] = _placed(values[CONCEPTS], configured.get(CONCEPTS))
    return _past(answers.preset, values, notes)


def _placed(concepts: Any, configured: Any) -> Any:
    """The concepts with their folders as the configuration has them."""
    if not isinstance(configured, list) or len(configured) != len(concepts):
        return concepts
    found = []
    for one, whole in zip(concepts, configured, strict=True):
        told = whole if isinstance(whole, dict) else {}
        places = {name: told.get(name) for name in PLACES if _is_relative(CONCEPTS, one.get(name))}
        named = {name: place for name, place in places.items() if isinstance(place, str)}
        written = {name for name, place in named.items() if Path(place).parent == written_folder()}  # of a data set
        found.append(one | {name: place for name, place in named.items() if name not in written})
    return found


def built_on(run: RunDir) -> PastRun:
    """The draft of a run's answers, to train on from the LoRA that the run has made. Raises AnswersError as above."""
    past = draft_of_run(run)
    values: dict[str, Any] = {"train.start_from": str(run.path.absolute()), "name": None}
    if past.draft.get("adapter.start") != "default":  # its file has twice the rank, and says so itself
        values |= dict.fromkeys(("adapter.start", "train.rank", "train.alpha"))
    said = f"The new run starts from the LoRA of {safe_text(run.path.name)}."
    return PastRun(past.draft.with_settings(values), (said, *past.notes))


def config_values(run: RunDir) -> dict[str, Any]:
    """A run's settings by dotted key as its config.toml has them, also unknown ones; empty if it is unreadable."""
    tables = read_toml(run.config, root=run.path).value or {}
    found: dict[str, Any] = {}
    for name, value in tables.items():
        entries = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        found |= entries
    return {key: value_of_now(key, value) for key, value in found.items()}


def _of_config(configured: Mapping[str, Any]) -> Answers:
    """What differs from the preset that the configuration names, or from the default one."""
    name = configured.get("preset", DEFAULT_PRESET)
    try:
        base = preset(str(name))
    except AnswersError:
        base = preset(DEFAULT_PRESET)
    layer = {one.key: one.value for one in base.values} | {"kind": base.kind}
    values = {
        key: value
        for key, value in configured.items()
        if key in BY_KEY and key != "preset" and value != layer.get(key, _plain(BY_KEY[key].default))
    }
    return Answers(base.name, values)


def _past(name: str, values: dict[str, Any], notes: list[str]) -> PastRun:
    from loratui.settings.checks import problems

    said = list(notes)
    try:
        preset(name)
    except AnswersError as error:
        said += error.messages
        name = ""
    draft = Draft(preset=name, values={key: _tuple(value) for key, value in values.items()})
    for key, words in problems(draft).items():
        if key in draft.values:  # a rule of this version: what breaks it goes back to the preset's value
            said.append(f"{key}: {words}; left out")
            draft = draft.with_settings({key: None})
    source = str(draft.get("dataset.path"))
    there = bool(source) and is_there(source)
    if not source:
        said.append("the answers name no pictures: choose a folder")
    elif not there:
        said.append(f"the pictures are gone: {show_path(source)}; choose the folder where they are now")
    step = AT_PICTURES if not there else AT_SETTINGS if name else AT_PRESET
    draft = draft.with_fields(step=step)
    return PastRun(draft, tuple(safe_text(one, 300) for one in said))


def _is_relative(key: str, value: Any) -> bool:
    if not isinstance(value, str) or not value or value.startswith(("~", "/")) or names_hub(key, value):
        return False
    return key in (*FOLDERS, CONCEPTS) or can_see(Path(value)) or value.startswith(".")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
