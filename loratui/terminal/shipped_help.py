"""`loratui --help` as it lies in a file: most of its time would go to what reads the arguments of commands."""

import os
from collections.abc import Mapping, Sequence

# written by `python -m tests.tables`; pathlib takes longer to import than all that is done here
HELP = os.path.join(os.path.dirname(__file__), "help.txt")  # noqa: PTH118, PTH120
WIDTH = 80  # cells: it is wrapped no wider, and anew where there are fewer
COMPLETION = "_LORATUI_COMPLETE"  # what a shell sets that asks how a line may go on


def shipped_help(words: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """What is printed for this command line; None where it asks for something else, or has not the room."""
    if list(words) not in (["--help"], ["-h"]) or COMPLETION in environment or _width(environment) < WIDTH:
        return None
    try:
        with open(HELP, encoding="utf-8") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return None


def _width(environment: Mapping[str, str]) -> int:
    """As shutil.get_terminal_size finds it."""
    said = environment.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(1).columns or WIDTH
    except (ValueError, OSError):  # no terminal
        return WIDTH
