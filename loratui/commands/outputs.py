"""`loratui generate`, `export` and `merge` use what was trained; `export-job` has it trained elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from loratui.commands.options import GpusOption, RunArgument, SetOption, runs
from loratui.errors import Refusal

if TYPE_CHECKING:
    from trainer.contract.run.rundir import RunDir

DRAWS = "trainer.samples.generate"
LoraArgument = Annotated[
    str, typer.Argument(metavar="LORA", help="A run, a LoRA file, or a folder with one.", autocompletion=runs)
]


def generate(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Left out with --content or --style.", autocompletion=runs)
    ] = None,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="With the trigger, such as 'a TOK on a beach'.")
    ] = None,
    negative: Annotated[str | None, typer.Option(help="What no picture should show.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="First noise.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0)] = None,
    scale: Annotated[float, typer.Option(help="Strength of the LoRA.")] = 1.0,
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.", readable=False)] = None,
    checkpoint: Annotated[int | None, typer.Option(min=0, help="Step; left out: the finished files.")] = None,
    base: Annotated[
        bool, typer.Option("--base", help="The base model's picture of the same noise beside each.")
    ] = False,
    content: Annotated[
        str | None, typer.Option("--content", help="In place of RUN: the LoRA whose content is drawn (B-LoRA).")
    ] = None,
    style: Annotated[
        str | None, typer.Option("--style", help="In place of RUN: the LoRA whose style is drawn (B-LoRA).")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="With them: the base model, where none of them is a run.")
    ] = None,
) -> None:
    """Pictures with the trained LoRA and embeddings."""
    if run is None or (content is None and style is None) == (prompt is None):
        raise Refusal("what to draw, and with what? Write RUN and PROMPT, or PROMPT alone with --content and --style")
    options: dict[str, object] = {"seed": seed, "steps": steps, "guidance": guidance, "scale": scale, "count": count}
    options |= {"negative": negative, "out": out, "base": base or None}
    if prompt is not None and model is not None:
        raise Refusal("--model is for --content and --style: a run is drawn with its own base model")
    if prompt is not None:
        _run_trainer(DRAWS, run, [prompt], {**options, "checkpoint": checkpoint})
    if checkpoint is not None:
        raise Refusal("--checkpoint belongs to one run; --content and --style take finished files")
    halves = {"content": content and lora_place(content), "style": style and lora_place(style), "model": model}
    _run_program("trainer.merging.apart", [run], {**options, **halves})


def export(
    run: RunArgument = None,
    checkpoint: Annotated[
        int | None, typer.Option(min=0, help="Step; left out: the newest, or the best of an early end.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files.", readable=False)] = None,
    bundle_emb: Annotated[bool, typer.Option("--bundle-emb", help="Also one file with LoRA and embeddings.")] = False,
) -> None:
    """Write the files again, from any checkpoint."""
    _run_trainer("trainer.export", run, [], {"checkpoint": checkpoint, "out": out, "bundle-emb": bundle_emb or None})


def export_job(
    answers: Annotated[Path, typer.Argument(metavar="ANSWERS", help="An answers.toml.", readable=False)],
    sky: Annotated[bool, typer.Option("--sky", help="For SkyPilot.")] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE.yaml", help="The task file to write.", readable=False)
    ] = None,
    set_: SetOption = None,
    gpus: GpusOption = 1,
    bucket: Annotated[str, typer.Option("--bucket", help="Where the run lies; one of its own if left out.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
) -> None:
    """A run as a task for machines elsewhere: with the answers in it, and the pictures mounted."""
    from loratui.commands.replay import overrides_of
    from loratui.planning.sky_task import sky_task
    from loratui.settings.answers import read_answers
    from loratui.terminal.glyphs import marked
    from loratui.terminal.text import not_written, shell_path, show_path
    from trainer.contract.entries import write_swept
    from trainer.contract.paths import can_see, expanded

    if not sky:
        raise Refusal("for whom? --sky writes a task for SkyPilot")
    path = expanded(into or answers.with_suffix(".sky.yaml"))
    if can_see(path) and not replace:
        raise Refusal(f"{show_path(path)} is there already; name another with --into, or add --replace")
    task = sky_task(read_answers(expanded(answers)), overrides_of(set_ or []), path.absolute().parent, gpus, bucket)
    try:
        write_swept(path, task.text, 0o600)
    except OSError as error:
        raise Refusal(not_written(path, error, "name another with --into")) from None
    for warning in task.warnings:
        print(marked("warn", warning))
    secrets = "".join(f" --secret {name}" for name in task.secrets)
    print(f"written: {show_path(path)} (a card of {', '.join(task.cards)}; the run in the bucket {task.bucket})")
    print(f"start it, from its folder: sky jobs launch {shell_path(Path(path.name))}{secrets}")


def merge(
    first: LoraArgument,
    second: LoraArgument,
    out: Annotated[
        Path, typer.Option("--out", help="A folder that is not there yet; its name is the LoRA's.", readable=False)
    ],
    learned: Annotated[
        bool, typer.Option("--learned", help="Learn a factor for each column (ZipLoRA): the default.")
    ] = False,
    weights: Annotated[
        tuple[float, float] | None,
        typer.Option("--weights", metavar="A B", help="How strongly each counts, as in 0.8 0.6; nothing is learned."),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option("--rank", min=1, help="Cut the merge to this rank; a plain sum, unless --learned or --weights."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of learning.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the learning.")] = None,
    prompts: Annotated[
        tuple[str, str] | None,
        typer.Option("--prompts", metavar="A B", help="What each shows; left out: as the runs say."),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The base model that it is for; left out: that of the runs.")
    ] = None,
) -> None:
    """One LoRA of two: a subject in a style."""
    options: dict[str, object] = {"rank": rank, "steps": steps, "seed": seed, "base": base, "learned": learned or None}
    options |= {"out": out, "weights": weights, "prompts": prompts}
    _run_program("trainer.merging", [lora_place(first), lora_place(second)], options)


def lora_place(text: str) -> str:
    """The folder of the run that `text` means, or `text` itself where it is a file or another folder."""
    from loratui.runs.find import find_run
    from trainer.contract.paths import expanded, is_file, is_folder

    place = expanded(text)
    if is_file(place) or (is_folder(place) and not is_file(place / "config.toml")):
        return str(place)
    return str(find_run(text).path)


def refuse_out(out: object) -> None:
    """Raise Refusal where nothing can be written to --out, before a model is loaded for it."""
    from loratui.runs.place import existing, making_trouble
    from loratui.terminal.text import show_path
    from trainer.contract.paths import is_file

    place = Path(str(out or "."))
    if place.suffix.lower() == ".png" and is_file(place):
        place = place.parent  # one picture, written over
    if trouble := making_trouble(place):
        raise Refusal(
            f"--out {show_path(place)}: nothing can be made in {show_path(existing(place))}: {trouble}; "
            "name another folder"
        )


def _run_trainer(module: str, run: str | None, words: list[str], options: dict[str, object]) -> NoReturn:
    """Run one of the trainer's programs on a run. Raises Refusal where it has nothing yet that they could read."""
    from loratui.runs.find import find_run

    refuse_out(options.get("out"))
    found = find_run(run)
    refuse_empty(found, module == DRAWS)
    _run_program(module, [str(found.path), *words], options)


def refuse_empty(found: RunDir, files_do: bool) -> None:
    """Raise Refusal with what comes first where a run has no checkpoint, nor files where those do as well."""
    from loratui.runs.possible import possible
    from loratui.runs.states import next_words
    from loratui.terminal.text import show_path

    now = possible(found)
    if now.state != "refused" and not now.saved and not (files_do and now.files):
        nothing = "no checkpoint" if now.files else "no files and no checkpoint"
        raise Refusal(f"{show_path(found.path)} holds {nothing}: it is {now.state}. {next_words(found, now.state)}")


def _run_program(module: str, words: list[str], options: dict[str, object]) -> NoReturn:
    """Run one of the trainer's programs; its exit code is ours. An option that is a tuple has several values."""
    from loratui.children.output import run_shown
    from trainer.contract.run.trainer_start import trainer_environment

    refuse_out(options.get("out"))
    given: list[str] = []
    for name, value in options.items():
        if isinstance(value, tuple):
            given += [f"--{name}", *map(str, value)]
        elif value is not None:
            given.append(f"--{name}" if value is True else f"--{name}={value}")
    raise typer.Exit(run_shown([sys.executable, "-m", module, *given, "--", *words], trainer_environment()))
