"""The line of keys at the bottom of a screen: as many as it has room for, made anew only when they are others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

MORE = ("ctrl+p", "^p", "More", "command_palette")  # stands there where keys are left out: the palette has them all
KEPT = frozenset({"f1", "f2", "escape", "q"})  # the last to go
AROUND = 3  # cells around a key and its words


class KeyLine(Footer):
    """Textual's footer cuts what has no room, and throws its keys away whenever bindings were looked at.

    Here the least of them go, and the line says where they are; where there is room, keys that are usually hidden come
    too. A monitor looks at its bindings with every second of a run; the same keys need no new widgets and no new paint.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._made: tuple[int, list[tuple[Binding, bool, str]]] | None = None

    async def recompose(self) -> None:
        """Make the keys, unless those that stand there are the same."""
        if not self.is_attached:
            return
        try:
            found = list(own_bindings(self.screen))
        except NoMatches:  # the screen is being taken down, and what it looks at is gone before this line
            return
        made = self._room, [(one.binding, one.enabled, one.tooltip) for one in found]
        if made != self._made:
            self._made = made
            await super().recompose()

    @property
    def _room(self) -> int:
        """The line goes over the whole window, whose width is known before the first layout."""
        return self.app.size.width

    @on(Resize)
    def _resized(self) -> None:
        if self._made is not None and self._made[0] != self._room:
            self.call_after_refresh(self.recompose)

    def compose(self) -> ComposeResult:
        """The keys that fit."""
        if not self._bindings_ready:
            return
        found = list(own_bindings(self.screen))
        shown = [one for one in found if one.binding.show]
        keys = [self._key(one) for one in (*shown, *(one for one in found if not one.binding.show))]
        for key, display, words, action, enabled in fitting(keys, len(shown), self._room):
            yield FooterKey(key, display, words, action, disabled=not enabled).data_bind(compact=Footer.compact)

    def _key(self, one: ActiveBinding) -> tuple[str, str, str, str, bool]:
        binding = one.binding
        return binding.key, self.app.get_key_display(binding), binding.description, binding.action, one.enabled


def fitting(
    keys: Sequence[tuple[str, str, str, str, bool]], shown: int, width: int
) -> list[tuple[str, str, str, str, bool]]:
    """Those of `keys` (key, as it is drawn, words, action, enabled) that have room in `width` cells.

    The first `shown` are meant to be seen, in the order of their worth. Where any key is left out, `MORE` stands at the
    end, whatever it takes the place of: a key that no line leads to is not there.
    """
    if sum(map(_wide, keys)) <= width:
        return list(keys)
    more = (*MORE, True)
    room, chosen = width - _wide(more), set()
    order = [place for place, one in enumerate(keys[:shown]) if one[0] in KEPT]
    order += [place for place in range(len(keys)) if place not in order]
    for place in order:
        if _wide(keys[place]) > room:
            break  # what comes after is worth less
        room -= _wide(keys[place])
        chosen.add(place)
    return [*(keys[place] for place in sorted(chosen)), more]


def _wide(key: tuple[str, str, str, str, bool]) -> int:
    return cell_len(key[1]) + cell_len(key[2]) + AROUND


def own_bindings(screen: Screen[Any]) -> Iterator[ActiveBinding]:
    """What keys do on `screen` now, each action once, as its first key; without the program's own and the movements
    inside a widget. Two keys of one name do one thing, such as both that resume a run.
    """
    seen: set[tuple[DOMNode, str]] = set()
    for one in screen.active_bindings.values():
        binding, node = one.binding, one.node
        names = {(node, binding.action), (node, binding.description)}
        if not binding.description or node is screen.app or names & seen:
            continue
        if not (binding.show and is_ours(type(node))) and not is_ours(method_of(node, binding.action)):
            continue
        seen |= names
        yield one


def method_of(node: DOMNode | type, action: str) -> Any:
    """What does an action of `node`; None where nothing does."""
    return getattr(node, f"action_{action.partition('(')[0].rpartition('.')[2]}", None)


def is_ours(what: Any) -> bool:
    """Whether a class or a function is this program's, and not Textual's."""
    return str(getattr(what, "__module__", "")).startswith("loratui.")
