"""Several concepts in one run: the list of them, each to change, to look at or to take away, and more to add."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from textual.content import Content

from loratui.curation.concepts import without_concept
from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Answer, Question
from loratui.screens.wizard.decisions import PictureDecisions
from loratui.settings.checks import NotAValue, effective, parse, problems
from loratui.settings.drafts.draft import Draft
from loratui.settings.other_trainers.kohya_folders import concept_of
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.paths import expanded, is_folder
from trainer.contract.pictures.sources import origin_of
from trainer.contract.settings.concepts import BY_NAME, FIRST, KEY, number_of, title_of

Tables = tuple[dict[str, Any], ...]
ADD = "add"
FIELDS = {  # label in the form: setting, what an empty field means
    "folder": ("path", "a folder of pictures, or a data set"),
    "trigger": ("trigger", "the word of the first concept"),
    "class word": ("class_word", "such as dog; may be empty"),
    "repeats": ("repeats", "1"),
    "loss weight": ("loss_weight", "1"),
}
WORDS = (
    "One more folder that is learned in the same run. Its pictures join the list; repeats decide how often they are "
    "seen beside the others. A folder called 3_rex dog says the rest by its name."
)


class ConceptList(PictureDecisions):
    """Adds the list of concepts to a step that shows pictures."""

    @property
    def _tables(self) -> Tables:
        return tuple(self.draft.values.get(KEY, ()))

    def show_concept(self, number: int) -> None:
        """Show the pictures of one concept."""

    def action_concepts(self) -> None:
        """Add a concept: another folder in the same run; or change, look at and take away those that there are."""
        if self._report is None:
            self.say("The first folder is typed above; then others can join it.", "warn")
        elif not self._tables:
            self._edit(FIRST)
        else:
            first = {key.removeprefix("dataset."): one for key, one in effective(self.draft).items()}
            lines = [(str(number), self._line(number, one)) for number, one in enumerate((first, *self._tables), 1)]
            lines.append((ADD, Content("Add a concept ...")))
            self.app.push_screen(Chooser("Concepts of this run", lines, ""), self._chosen)

    def _line(self, number: int, table: Mapping[str, Any]) -> Content:
        assert self._report is not None
        count = sum(number_of(one.name) == number for one in self._report.pictures)
        trigger = str(table.get("trigger") or effective(self.draft)["dataset.trigger"])
        words = f"{trigger} {table.get('class_word', '')}".strip()
        seen = f"{plural(count, 'picture')} x {table.get('repeats', 1)}"
        weight = "" if table.get("loss_weight", 1) == 1 else f", loss x {table['loss_weight']:g}"
        place = safe_text(show_path(str(table["path"])), 40)
        return Content.assemble((f"{safe_text(words, 24):<24} ", "bold"), f"{seen}{weight}  ", (place, "$muted"))

    def _chosen(self, answer: str | None) -> None:
        if answer == ADD:
            self._edit(FIRST + len(self._tables))
        elif answer == "1":
            self.show_concept(1)
        elif answer is not None:
            number = int(answer)
            answers = [
                Answer("p", "Its pictures", "show"),
                Answer("c", "Change it", "edit"),
                Answer("d", "Take it away", "drop"),
            ]
            table = self._tables[number - FIRST]
            words = f"{show_path(str(table['path']))}\n\nIt is then not learned; no file is touched."
            question = Question[str](title_of(number).capitalize(), words, answers, "")
            self.app.push_screen(question, lambda does: self._do(number, does))

    def _do(self, number: int, does: str | None) -> None:
        if does == "show":
            self.show_concept(number)
        elif does == "edit":
            self._edit(number)
        elif does == "drop":
            rest = tuple(one for place, one in enumerate(self._tables, FIRST) if place != number)
            self.do(f"Taken away: {title_of(number)}.", _without(self.draft, rest, number))

    def _edit(self, number: int) -> None:
        there = dict(enumerate(self._tables, FIRST)).get(number, {})
        fields = [(label, _written(there.get(name)), empty) for label, (name, empty) in FIELDS.items()]
        wrong = partial(self._wrong, number)
        form = Form(title_of(number).capitalize(), WORDS, fields, wrong, does="Keep the concept")
        self.app.push_screen(form, lambda given: self._keep(number, given))

    def _wrong(self, number: int, given: dict[str, str]) -> str:
        """What is wrong with the form; the fields that are not in it stay as they are."""
        place = given["folder"]
        if not place or (origin_of(place) == "pictures" and not is_folder(expanded(place))):
            return f"There is no folder '{safe_text(given['folder'], 50)}'."
        try:
            tables = self._with(number, given)
        except NotAValue as error:
            return str(error)
        return problems(self.draft, {KEY: tables}).get(KEY, "").removeprefix(f"{title_of(number)}: ")

    def _with(self, number: int, given: Mapping[str, str]) -> Tables:
        """The concepts with one as it was typed. Raises NotAValue."""
        tables = dict(enumerate(self._tables, FIRST))
        shown = {name for name, _ in FIELDS.values()}
        table = {key: one for key, one in tables.get(number, {}).items() if key not in shown}
        typed = {name: parse(BY_NAME[name], given[label]) for label, (name, _) in FIELDS.items() if given[label]}
        said = concept_of(str(typed.get("path", ""))) if number not in tables else {}
        tables[number] = {**said, **typed, **table}
        return tuple(tables[one] for one in sorted(tables))

    def _keep(self, number: int, given: dict[str, str] | None) -> None:
        if given is not None:
            draft = self.draft.with_settings({KEY: self._with(number, given)})
            self.do(f"{title_of(number).capitalize()} is learned as well.", draft)


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _without(draft: Draft, rest: Tables, number: int) -> Draft:
    """The draft with the concepts that are left; pictures of later ones are called by their new numbers."""
    changes: dict[str, Any] = {KEY: rest or None}
    for key, names in (("dataset.skip", draft.skipped), ("dataset.accept", draft.accepted)):
        changes[key] = tuple(without_concept(names, number).values()) or None
    called = without_concept(draft.captions, number)
    kept = {new: draft.captions[old] for old, new in called.items()}
    return draft.with_settings(changes).with_fields(captions=kept)
