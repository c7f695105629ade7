"""`loratui generate` and `loratui export`: what was trained is used, and written again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunArgument

if TYPE_CHECKING:
    from trainer.contract.run.rundir import RunDir


def generate(
    run: Annotated[str, typer.Argument(metavar="RUN")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="With the trigger, such as 'a TOK on a beach'.")],
    negative: Annotated[str | None, typer.Option(help="What no picture shall show.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="First noise.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0)] = None,
    scale: Annotated[float, typer.Option(help="Strength of the LoRA.")] = 1.0,
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
    checkpoint: Annotated[int | None, typer.Option(min=0, help="Step; left out: the finished files.")] = None,
    base: Annotated[
        bool, typer.Option("--base", help="The base model's picture of the same noise beside each.")
    ] = False,
) -> None:
    """Pictures with the trained LoRA and embeddings."""
    options = {"seed": seed, "steps": steps, "guidance": guidance, "scale": scale, "count": count}
    others = {"negative": negative, "out": out, "checkpoint": checkpoint, "base": base or None}
    _run_trainer("trainer.samples.generate", run, [prompt], {**options, **others})


def export(
    run: RunArgument = None,
    checkpoint: Annotated[int | None, typer.Option(min=0, help="Step; left out: the newest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files.")] = None,
    bundle_emb: Annotated[bool, typer.Option("--bundle-emb", help="Also one file with LoRA and embeddings.")] = False,
) -> None:
    """Write the files again, from any checkpoint."""
    _run_trainer("trainer.export", run, [], {"checkpoint": checkpoint, "out": out, "bundle-emb": bundle_emb or None})


def _run_trainer(module: str, run: str | None, words: list[str], options: dict[str, object]) -> None:
    """Run one of the trainer's programs on a run; its exit code is ours."""
    from loratui.children.output import run_shown
    from loratui.runs.find import find_run
    from trainer.contract.run.trainer_start import trainer_environment

    chosen: RunDir = find_run(run)
    given = [
        f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items() if value is not None
    ]
    command = [sys.executable, "-m", module, *given, "--", str(chosen.path), *words]
    raise typer.Exit(run_shown(command, trainer_environment()))
