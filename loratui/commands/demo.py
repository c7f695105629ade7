"""`loratui demo`: the whole job on the small SDXL and pictures that ship with the package, on the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

from loratui.settings.answers import Answers
from loratui.settings.demo import demo_answers
from loratui.terminal.text import plural
from trainer.contract.pictures.formats import ENDINGS
from trainer.contract.run.rundir import RunDir


def introduction(answers: Answers) -> list[str]:
    """What is about to happen, before it does."""
    folder = Path(str(answers.values["dataset.path"]))
    count = sum(one.suffix in ENDINGS for one in folder.iterdir())
    return [
        f"The concept '{folder.name}': {plural(count, 'picture')} that the small SDXL has never seen.",
        "It is learned here, on the CPU, in about a minute: new tokens first, then the LoRA alone.",
        "",
    ]


def run_demo(concept: str | None, out: Path | None, screen: bool) -> int:
    """Check, plan, launch, watch, result; returns the exit code of the run."""
    from loratui.commands.replay import begin
    from loratui.curation.lines import report_lines
    from loratui.planning.lines import plan_lines
    from loratui.planning.prepared import prepare, refuse_if_needed
    from loratui.runs.launch import create_run, start, wait_started
    from loratui.terminal.layout import WIDTH, fitted
    from loratui.terminal.text import show_path

    answers = demo_answers(concept)
    ready = prepare(answers, {}, "answers.toml", out)
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    lines = [*fitted(introduction(answers), width), *report_lines(ready.report), *plan_lines(ready.plan, width)]
    print("\n".join(lines), flush=True)
    refuse_if_needed(ready)
    run = create_run(ready.resolved, ready.answers, out)
    print(f"\nrun folder: {show_path(run.path)}\n", flush=True)
    if not screen:
        code = begin(run)
    else:
        from loratui.app import run_monitor
        from loratui.commands.follow import exit_code_of

        wait_started(run, start(run))
        code = run_monitor(run, after=exit_code_of)
    print("\n".join(result_lines(run)))
    return code


def result_lines(run: RunDir) -> list[str]:
    """Where everything is, and what to do with it."""
    from loratui.runs.find import run_info
    from loratui.runs.states import leaving_words, run_word
    from loratui.terminal.text import show_path

    info, shown = run_info(run), show_path(run.path)
    if info.state != "completed":
        return [leaving_words(run, info.state)]
    first, last = f"{shown}/samples/000000-0.png", f"{shown}/samples/{info.steps:06d}-0.png"
    return [
        "",
        f"Before and after: {first}  {last}",
        f"The files to use: {shown}/export/",
        f"Make more:        loratui generate {run_word(run)} 'a TOK'",
        "Your own:         loratui",
    ]
