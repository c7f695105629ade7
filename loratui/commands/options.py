"""The arguments and options that several commands share, and their rules: those of the settings they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Folder or name; left out: the newest.")]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="A folder of pictures.")]
SourceArgument = Annotated[str, typer.Argument(metavar="DATASET", help="A folder of pictures, or a data set.")]
ColumnOption = Annotated[str | None, typer.Option("--caption-column", help="Column of the captions.")]


def checked(flag: str, key: str, value: Any) -> Any:
    """`value` as the setting `key` would take it. Raises AnswersError that names the flag."""
    from loratui.settings.problems import AnswersError, wrong_value
    from trainer.contract.settings.config import BY_KEY

    if problem := wrong_value(BY_KEY[key], value):
        raise AnswersError([f"{flag}: {problem}"])
    return value


def checked_trigger(trigger: str | None) -> str:
    """The trigger, empty if none was given. Raises AnswersError for one with spaces or the like."""
    if not trigger:
        return ""
    from loratui.settings.problems import validated

    values = {"dataset.trigger": trigger, "dataset.instance_prompt": trigger}
    return validated(values, lambda _: "--trigger").dataset.trigger
