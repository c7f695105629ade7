"""The commands. Each imports what it needs when it runs, so that `loratui --help` and `loratui stop` start at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.called import called
from loratui.commands.caption import caption
from loratui.commands.check import check
from loratui.commands.checkpoints import checkpoints
from loratui.commands.diff import diff
from loratui.commands.fix import fix
from loratui.commands.guided import BLOCKS, IMAGES, guide, has_screen, prepare_pictures, refusals_told
from loratui.commands.import_ import import_
from loratui.commands.init import init
from loratui.commands.keep import delete, note, rename
from loratui.commands.options import AgainOption, GpusOption, RunArgument, SetOption
from loratui.commands.outputs import export, export_job, generate, merge
from loratui.commands.preset import preset
from loratui.commands.push import push
from loratui.commands.queue import QueueOption, SlurmOption, SlurmWords, runs, tell_taken_up
from loratui.commands.queue import app as queue
from loratui.commands.sweep import sweep
from loratui.errors import Refusal
from loratui.terminal.text import safe_text, show_path
from trainer.contract.run.notify import OPTION

if TYPE_CHECKING:
    from trainer.contract.run.control import Cmd

app = typer.Typer(
    help="From a folder of pictures to a trained SDXL LoRA. Without a command: the guided way.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run's folder; ./runs/DATE-TIME-NAME if left out.", readable=False)
]
PlainOption = Annotated[bool, typer.Option("--plain", help="Lines instead of a screen.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Start it and return at once.")]
ImagesOption = Annotated[
    str, typer.Option("--images", envvar=IMAGES, help="Full screen: blocks, kitty, sixel, or auto.")
]
NotifyOption = Annotated[  # taken out of the arguments before they are read: loratui/children/told.py
    str | None,
    typer.Option(
        OPTION,
        metavar="URL",
        help="With any command: tell the end of runs that it starts there (ntfy, mail, Slack ...).",
    ),
]
AnswersArgument = Annotated[Path, typer.Argument(metavar="ANSWERS", help="An answers.toml.", readable=False)]


def main() -> None:
    """The entry point: what is refused ends with sentences on stderr and an exit code, never with a traceback."""
    sys.exit(refusals_told(lambda: called(app, sys.argv[1:], os.environ)(prog_name="loratui")))


@app.callback(invoke_without_command=True)
def wizard(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
    images: ImagesOption = BLOCKS,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="RUN|ANSWERS", help="Begin with the answers of an old run.")
    ] = None,
    notify: NotifyOption = None,
) -> None:
    """From a folder of pictures to a trained SDXL LoRA. Without a command: the guided way."""
    if version:
        from loratui.version import version as installed

        print(f"loratui {installed()}")
        raise typer.Exit
    if context.invoked_subcommand is not None:
        if from_ is not None:
            raise Refusal("--from belongs to 'loratui' alone: it opens the guided way with an old run's answers")
        return
    if from_ is None:
        raise typer.Exit(guide(images))
    from loratui.runs.find import RUNS
    from loratui.runs.past_run import draft_of

    raise typer.Exit(guide(images, lambda: draft_of(from_, RUNS)))


@app.command()
def demo(
    plain: PlainOption = False,
    out: OutOption = None,
    concept: Annotated[str | None, typer.Option("--concept", help="Which of the shipped concepts.")] = None,
    images: ImagesOption = BLOCKS,
) -> None:
    """Train on the small SDXL and pictures that ship with loratui."""
    from loratui.commands.demo import run_demo

    screen = has_screen() and not plain
    if screen:
        prepare_pictures(images)
    raise typer.Exit(run_demo(concept, out, screen))


app.command()(init)
app.command(name="import")(import_)
app.command()(check)
app.command()(fix)
app.command()(caption)
app.command()(diff)
app.command()(generate)
app.command()(export)
app.command()(export_job)
app.command()(merge)
app.command()(checkpoints)
app.command()(push)
app.command()(rename)
app.command()(note)
app.command()(delete)
app.command()(sweep)
app.add_typer(preset, name="preset")
app.add_typer(queue, name="queue")


@app.command()
def plan(
    answers: AnswersArgument,
    set_: SetOption = None,
    memory: Annotated[float | None, typer.Option(min=1, metavar="GB", help="As on a GPU with so much memory.")] = None,
    gpus: GpusOption = 1,
    every: Annotated[bool, typer.Option("--all", help="Each setting too, with where its value comes from.")] = False,
) -> None:
    """Show what a replay would do, and start nothing."""
    from loratui.commands import replay as jobs

    raise typer.Exit(jobs.plan(answers, set_ or [], memory, gpus, every))


@app.command()
def replay(
    answers: AnswersArgument,
    set_: SetOption = None,
    detach: DetachOption = False,
    gpus: GpusOption = 1,
    out: OutOption = None,
    queue: QueueOption = False,
    again: Annotated[bool, typer.Option("--resume", help="Resume the run in --out, if there is one.")] = False,
    start: Annotated[bool, typer.Option(" /--no-start", help="Make the run's folder only.", show_default=False)] = True,
    slurm: SlurmOption = None,
    slurm_option: SlurmWords = None,
) -> None:
    """Run an answer file without asking anything."""
    from loratui.commands import replay as jobs
    from loratui.runs.engines import LOCAL, chosen

    engine = chosen(slurm or None, slurm_option or []) or (LOCAL if queue else None)
    code = jobs.replay_again(answers, set_ or [], out, detach, gpus, engine) if again else None
    raise typer.Exit(jobs.replay(answers, set_ or [], out, detach, gpus, engine, start) if code is None else code)


app.command()(runs)


@app.command()
def attach(run: RunArgument = None, plain: PlainOption = False, images: ImagesOption = BLOCKS) -> None:
    """Watch a run; quitting leaves it running."""
    from loratui.runs.find import find_run

    chosen = find_run(run)
    tell_taken_up(chosen.path.parent)
    if has_screen() and not plain:
        from loratui.app import run_monitor
        from loratui.commands.follow import exit_code_of

        prepare_pictures(images)
        raise typer.Exit(run_monitor(chosen, after=exit_code_of))
    from loratui.commands.follow import follow

    raise typer.Exit(follow(chosen, sys.stdout))


@app.command()
def stop(run: RunArgument = None) -> None:
    """Finish the step, save, export and end."""
    _send(run, "stop")


@app.command()
def abort(run: RunArgument = None) -> None:
    """End at once; nothing more is saved."""
    _send(run, "abort")


@app.command()
def save(run: RunArgument = None) -> None:
    """Save a checkpoint now."""
    _send(run, "save")


@app.command()
def sample(
    run: RunArgument = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Other than the run's own.")] = None,
    keep: Annotated[
        bool | None, typer.Option(help="With --prompt: at every sample step from now on, or no longer.")
    ] = None,
) -> None:
    """Make validation pictures now, of all prompts or of one more."""
    from loratui.runs.added_prompts import sample_arguments

    _send(run, "sample", **sample_arguments(prompt, keep))


@app.command()
def pause(run: RunArgument = None) -> None:
    """Wait between two steps until resumed."""
    _send(run, "pause")


@app.command()
def resume(
    run: RunArgument = None,
    detach: DetachOption = False,
    set_: SetOption = None,
    gpus: AgainOption = None,
    slurm: SlurmOption = None,
    slurm_option: SlurmWords = None,
) -> None:
    """Resume a paused or an interrupted run; with --set, with other settings."""
    from loratui.runs.find import find_run, run_info

    chosen = find_run(run)
    if run_info(chosen).alive:
        if set_:
            raise Refusal(f"{show_path(chosen.path)} is running: stop it before its settings are changed")
        _send(str(chosen.path), "resume")
        return
    from loratui.commands import replay as jobs
    from loratui.runs.engines import chosen as engine
    from loratui.runs.launch import leave_slurm

    cluster = engine(slurm, slurm_option or [], [chosen])
    engine_or_here = None if cluster is None or cluster.is_local else cluster
    if slurm is False:
        leave_slurm(chosen)
    raise typer.Exit(jobs.resume(chosen, detach, set_ or [], gpus, engine_or_here))


@app.command()
def doctor() -> None:
    """What will not work on this machine, and what to do."""
    from loratui.recovery.doctor import checks, doctor_lines

    print("\n".join(doctor_lines(list(checks()))))


def _send(text: str | None, command: Cmd, **arguments: str | bool) -> None:
    from loratui.runs.find import find_run
    from loratui.runs.inbox import ask

    chosen = find_run(text)
    named = "" if text is not None else f"{safe_text(chosen.path.name)}: "  # who was not named is told
    print(f"{named}{ask(chosen, command, **arguments)}")
