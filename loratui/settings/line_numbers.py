"""Finds the line on which each key of a TOML file stands: tomllib does not tell."""

from __future__ import annotations

from trainer.contract.documents.toml_keys import key_places


def key_lines(text: str) -> dict[str, int]:
    """Dotted key (and table name) -> line, counted from 1, for a `text` that is valid TOML.

    Keys in an inline table have the line on which the table's own key stands.
    """
    found: dict[str, int] = {}
    for one in key_places(text):
        for key in (one.key,) if one.is_table else (one.key, one.key[:-1] or one.key):
            found.setdefault(".".join(key), one.line)
    return found
