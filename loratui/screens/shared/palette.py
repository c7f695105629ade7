"""The actions of a screen by name, with the key of each and what it does: what Ctrl+P lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import Command, CommandInput, CommandList, CommandPalette, DiscoveryHit
from textual.dom import DOMNode
from textual.fuzzy import Matcher
from textual.screen import Screen
from textual.widgets import Input

from loratui.screens.shared.step import Step
from loratui.widgets.keyline import is_ours, method_of, own_bindings

# as help and sentences name them
NAMES = {f"f{number}": f"F{number}" for number in range(1, 13)} | {"esc": "Escape", "⏎": "Enter", "␣": "Space"}


def commands_of(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Each action that a key of `screen`, or of what has the focus there, does now; one that two keys do once.

    So are letters that are typed at the moment, because a line has the focus: done by name they are meant.
    """
    for one in own_bindings(screen):
        if one.enabled:
            run: Callable[[], Any] = partial(screen.app.run_action, one.binding.action, one.node)
            yield _command(one.node, one.binding, run)
    if isinstance(screen, Step):
        for node, binding in screen.letters_typed():
            yield _command(node, binding, partial(screen.run_letter, binding.action, node))


def command(name: str, key: str, sentence: str, run: Callable[[], Any]) -> SystemCommand:
    """A line of the list: its name, and below it the key and what it does, as a whole sentence."""
    return SystemCommand(name, f"{key}: {sentence}", run)


def _command(node: DOMNode, binding: Binding, run: Callable[[], Any]) -> SystemCommand:
    key = node.app.get_key_display(binding)
    return command(binding.description, NAMES.get(key, key), sentence_on(node, binding.action), run)


def sentence_on(node: DOMNode | type, action: str) -> str:
    """The first sentence on the action, as it is written beside it."""
    method = method_of(node, action)
    words = " ".join((method.__doc__ or "").split()) if is_ours(method) else ""  # Textual speaks of its widgets
    return words.partition(". ")[0].rstrip(".") + "." if words else ""


class Palette(CommandPalette):
    """The list of commands; Enter waits until it shows what was typed, and never takes what stood there before."""

    WAIT, MOST = 0.05, 100  # seconds between two looks, and looks: a busy machine needs some

    def __init__(self) -> None:
        super().__init__(placeholder="Type part of a name ...")

    @on(Input.Submitted)
    def _wait_for_matches(self, event: Input.Submitted) -> None:
        if self._is_behind(event.value):
            event.stop()
            event.prevent_default()
            self._look_again(event.value, self.MOST)

    def _look_again(self, typed: str, left: int) -> None:
        if not self.is_attached or self.query_one(CommandInput).value != typed:
            return
        if not self._is_behind(typed):
            self._select_or_command()
        elif left:
            self.set_timer(self.WAIT, partial(self._look_again, typed, left - 1))

    def _is_behind(self, typed: str) -> bool:
        """Whether the list shows what was found for other letters than those that are typed."""
        query = typed.strip()
        if not query or self._selected_command is not None:
            return False
        hits = [one.hit for one in self.query_one(CommandList).options if isinstance(one, Command)]
        if not hits:  # none was found, which the list says, or none was looked for yet
            return not self._list_visible
        matcher = Matcher(query)
        return any(isinstance(one, DiscoveryHit) or not matcher.match(str(one.text)) for one in hits)
