"""Two runs side by side: the newest samples that both have, and what differs in settings, pictures and results."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from loratui.events.history import SamplePicture
from loratui.results.comparison import ComparedRun, Comparison, compare, facts_of
from loratui.results.comparison_lines import comparison_lines
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.picture_view import PictureView
from loratui.screens.shared.steady import SteadyScreen
from loratui.terminal.text import os_words, safe_text, show_path
from loratui.widgets.keyline import KeyLine
from loratui.widgets.samples import inside
from loratui.widgets.thumbnail import Thumbnail
from trainer.contract.run.rundir import RunDir

HELP = """
The older run stands on the left. The pictures are the last that each
run drew of a prompt; s shows the last step that both have pictures of.

  ← →      another prompt       s   same step, or the last of each
  ↑ ↓      scroll the table     v   view left, then right, full screen
  escape   back
"""
STYLES = {"head": "bold $accent", "note": "$muted", "row": "", "key": "$faint"}


class RunsCompared(Message):
    """Both runs were read."""

    def __init__(self, left: ComparedRun, right: ComparedRun) -> None:
        super().__init__()
        self.left, self.right = left, right


class RunsNotRead(Message):
    """One of them cannot be read; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class CompareScreen(SteadyScreen[None]):
    """Reads both runs in a thread; a log of a million steps does not hold the screen."""

    DEFAULT_CSS = """
    CompareScreen {
        #pair { height: 11; padding: 0 1; }
        #pair Vertical { width: 1fr; }
        .under { height: 1; content-align: center middle; color: $muted; text-wrap: nowrap; text-overflow: ellipsis; }
        #compared { height: 1fr; border: round $line; border-title-color: $foreground; padding: 0 1; }
        #compared:focus { border: round $accent; }
        &.-tall #pair { height: 18; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "prompt(-1)", "Prompt", key_display="← →", priority=True),  # the table scrolls up and down only
        Binding("right", "prompt(1)", show=False, priority=True),
        Binding("s", "same", "Same step"),
        Binding("v", "view", "View"),
        Binding("escape", "back", "Back"),
        Binding("q,enter,f2", "back", show=False),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, left: RunDir, right: RunDir) -> None:
        super().__init__()
        self._runs = (left, right)
        self._facts: tuple[ComparedRun, ComparedRun] | None = None
        self._found: Comparison | None = None
        self._prompt = 0  # place in the list of prompts
        self._same_step = False

    def compose(self) -> ComposeResult:
        """Two pictures with their words, the table."""
        with Horizontal(id="pair"):
            for side in ("left", "right"):
                with Vertical():
                    yield Static("", classes="under", id=f"{side}-name", markup=False)
                    yield Thumbnail("no picture", id=side)
                    yield Static("", classes="under", id=f"{side}-words", markup=False)
        with VerticalScroll(id="compared") as box:
            box.border_title = Content("what differs")
            yield Static("Reading both runs ...", id="compared-text", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Names at once, the rest when it was read."""
        for side, run in zip(("left", "right"), self._runs, strict=True):
            self.query_one(f"#{side}-name", Static).update(safe_text(run.path.name))
        self.query_one("#compared").focus()
        self._read()

    @work(thread=True, exclusive=True, group="compare")
    def _read(self) -> None:
        try:
            left, right = (facts_of(run) for run in self._runs)
        except OSError as error:
            where = Path(error.filename or "")
            self.post_message(RunsNotRead(f"{show_path(where)}: {os_words(error, where)}"))
        else:
            self.post_message(RunsCompared(left, right))

    @on(RunsNotRead)
    def _not_read(self, event: RunsNotRead) -> None:
        words = Content.styled(f"✗ A run cannot be read: {event.reason}", "$text-error")
        self.query_one("#compared-text", Static).update(words)

    @on(RunsCompared)
    def _compared(self, event: RunsCompared) -> None:
        self._facts = (event.left, event.right)
        self._found = compare(event.left, event.right)
        self._show_table()
        self._show_pictures()
        self.refresh_bindings()

    def resized(self) -> None:
        """Set the table anew."""
        self._show_table()

    def _show_table(self) -> None:
        if self._found is None:
            return
        lines = comparison_lines(self._found, max(40, self.size.width - 5), keys=False)
        text = Content("\n").join([Content.styled(line, STYLES[style]) for style, line in lines])
        self.query_one("#compared-text", Static).update(text)

    def _prompts(self) -> list[int]:
        """The prompts that either run has pictures of."""
        return sorted({index for side in self._facts or () for index in side.history.prompts})

    def pictures(self) -> tuple[SamplePicture | None, SamplePicture | None]:
        """The two that are shown."""
        if self._facts is None or not self._prompts():
            return None, None
        index = self._prompts()[self._prompt % len(self._prompts())]
        left, right = (side.history.of_prompt(index) for side in self._facts)
        if self._same_step:
            both = {one.step for one in left} & {one.step for one in right}
            if both:
                left, right = ([one for one in side if one.step == max(both)] for side in (left, right))
        return (left[-1] if left else None), (right[-1] if right else None)

    def _show_pictures(self) -> None:
        for side, run, picture in zip(("left", "right"), self._runs, self.pictures(), strict=True):
            path = None if picture is None else inside(run.path, picture.thumb)
            self.query_one(f"#{side}", Thumbnail).show(path)
            words = "" if picture is None else f"step {picture.step} · {safe_text(picture.prompt, 120)}"
            self.query_one(f"#{side}-words", Static).update(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something for these two."""
        if action == "prompt":
            return len(self._prompts()) > 1
        if action in ("view", "same"):
            return any(one is not None for one in self.pictures())
        return True

    def action_prompt(self, by: int) -> None:
        """Another prompt's pictures."""
        self._prompt = (self._prompt + by) % len(self._prompts())
        self._show_pictures()

    def action_same(self) -> None:
        """The last step that both have, or the last of each."""
        self._same_step = not self._same_step
        self._show_pictures()

    def action_view(self) -> None:
        """First the left picture as large as the terminal, then the right one."""
        found = [(run, one) for run, one in zip(self._runs, self.pictures(), strict=True) if one is not None]
        for place, (run, one) in reversed(list(enumerate(found))):
            then = "Escape: the right one" if place + 1 < len(found) else "Escape closes"
            words = f"{safe_text(run.path.name)} · step {one.step} · {then}\n{safe_text(one.prompt)}"
            self.app.push_screen(PictureView(inside(run.path, one.path), words))

    def action_back(self) -> None:
        """To the list."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Two runs", HELP, keys=""))
