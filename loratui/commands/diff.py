"""`loratui diff RUN RUN`: what tells two runs apart, as lines."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from loratui.commands.options import runs
from loratui.errors import Refusal
from loratui.terminal.text import os_words, show_path

WIDEST = 110  # cells; beyond it the columns are too far apart to be read together

FirstArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder or name.", autocompletion=runs)]
SecondArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder or name.", autocompletion=runs)]


def diff(first: FirstArgument, second: SecondArgument) -> None:
    """Settings, pictures and results in which two runs differ."""
    from loratui.results.comparison import compare, facts_of
    from loratui.results.comparison_lines import comparison_lines
    from loratui.runs.find import find_run

    pair = [find_run(one) for one in (first, second)]
    try:
        found = compare(facts_of(pair[0]), facts_of(pair[1]))
    except OSError as error:
        where = Path(error.filename or "")
        raise Refusal(f"a run cannot be read: {show_path(where)}: {os_words(error, where)}") from None
    width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    print("\n".join(line for _, line in comparison_lines(found, width)))
