"""The commands that a command line names are made whole; of the others, help needs a name and a sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

import typer
from typer.models import CommandInfo

from loratui.terminal.shipped_help import COMPLETION


def called(app: typer.Typer, words: Collection[str], environment: Mapping[str, str]) -> typer.Typer:
    """`app` for this one command line: Typer reads the signature of every command that it is given, twice.

    Any word that is a command's name keeps that command as it is; a shell that completes a line keeps all.
    """
    if COMPLETION in environment:
        return app
    spared = copy.copy(app)
    spared.registered_commands = [_spared(one, words) for one in app.registered_commands]
    spared.registered_groups = []
    for group in app.registered_groups:
        own = copy.copy(group)
        if own.typer_instance is not None:
            own.typer_instance = called(own.typer_instance, words, environment)
        spared.registered_groups.append(own)
    return spared


def _spared(info: CommandInfo, words: Collection[str]) -> CommandInfo:
    assert info.callback is not None
    if (info.name or info.callback.__name__.replace("_", "-")) in words:
        return info
    own = copy.copy(info)
    own.callback = _stand_in(info.callback)
    return own


def _stand_in(callback: Callable[..., Any]) -> Callable[[], None]:
    def stand_in() -> None:
        raise AssertionError("not the command that was called")

    stand_in.__name__, stand_in.__doc__ = callback.__name__, callback.__doc__
    return stand_in
