"""The window in which a prompt of one's own is typed for a run that trains: drawn once, or from now on."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, Static

from loratui.runs.added_prompts import sample_arguments, words_on
from loratui.screens.shared.editors import Editor
from loratui.terminal.glyphs import glyph_of
from loratui.widgets.dialog import Dialog
from trainer.contract.run.added_prompts import MAX_CHARACTERS, MAX_KEPT

WORDS = (
    "Drawn after the current step, with the seed of the other prompts. One that stays is drawn at every sample step "
    f"from now on, also after a resume; up to {MAX_KEPT} can. It has no picture of the base model. "
    "What is trained does not change by a bit."
)
TONES = {"good": "$text-success", "warn": "$text-warning", "bad": "$text-error"}

Arguments = dict[str, str | bool]  # of the command `sample`


class AddPrompt(Editor[Arguments | None]):
    """One line and two ways to send it: Enter keeps the prompt, the other button draws it once."""

    KEEPS = "From now on"
    DEFAULT_CSS = """
    AddPrompt #prompt-said { height: 1; margin-top: 1; }
    """

    def __init__(self, start: str, trigger: str) -> None:
        """`start` is what stands in the line already; `trigger` is looked for in what is typed."""
        super().__init__()
        self._start, self._trigger = start, trigger

    @property
    def ends(self) -> str:
        """A button does the other thing."""
        return "Enter keeps it, Tab to the buttons, Escape cancels"

    def compose(self) -> ComposeResult:
        """What it does, the line, what is to be said of it, the buttons."""
        with Dialog("One more prompt", self.ends):
            yield Static(WORDS, markup=False, classes="dialog-words")
            yield Input(self._start, compact=True, select_on_focus=False, max_length=MAX_CHARACTERS)
            yield Static("", id="prompt-said", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content("From now on"), id="keep", compact=True)
                yield Button(Content("Only once"), id="once", compact=True)

    def on_mount(self) -> None:
        """The cursor stands behind what is there."""
        line = self.query_one(Input)
        line.focus()
        line.cursor_position = len(self._start)

    @on(Input.Changed)
    def _said(self, event: Input.Changed) -> None:
        words, tone = words_on(event.value, self._trigger)
        glyph, style = glyph_of(tone), TONES[tone]
        self.query_one("#prompt-said", Static).update(Content.styled(glyph + words, style))

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self._send(keep=event.button.id == "keep")

    @property
    def starts(self) -> list[str]:
        """What stood in the line."""
        return [self._start]

    def keep(self) -> None:
        """Send it, to be drawn from now on."""
        self._send(keep=True)

    def _send(self, keep: bool) -> None:
        prompt = self.query_one(Input).value
        if words_on(prompt, self._trigger)[1] == "bad":
            self.query_one(Input).focus()  # the line below it says why
            return
        self.dismiss(sample_arguments(prompt.strip(), True if keep else None))
