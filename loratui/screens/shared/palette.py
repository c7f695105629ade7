"""The actions of a screen by name, with the key of each and what it does: what Ctrl+P lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from loratui.screens.shared.step import Step
from loratui.widgets.keyline import method_of, own_bindings


def commands_of(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Each action that a key of `screen`, or of what has the focus there, does now; one that two keys do once.

    So are letters that are typed at the moment, because a line has the focus: done by name they are meant.
    """
    for one in own_bindings(screen):
        if one.enabled:
            run: Callable[[], Any] = partial(screen.app.run_action, one.binding.action, one.node)
            yield _command(one.node, one.binding, run)
    if isinstance(screen, Step):
        for binding in screen.letters_typed():
            yield _command(screen, binding, partial(screen.run_letter, binding.action))


def _command(node: DOMNode, binding: Binding, run: Callable[[], Any]) -> SystemCommand:
    key = binding.key_display or binding.key.replace("slash", "/").replace("space", "␣")
    return SystemCommand(binding.description, f"{key}: {_says(node, binding.action)}", run)


def _says(node: DOMNode, action: str) -> str:
    """The first sentence on the action, as it is written beside it."""
    words = (method_of(node, action).__doc__ or "").strip().splitlines()
    return words[0] if words else ""
