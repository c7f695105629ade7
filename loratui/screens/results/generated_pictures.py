"""The pictures that were just made, one at a time as large as the terminal; the arrow keys go from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from loratui.screens.shared.copy_box import copy
from loratui.screens.shared.steady import SteadyModal
from loratui.terminal.text import safe_text, show_path
from loratui.widgets.keyline import KeyLine
from loratui.widgets.thumbnail import Thumbnail

BASE = "-base"  # at the end of the name of the base model's picture


class GeneratedScreen(SteadyModal[None]):
    """Shows `paths`, and what they were made with; the base model's of the same noise stands at the left of each."""

    DEFAULT_CSS = """
    GeneratedScreen { background: $background; }
    GeneratedScreen #made-pair { height: 1fr; }
    GeneratedScreen #made-base, GeneratedScreen #made { width: 1fr; height: 1fr; }
    GeneratedScreen #made-words { height: 2; padding: 0 1; color: $muted; text-align: center; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "flip(-1)", "Earlier"),
        Binding("right", "flip(1)", "Later"),
        Binding("y", "copy", "Copy its path"),
        Binding("escape,enter,q", "close", "Close", key_display="esc"),
    ]

    def __init__(self, paths: tuple[Path, ...], words: str) -> None:
        super().__init__()
        self._paths = tuple(one for one in paths if not one.stem.endswith(BASE))
        self._bases = {one.stem.removesuffix(BASE): one for one in paths if one.stem.endswith(BASE)}
        self._words = words
        self._place = 0

    def compose(self) -> ComposeResult:
        """The picture, its words, the keys."""
        with Horizontal(id="made-pair"):
            yield Thumbnail(id="made-base")
            yield Thumbnail(id="made")
        yield Static("", id="made-words", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """The first one."""
        self._show()

    def _show(self) -> None:
        path = self._paths[self._place]
        base = self._bases.get(path.stem)
        left = self.query_one("#made-base", Thumbnail)
        left.display = base is not None
        if base is not None:
            left.show(base)
        self.query_one("#made", Thumbnail).show(path)
        which = f"{self._place + 1} of {len(self._paths)} · " if len(self._paths) > 1 else ""
        which += "left: the base model · " if base is not None else ""
        self.query_one("#made-words", Static).update(Content(f"{which}{safe_text(self._words)}\n{show_path(path)}"))

    def action_flip(self, by: int) -> None:
        """Another picture; from the last to the first."""
        self._place = (self._place + by) % len(self._paths)
        self._show()

    def action_copy(self) -> None:
        """Its path, for scp."""
        copy(self.app, show_path(self._paths[self._place]))

    def action_close(self) -> None:
        """Back to the result."""
        self.dismiss(None)
