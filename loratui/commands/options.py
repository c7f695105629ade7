"""The arguments and options that several commands share, and their rules: those of the settings they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from trainer.contract.settings.kinds import Kind

KINDS = get_args(Kind)


def beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    """Those of `words` that a shell may complete `incomplete` to."""
    return [one for one in words if one.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """What can be taught, as a shell may complete `incomplete` to it."""
    return beginning(incomplete, KINDS)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of the runs with which the command has something to do, as a shell may complete `incomplete`."""
    from loratui.runs.find import RUNS, find_runs
    from loratui.runs.possible import takes

    found = [one for one in find_runs(RUNS) if one.run.path.name.startswith(incomplete)]
    return [one.run.path.name for one in found if takes(one, ctx.info_name or "")]


def presets(incomplete: str) -> list[str]:
    """The presets that a shell may complete `incomplete` to, one's own too."""
    from loratui.settings.own_presets import found_presets
    from loratui.settings.shipped_presets import load_presets

    return beginning(incomplete, (one.name for one in (*found_presets().presets, *load_presets())))


RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="Folder or name; left out: the newest.", autocompletion=runs),
]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="A folder of pictures.", readable=False)]
SourceArgument = Annotated[str, typer.Argument(metavar="DATASET", help="A folder of pictures, or a data set.")]
ColumnOption = Annotated[str | None, typer.Option("--caption-column", help="Column of the captions.")]

KindOption = Annotated[
    str | None,
    typer.Option("--kind", metavar="|".join(KINDS), help="What is taught.", autocompletion=kinds),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="As 'loratui preset list' names it.",
        autocompletion=presets,
    ),
]
GpusOption = Annotated[int, typer.Option("--gpus", min=1, help="How many GPUs share it.")]
AgainOption = Annotated[int | None, typer.Option("--gpus", min=1, help="How many GPUs share it; as before.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")]


def chosen_preset(kind: str | None, name: str | None) -> str:
    """The preset that --kind and --preset come to. Raises AnswersError."""
    from loratui.settings.answers import DEFAULT_PRESET
    from loratui.settings.presets import preset, preset_for

    taught = checked("--kind", "kind", kind) if kind else ""
    if name:
        return preset(name).name
    return preset_for(taught).name if taught else DEFAULT_PRESET


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
