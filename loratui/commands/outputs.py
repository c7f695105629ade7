"""`loratui generate`, `export` and `merge`: what was trained is used, written again, and put together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunArgument, runs

if TYPE_CHECKING:
    from trainer.contract.run.rundir import RunDir


LoraArgument = Annotated[
    str, typer.Argument(metavar="LORA", help="A run, a LoRA file, or a folder with one.", autocompletion=runs)
]


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


def merge(
    first: LoraArgument,
    second: LoraArgument,
    out: Annotated[Path, typer.Option("--out", help="A folder that is not there yet; its name is the LoRA's.")],
    learned: Annotated[
        bool, typer.Option("--learned", help="A factor for each column, learned (ZipLoRA): what is done anyway.")
    ] = False,
    weights: Annotated[
        tuple[float, float] | None, typer.Option("--weights", help="How strongly each counts; nothing is learned.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option("--rank", min=1, help="Cut to it; of the plain sum, unless --learned or --weights.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Of learning.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of learning.")] = None,
    prompts: Annotated[
        tuple[str, str] | None, typer.Option("--prompts", help="What each shows; left out: as the runs say.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The base model that it is for; left out: that of the runs.")
    ] = None,
) -> None:
    """One LoRA of two: a subject in a style."""
    from loratui.children.output import run_shown
    from trainer.contract.run.trainer_start import trainer_environment

    command = [sys.executable, "-m", "trainer.merging", f"--out={out}"]
    given = {"rank": rank, "steps": steps, "seed": seed, "base": base}
    command += [f"--{name}={value}" for name, value in given.items() if value is not None]
    command += ["--learned"] if learned else []
    command += ["--weights", *map(str, weights)] if weights is not None else []
    command += ["--prompts", *prompts] if prompts is not None else []
    raise typer.Exit(run_shown([*command, "--", lora_place(first), lora_place(second)], trainer_environment()))


def lora_place(text: str) -> str:
    """The folder of the run that `text` means, or `text` itself where it is a file or another folder."""
    from loratui.runs.find import find_run
    from trainer.contract.paths import expanded, is_file, is_folder

    place = expanded(text)
    if is_file(place) or (is_folder(place) and not is_file(place / "config.toml")):
        return str(place)
    return str(find_run(text).path)


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
