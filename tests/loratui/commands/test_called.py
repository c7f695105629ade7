"""Only the commands that a line names are made whole, and nobody can tell from what is shown."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from loratui.cli import app
from loratui.commands.called import COMPLETION, called

LINES = (["--help"], ["check", "--help"], ["queue", "--help"], ["queue", "list", "--help"], ["chek"], ["preset"], [])
ARGUMENTS_OF_ALL = 60  # at least: what Typer would read for one page of help


def arguments(own: typer.Typer) -> int:
    """How many arguments and options a program's commands have, as Typer has read them."""
    found, commands = 0, [typer.main.get_command(own)]
    while commands:
        one = commands.pop()
        found += len(one.params)
        commands += getattr(one, "commands", {}).values()
    return found


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_what_is_shown_is_the_same(line: list[str]) -> None:
    whole, spared = (CliRunner().invoke(one, line) for one in (app, called(app, line, {})))
    assert (spared.output, spared.exit_code) == (whole.output, whole.exit_code)


def test_help_reads_the_arguments_of_no_command() -> None:
    alone = len(typer.main.get_command(app).params)
    assert arguments(app) > ARGUMENTS_OF_ALL
    groups = 1 + len(app.registered_groups)
    assert arguments(called(app, ["--help"], {})) <= alone + 2 * groups


def test_a_shell_that_completes_a_line_sees_every_option() -> None:
    assert called(app, ["--help"], {COMPLETION: "complete_bash"}) is app
