"""Writes the tables of `docs/` from the declarations that they show: `python -m tests.tables`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from loratui.curation.codes import CODES
from loratui.curation.measures import MEASURED
from loratui.curation.solutions import solution_words
from loratui.runs.states import STATES, RunState
from loratui.settings.other_trainers.counterparts import Counterpart
from loratui.settings.other_trainers.files import TRAINERS
from loratui.settings.shipped_presets import load_presets
from loratui.sweeps.declaration import Sweep
from loratui.sweeps.files import shipped
from loratui.terminal.shipped_help import HELP
from trainer.contract.settings.concepts import CONCEPT_SETTINGS
from trainer.contract.settings.config import BY_KEY, SETTINGS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
"""What is written for who uses it."""


def settings_table() -> str:
    """One row a setting: key, default, bounds, what it is."""
    rows = []
    for one in SETTINGS:
        each = [(one.key, one)]
        if one.kind == "tables":
            each += [(f"{one.key}.{own.key}", own) for own in CONCEPT_SETTINGS]
        rows += [f"| `{key}` | {_value(own.default)} | {own.bounds} | {own.help} |" for key, own in each]
    return "\n".join(["| setting | default | bounds | what it is |", "|---|---|---|---|", *rows])


def presets_table() -> str:
    """One row a preset: name, what for, and the values that tell it from the others."""
    rows = [f"| `{one.name}` | {one.summary} | {one.data} |" for one in load_presets()]
    return "\n".join(["| preset | for | pictures |", "|---|---|---|", *rows])


FINDINGS_HEAD = (
    "| code | about | at most | what it says | how it is measured | what to do: `s` in the wizard |",
    "|---|---|---|---|---|---|",
)


def grids_table() -> str:
    """One row a grid that ships: its name, what it tries, who did."""
    rows = [f"| `{one.name}` | {one.title} | {_values(one)} | {one.source} |" for one in shipped()]
    return "\n".join(["| grid | tries | values | source |", "|---|---|---|---|", *rows])


def _values(one: Sweep) -> str:
    return "; ".join(f"{axis.title}: {', '.join(map(axis.label, range(len(axis.places))))}" for axis in one.axes)


def findings_table() -> str:
    """One row a code: how grave it is at most, what it says, how it is measured, what solves it."""
    cells = (
        (f"`{one.name}`", one.group, one.severity, one.says, MEASURED[one.name], solution_words(one.name))
        for one in CODES.values()
    )
    rows = [f"| {' | '.join(one)} |" for one in cells]
    return "\n".join([*FINDINGS_HEAD, *rows])


def states_table() -> str:
    """One row a state: its word, what it means, what can be done next."""
    rows = [f"| {one.glyph} {name} | {one.means} | {_next(one)} |" for name, one in STATES.items()]
    return "\n".join(["| state | the run | what can be done |", "|---|---|---|", *rows])


def _next(one: RunState) -> str:
    words, _, command = one.next.replace("{run}", "RUN").rpartition(": ")
    if not words:
        return command  # it is words alone
    return f"{words}: `{command}`" + ("; `o` on its screen, or in *All runs*" if one.goes_on else "")


def counterparts_table() -> str:
    """One row a setting that another trainer has too: its name in each."""
    rows = []
    for key in BY_KEY:
        names = [_names(one for one in trainer.counterparts if one.key == key) for trainer in TRAINERS]
        if any(names):
            rows.append(f"| `{key}` | {' | '.join(names)} |")
    heads = " | ".join(one.name for one in TRAINERS)
    return "\n".join([f"| here | {heads} |", "|---" * (len(TRAINERS) + 1) + "|", *rows])


def left_out_table() -> str:
    """One row a group of settings that there is nothing of here, and why."""
    rows = [
        f"| {trainer.name} | {', '.join(f'`{name}`' for name in one.names)} | {one.says} |"
        for trainer in TRAINERS
        for one in trainer.counterparts
        if not one.key
    ]
    return "\n".join(["| in | settings | why there is no counterpart |", "|---|---|---|", *rows])


def _names(found: Iterable[Counterpart]) -> str:
    said = [", ".join(f"`{name}`" for name in one.names) + (f" ({one.says})" if one.says else "") for one in found]
    return "; ".join(said)


def with_tables(text: str) -> str:
    """`text` with every table between its marks."""
    for name, table in TABLES.items():
        if f"<!-- {name} -->" in text:
            between = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
            text = re.sub(between, rf"\g<1>{_literal(table())}\n\g<2>", text, flags=re.S)
    return text


TABLES = {
    "presets": presets_table,
    "settings": settings_table,
    "grids": grids_table,
    "findings": findings_table,
    "states": states_table,
    "counterparts": counterparts_table,
    "left out": left_out_table,
}


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else ""


def help_text() -> str:
    """What `loratui --help` would print if it read its commands."""
    code = "import sys; sys.argv = ['loratui', '--help']; from loratui.cli import main; main()"
    wide = {"PATH": os.defpath, "COLUMNS": "80", "LANG": "C.UTF-8"}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=wide, capture_output=True, text=True).stdout


if __name__ == "__main__":
    Path(HELP).write_text(help_text(), encoding="utf-8")
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
