"""The axes of a sweep that is being built: a list of settings with their values, each asked for in a small window."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from loratui.errors import Refusal
from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.session import Session
from loratui.screens.shared.steady import SteadyScreen
from loratui.settings.checks import effective, shown
from loratui.settings.drafts.draft import Draft
from loratui.settings.search import found as searched
from loratui.sweeps.declaration import MOST_SEEDS, NOT_AN_AXIS, Axis, Sweep, checked_axis, values_of
from loratui.terminal.text import safe_text
from trainer.contract.settings.config import BY_KEY, SETTINGS

CHOICES = 12  # settings that a search shows
SEEDS = "seeds"


class AxesScreen(SteadyScreen[Sweep | None]):
    """Adds the list and its keys; what was chosen stays in the session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add"),
        Binding("s", "seeds", "Seeds"),
        Binding("t", "together", "Together"),
        Binding("x", "leave_out", "Leave out"),
    ]

    def __init__(self, draft: Draft, session: Session) -> None:
        super().__init__()
        self._draft, self._session = draft, session

    def foretell(self) -> None:
        """Work out what it would take by now."""
        raise NotImplementedError

    def say(self, words: str) -> None:
        """Answer in a line of the screen's own."""
        raise NotImplementedError

    def begin_with(self, key: str) -> None:
        """Ask for the values of `key`, or where it is none for a setting; nothing where there are some already."""
        if self._session.axes:
            return
        if key in BY_KEY and key not in NOT_AN_AXIS:
            self._ask_values(key)
        else:
            self.action_add()

    def show_axes(self) -> None:
        """The axes, and a new forecast."""
        axes = self.query_one("#axes", OptionList)
        at = axes.highlighted
        rows = [
            Option(_row(axis.title, _between(axis).join(map(axis.label, range(len(axis.places))))), id=axis.keys[0])
            for axis in self._session.axes
        ]
        rows.append(Option(_row(SEEDS, str(self._session.seeds)), id=SEEDS))
        axes.set_options(rows)
        axes.highlighted = min(at or 0, len(rows) - 1)
        self.foretell()

    @on(OptionList.OptionSelected, "#axes")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if event.option_id == SEEDS:
            self.action_seeds()
            return
        axis = next(one for one in self._session.axes if one.keys[0] == event.option_id)
        if len(axis.keys) == 1:
            self._ask_values(axis.keys[0])
            return
        lines = [(key, Content.assemble((f"{BY_KEY[key].title:<22} ", "bold"), (key, "$muted"))) for key in axis.keys]
        asked = Chooser("Values of which setting?", lines, axis.keys[0])
        self.app.push_screen(asked, lambda key: self._ask_values(key) if key else None)

    def action_add(self) -> None:
        """Try values of another setting."""
        words = "Its name, a word of its help, or what another trainer calls it: rank, optimizer, network_dim ..."
        self.app.push_screen(LineEditor("Which setting?", "", words, _unknown), self._searched)

    def _searched(self, typed: str | None) -> None:
        if typed is None:
            return
        wanted = _wanted(typed, effective(self._draft))[:CHOICES]
        if len(wanted) == 1 or wanted[0] == typed:
            self._ask_values(wanted[0])
            return
        lines = [(key, Content.assemble((f"{BY_KEY[key].title:<22} ", "bold"), (key, "$muted"))) for key in wanted]
        self.app.push_screen(
            Chooser("Which of these?", lines, wanted[0]), lambda key: self._ask_values(key) if key else None
        )

    def _ask_values(self, key: str) -> None:
        one = BY_KEY[key]
        axis = self._axis_of(key)
        columns = columns_of(axis) if axis else {}
        before = ", ".join(map(_written, columns[key])) if axis else shown(effective(self._draft)[key])
        words = " ".join(part for part in (one.help, f"({one.bounds})" if one.bounds else "") if part)

        def wrong(typed: str) -> str:
            try:
                checked_axis("", {**columns, key: values_of(key, typed)})
            except Refusal as refusal:
                return refusal.messages[0].partition(": ")[2] or refusal.messages[0]
            return ""

        title = f"Values of {one.title}, with commas between"
        self.app.push_screen(LineEditor(title, before, words, wrong), lambda typed: self._take(key, typed))

    def _axis_of(self, key: str) -> Axis | None:
        return next((axis for axis in self._session.axes if key in axis.keys), None)

    def _take(self, key: str, typed: str | None) -> None:
        if typed is None:
            return
        before = self._axis_of(key)
        axis = checked_axis("", {**(columns_of(before) if before else {}), key: values_of(key, typed)})
        if before is None:
            self._keep([*self._session.axes, axis])
        else:
            self._keep([axis if one == before else one for one in self._session.axes])

    def action_together(self) -> None:
        """Let the setting under the cursor change together with the one above; those that do, apart again."""
        at = self.query_one("#axes", OptionList).highlighted
        axes = list(self._session.axes)
        if at is None or at >= len(axes):
            return
        columns = columns_of(axes[at])
        if len(columns) > 1:
            axes[at : at + 1] = [checked_axis("", {key: list(dict.fromkeys(own))}) for key, own in columns.items()]
        elif at == 0:
            self.say("Nothing stands above it: the lower of two settings joins the upper one.")
            return
        elif len(axes[at].places) != len(axes[at - 1].places):
            counts = ", ".join(f"{one.title} {len(one.places)}" for one in axes[at - 1 : at + 1])
            self.say(f"Both need as many values to change together: {counts}.")
            return
        else:
            axes[at - 1 : at + 1] = [checked_axis("", columns_of(axes[at - 1]) | columns)]
            self.query_one("#axes", OptionList).highlighted = at - 1
        self._keep(axes)

    def action_seeds(self) -> None:
        """How many seeds each combination has."""
        words = f"How many seeds for each combination, 1 to {MOST_SEEDS}: with three or more chance can be told."

        def wrong(typed: str) -> str:
            inside = typed.strip().isdecimal() and 1 <= int(typed) <= MOST_SEEDS
            return "" if inside else f"Type a whole number from 1 to {MOST_SEEDS}."

        def take(typed: str | None) -> None:
            if typed is not None:
                self._session.seeds = int(typed)
                self.show_axes()

        self.app.push_screen(LineEditor("Seeds", str(self._session.seeds), words, wrong), take)

    def action_leave_out(self) -> None:
        """Leave the setting under the cursor out again."""
        at = self.query_one("#axes", OptionList).highlighted
        axes = list(self._session.axes)
        if at is not None and at < len(axes):
            del axes[at]
            self._keep(axes)

    def _keep(self, axes: list[Axis]) -> None:
        self._session.axes = tuple(axes)
        self.show_axes()


def columns_of(axis: Axis) -> dict[str, list[object]]:
    """The values of each of its settings."""
    return {key: [place[at] for place in axis.places] for at, key in enumerate(axis.keys)}


def _between(axis: Axis) -> str:
    return "; " if len(axis.keys) > 1 else ", "


def _wanted(typed: str, values: dict[str, object]) -> list[str]:
    if typed in BY_KEY and typed not in NOT_AN_AXIS:
        return [typed]
    known = [one for one in SETTINGS if one.key not in NOT_AN_AXIS]
    return [one.key for one in searched(typed.strip(), known, values)] if typed.strip() else []


def _unknown(typed: str) -> str:
    return "" if _wanted(typed, {one.key: one.default for one in SETTINGS}) else "No setting has that name."


def _row(title: str, values: str) -> Content:
    return Content.assemble((f"{safe_text(title, 28):<29}", "$muted"), (safe_text(values, 300), "bold"))


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
