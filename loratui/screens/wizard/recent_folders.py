"""The folders used last, offered where pictures are asked for: by the completion and as a list on the down key."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from loratui.screens.shared.dialogs import Chooser
from loratui.screens.wizard.scan import Scanned, ScanningStep
from loratui.settings.recents import recent_sources, remember
from loratui.terminal.text import show_path
from loratui.widgets.paths import FolderSuggester

HINT = "↓ lists the folders used last."


class RecentsFound(Message):
    """The folders that are still there, the newest first."""

    def __init__(self, sources: tuple[str, ...]) -> None:
        super().__init__()
        self.sources = sources


class RecentFolders(ScanningStep):
    """A step with an Input called #folder; what was scanned is remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "recent", "Used last", key_display="↓")]

    _recent: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Look for them in a thread: a folder may lie on a disk that answers slowly."""
        self._find_recent()

    @work(thread=True, exclusive=True, group="recent")
    def _find_recent(self) -> None:
        self.post_message(RecentsFound(recent_sources()))

    @on(RecentsFound)
    def _recent_found(self, event: RecentsFound) -> None:
        self._recent = event.sources
        line = self.query_one("#folder", Input)
        line.suggester = FolderSuggester(event.sources)
        if event.sources and not line.value:
            self.say(HINT)
        self.refresh_bindings()

    @on(Scanned)
    def _remember(self) -> None:
        remember(str(self.draft.get("dataset.path")))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The list is for the line in which a folder is typed."""
        if action == "recent":
            return bool(self._recent) and self.focused is not None and self.focused.id == "folder"
        return super().check_action(action, parameters)

    def action_recent(self) -> None:
        """Take one of the folders used last."""
        lines = [(one, Content(show_path(one))) for one in self._recent]
        at = self.query_one("#folder", Input).value.strip()
        self.app.push_screen(Chooser("Pictures used last", lines, at), self._take_recent)

    def _take_recent(self, source: str | None) -> None:
        if source is not None:
            line = self.query_one("#folder", Input)
            line.value = source
            line.post_message(Input.Submitted(line, source))
