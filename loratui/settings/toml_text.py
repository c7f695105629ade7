"""What a TOML library leaves open: on which line a key stands, and how lists and concepts are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.contract.documents.toml_keys import key_places
from trainer.contract.settings.concepts import BY_NAME


def key_lines(text: str) -> dict[str, int]:
    """Dotted key (and table name) -> line, counted from 1, for a `text` that is valid TOML.

    Keys in an inline table have the line on which the table's own key stands.
    """
    found: dict[str, int] = {}
    for one in key_places(text):
        for key in (one.key,) if one.is_table else (one.key, one.key[:-1] or one.key):
            found.setdefault(".".join(key), one.line)
    return found


def toml_list(values: Sequence[str]) -> Any:
    """A list of texts, over several lines where it is long."""
    import tomlkit

    array = tomlkit.array()
    array.extend(values)
    return array.multiline(len(values) > 4)


def inline_tables(values: Sequence[Mapping[str, Any]]) -> str:
    """The same in one line, as --set takes it: [{path = "rex", repeats = 3}]."""
    import tomlkit

    tables = (", ".join(f"{name} = {tomlkit.item(one[name]).as_string()}" for name in one) for one in values)
    return f"[{', '.join(f'{{{one}}}' for one in tables)}]"


def toml_tables(values: Sequence[Mapping[str, Any]]) -> Any:
    """[[concepts]], each with what was chosen, in the order of declaration."""
    import tomlkit

    tables = tomlkit.aot()
    for one in values:
        table = tomlkit.table()
        for name in (each for each in BY_NAME if each in one):
            table.add(name, one[name])
        tables.append(table)
    return tables
