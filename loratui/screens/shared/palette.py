"""The actions of a screen by name, with the key of each and what it does: what Ctrl+P lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen


def commands_of(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Each action that a key of `screen`, or of what has the focus there, does now; one that two keys do once."""
    seen: set[tuple[DOMNode, str]] = set()
    for one in screen.active_bindings.values():
        binding, node = one.binding, one.node
        if not binding.description or not one.enabled or node is screen.app or (node, binding.action) in seen:
            continue
        if not (binding.show and _ours(type(node))) and not _ours(_method(node, binding.action)):
            continue  # the movements inside a widget of Textual's
        seen.add((node, binding.action))
        run: Callable[[], Any] = partial(screen.app.run_action, binding.action, node)
        yield SystemCommand(binding.description, f"{_key(binding)}: {_says(node, binding.action)}", run)


def _key(binding: Binding) -> str:
    return binding.key_display or binding.key.replace("slash", "/").replace("space", "␣")


def _says(node: DOMNode, action: str) -> str:
    """The first sentence on the action, as it is written beside it."""
    words = (_method(node, action).__doc__ or "").strip().splitlines()
    return words[0] if words else ""


def _method(node: DOMNode, action: str) -> Any:
    return getattr(node, f"action_{action.partition('(')[0].rpartition('.')[2]}", None)


def _ours(what: Any) -> bool:
    return str(getattr(what, "__module__", "")).startswith("loratui.")
