"""Choosing the base model: what is on this disk, what would be downloaded, its licence and gate, before it is taken."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from loratui.basemodels.facts import BaseModelNeed, cached_models, look, look_vae
from loratui.basemodels.hub import HubSilent, ask
from loratui.basemodels.words import state
from loratui.screens.shared.base_model_words import HELP, KNOWN, TONES, BaseModelSeen, facts
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.editors import ask_unkept
from loratui.screens.shared.steady import SteadyScreen
from loratui.settings.recent_bases import recent_bases, remember_base
from loratui.terminal.glyphs import glyph_of
from loratui.terminal.layout import folded
from loratui.terminal.text import safe_text, show_path
from loratui.widgets.keyline import KeyLine
from loratui.widgets.paths import FolderSuggester

NARROW = 35  # cells of either side at 80 columns
REST = 0.3  # seconds that the cursor stays on a line before the hub is asked about it


class BaseModelLooked(Message):
    """Models were looked at."""

    def __init__(self, found: list[BaseModelSeen], focus: str = "") -> None:
        super().__init__()
        self.found, self.focus = found, focus


class HubAnswered(Message):
    """The hub was asked; `trouble` is why it did not say."""

    def __init__(self, value: str, seen: BaseModelSeen, trouble: str) -> None:
        super().__init__()
        self.value, self.seen, self.trouble = value, seen, trouble


class BaseModelScreen(SteadyScreen[str | None]):
    """The models on the left, all that is known of one on the right. Answers with a value of model.base, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "take", "Take"),
        Binding("escape", "back", "Cancel"),
        Binding("slash", "type", "Path or hub id", key_display="/"),
        Binding("h", "ask", "Ask the hub"),
        Binding("f1", "help", "Help"),
    ]
    DEFAULT_CSS = """
    BaseModelScreen {
        #base-purpose { height: 1; padding: 0 1; color: $muted; }
        #models { width: 39; height: 1fr; }
        #base-facts { width: 1fr; height: 1fr; border: round $line; border-title-color: $foreground; padding: 0 1; }
        #base-facts:focus { border: round $accent; }
        #base-typed { margin: 0 1; }
        #base-say { height: auto; min-height: 1; max-height: 4; padding: 0 1; }
        &.-wide #models { width: 56; }
    }
    """

    def __init__(self, value: str, need: BaseModelNeed, then: str = "Next: back to the settings.") -> None:
        """`value` is what model.base is now; `need` what the settings read of a model; `then` what follows."""
        super().__init__()
        self._then = then
        self._value, self._need = value, need
        self._values: list[str] = []
        self._seen: dict[str, BaseModelSeen] = {}
        self._troubles: dict[str, str] = {}  # why the hub did not say

    def compose(self) -> ComposeResult:
        """The list, the facts, the line to type in."""
        yield Static(f"Choose the base model; Enter takes it. {self._then}", id="base-purpose", markup=False)
        with Horizontal():
            yield OptionList(id="models")
            with VerticalScroll(id="base-facts", can_focus=False):
                yield Static("", id="base-words", markup=False)
        yield Input(
            placeholder="/  a folder, a .safetensors file, or owner/name of the hub",
            id="base-typed",
            compact=True,
            suggester=FolderSuggester(files=".safetensors"),
        )
        yield Static("", id="base-say", markup=False)
        yield KeyLine()

    def resized(self) -> None:
        """Set the words anew."""
        self.call_after_refresh(self._show, self._at)

    def on_mount(self) -> None:
        """Show the names at once; a thread looks at the disk."""
        self.query_one("#models").border_title = Content("models")
        self.query_one("#base-facts").border_title = Content("what is known")
        self._values = list(dict.fromkeys([self._value, *KNOWN]))
        self._show(self._value)
        self.query_one("#models", OptionList).focus()
        self._look_at_all(self._values)

    @work(thread=True, exclusive=True, group="look")
    def _look_at_all(self, values: list[str]) -> None:
        worker = get_current_worker()
        others = [*recent_bases(), *(repo for repo, _ in cached_models())]
        found = []
        for value in dict.fromkeys([values[0], *others, *values[1:]]):
            if worker.is_cancelled:
                return
            found.append(self._see(value))
        self.post_message(BaseModelLooked(found))

    @work(thread=True, exclusive=True, group="typed")
    def _look_at(self, value: str) -> None:
        seen = self._see(value)
        if not get_current_worker().is_cancelled:
            self.post_message(BaseModelLooked([seen], focus=value))

    @work(thread=True, exclusive=True, group="hub")
    def _ask(self, value: str, wait: float) -> None:
        worker = get_current_worker()
        time.sleep(wait)
        if worker.is_cancelled:
            return
        trouble, vae = "", self._need.vae_of(value)
        try:
            ask(value)
            if vae and look_vae(value, self._need):
                ask(vae)
        except HubSilent as error:
            trouble = str(error)
        if not worker.is_cancelled:
            self.post_message(HubAnswered(value, self._see(value), trouble))

    def _see(self, value: str) -> BaseModelSeen:
        return BaseModelSeen(look(value, self._need), look_vae(value, self._need))

    @on(BaseModelLooked)
    def _looked(self, event: BaseModelLooked) -> None:
        self._seen |= {one.known.value: one for one in event.found}
        self._values = list(dict.fromkeys([*(one.known.value for one in event.found), *self._values]))
        if not event.focus:
            self._show(self._at or self._value)
            return
        self._show(event.focus)
        self.query_one("#models", OptionList).focus()
        known = self._seen[event.focus].known
        self._say(f"{known.trouble}", "bad") if known.trouble else self._say("Enter takes it.", "good")

    @on(HubAnswered)
    def _answered(self, event: HubAnswered) -> None:
        self._seen[event.value] = event.seen
        self._troubles[event.value] = event.trouble
        self._show(self._at)

    @property
    def _at(self) -> str:
        place = self.query_one("#models", OptionList).highlighted
        return self._values[place] if place is not None and place < len(self._values) else ""

    def _show(self, value: str) -> None:
        """Draw the list anew with the cursor on `value`."""
        models = self.query_one("#models", OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            models.set_options([Option(self._line(one)) for one in self._values])
            models.highlighted = self._values.index(value) if value in self._values else 0
        self._explain()

    def _line(self, value: str) -> Content:
        mark = "● " if value == self._value else "  "
        where, _, what = show_path(value).rstrip("/").rpartition("/")  # the name is what tells models apart
        room = self.query_one("#models").size.width or NARROW
        gap = "  " if len(mark + what + where) + 2 <= room else "\n  "
        name = Content.assemble((mark, "$accent"), (what, "bold"), (f"{gap}{where}" if where else "", "$muted"))
        seen = self._seen.get(value)
        if seen is None:
            return Content("\n").join([name, Content.styled("  looking ...", "$muted")])
        glyph, words, tone = state(seen.known, brief=True)
        facts = ["gated"] if seen.known.gated else []
        facts += [safe_text(seen.known.licence, 24)] if seen.known.licence else []
        rest = "".join(f" · {one}" for one in facts)
        return Content("\n").join([name, Content.assemble((f"  {glyph} {words}", TONES[tone]), (rest, "$muted"))])

    @on(OptionList.OptionHighlighted, "#models")
    def _moved(self) -> None:
        self._say("")
        self._explain()

    def _explain(self) -> None:
        value = self._at
        seen = self._seen.get(value)
        words, width = self.query_one("#base-words", Static), self.query_one("#base-facts").size.width or NARROW
        if seen is None:
            words.update(Content.styled(folded(show_path(value), width), "bold"))
            return
        words.update(facts(seen, self._troubles.get(value, ""), width))
        self.query_one("#base-facts").scroll_home(animate=False)
        known = seen.known
        if known.kind == "hub" and not known.here and known.gated is None and value not in self._troubles:
            self._ask(value, REST)

    @on(OptionList.OptionSelected, "#models")
    def _selected(self) -> None:
        self.action_take()

    @on(Input.Submitted, "#base-typed")
    def _look_at_typed(self) -> None:
        if value := self.query_one("#base-typed", Input).value.strip():
            self._say("Looking ...")
            self._look_at(value)

    def action_take(self) -> None:
        """Answer with the model under the cursor, if it can be trained on; with a line being typed, look at it."""
        line = self.query_one("#base-typed", Input)
        if line.has_focus:
            line.post_message(Input.Submitted(line, line.value))
            return
        if self.unkept:  # what was typed is what is meant, wherever the cursor is
            self._look_at_typed()
            return
        seen = self._seen.get(self._at)
        if seen is None:
            return
        if seen.known.trouble:
            self._say(seen.known.trouble, "bad")
            return
        if self._at not in KNOWN:
            remember_base(self._at)
        self.dismiss(self._at)

    def action_back(self) -> None:
        """From the line back to the list, else leave everything as it was."""
        if self.query_one("#base-typed", Input).has_focus:
            self.query_one("#models").focus()
        elif self.unkept:
            ask_unkept(self.app, "Look at it", self._look_at_typed, self._leave)
        else:
            self.dismiss(None)

    def _leave(self) -> None:
        self.dismiss(None)

    @property
    def unkept(self) -> bool:
        """Whether a model was typed and not looked at."""
        typed = self.query_one("#base-typed", Input).value.strip()
        return bool(typed) and typed not in self._values

    def action_type(self) -> None:
        """To the line."""
        self.query_one("#base-typed", Input).focus()

    def action_ask(self) -> None:
        """Ask the hub about the model under the cursor, again if need be."""
        seen = self._seen.get(self._at)
        if seen is None or seen.known.kind != "hub":
            self._say("Only a model of the hub can be asked about.", "warn")
            return
        self._say("Asking the hub ...")
        self._ask(self._at, 0)

    def action_help(self) -> None:
        """Say what the keys do."""
        self.app.push_screen(Help("Base model", HELP))

    def _say(self, text: str, tone: str = "") -> None:
        said = Content.styled(glyph_of(tone) + safe_text(text), TONES.get(tone, "$muted"))
        self.query_one("#base-say", Static).update(said)
