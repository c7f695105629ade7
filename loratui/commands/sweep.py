"""`loratui sweep`: several values tried, as one declaration: told before it starts, queued, and laid side by side."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import SetOption
from loratui.commands.queue import SlurmOption, SlurmWords
from loratui.errors import Refusal
from loratui.runs.place import runs_trouble
from loratui.sweeps.place import folder_of, names
from loratui.terminal.asking import agreed, is_anybody_there
from loratui.terminal.text import plural, safe_text, shell_path, show_path
from trainer.contract.paths import expanded, is_file, is_folder
from trainer.contract.run import exits

if TYPE_CHECKING:
    from loratui.sweeps.declaration import Sweep
    from loratui.sweeps.forecast import Forecast

RUNS = Path("runs")
LOOK = 1.0  # seconds between two looks of --wait

WhatArgument = Annotated[
    str | None, typer.Argument(metavar="[ANSWERS|NAME]", help="An answers.toml, or a sweep that was begun.")
]
GridOption = Annotated[
    list[str] | None, typer.Option("--grid", metavar="KEY=A,B,C", help="Try these values; several give a grid.")
]
ZipOption = Annotated[
    list[str] | None, typer.Option("--zip", metavar="KEY=A,B,KEY=C,D", help="Settings that change together.")
]
FromOption = Annotated[str | None, typer.Option("--from", metavar="NAME|FILE", help="The axes of another sweep.")]
KeepOption = Annotated[str | None, typer.Option("--keep", metavar="NO|best", help="Keep this one as a preset (--as).")]


def sweep(
    what: WhatArgument = None,
    grid: GridOption = None,
    zip_: ZipOption = None,
    seeds: Annotated[int | None, typer.Option("--seeds", help="Each with so many seeds.")] = None,
    from_: FromOption = None,
    set_: SetOption = None,
    name: Annotated[str | None, typer.Option("--name", help="What the sweep is called.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and start nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Come back when all runs are over.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The sweeps here, and the grids that ship.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Only show what came of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The table for a program.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Pause what trains; what waits leaves the queue.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what trains; what waits leaves the queue.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Try those that failed once more.")] = False,
    slurm: SlurmOption = None,
    slurm_option: SlurmWords = None,
    wall: Annotated[bool, typer.Option("--wall", help="Write the wall of pictures: PNG and HTML.")] = False,
    prompt: Annotated[int, typer.Option("--prompt", min=1, help="With --wall: which prompt the PNG shows.")] = 1,
    rows: Annotated[str, typer.Option("--rows", metavar="KEY", help="With --wall: what lies down.")] = "",
    columns: Annotated[str, typer.Option("--columns", metavar="KEY", help="With --wall: what lies across.")] = "",
    keep: KeepOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="With --keep: over your preset of that name.")] = False,
    screen: Annotated[bool, typer.Option("--screen", help="Table and wall on a screen.")] = False,
    as_: Annotated[str | None, typer.Option("--as", metavar="PRESET", help="With --keep: its name.")] = None,
) -> None:
    """Try several values: one run each, one table, one wall of pictures."""
    from loratui.sweeps.files import read_sweep

    if trouble := runs_trouble(folder_of(""), "sweeps"):
        raise Refusal(trouble)
    made = [flag for flag, value in (("--grid", grid), ("--zip", zip_), ("--from", from_)) if value]
    if list_ or (what is None and not made and not names()):
        print("\n".join(list_lines()))
        return
    if what is None and not made and len(names()) == 1:
        what = names()[0]
    if what is None:
        raise Refusal(f"which sweep? There are {', '.join(names())}; or name an answers.toml with --grid KEY=A,B")
    path = expanded(what)
    named = Path(what).name if "/" in what else what
    begun = named in names()
    if is_file(path) or path.suffix == ".toml" or (is_folder(path) and not begun):
        chosen = _declared(path, grid or [], zip_ or [], seeds, from_, set_ or [], name)
    elif made or set_ or seeds is not None or name:
        shown = safe_text(what, 60)
        if not begun:
            raise Refusal(f"there is no answer file '{shown}'; check the spelling")
        raise Refusal(f"'{shown}' was begun; a sweep that was begun cannot be given other axes")
    else:
        chosen = read_sweep(named)
    if table or as_json:
        _show(chosen, as_json)
    elif wall:
        _wall(chosen, prompt, rows, columns)
    elif keep is not None:
        _keep(chosen, keep, as_, replace)
    elif screen:
        from loratui.app import run_sweep

        raise typer.Exit(run_sweep(chosen))
    elif pause or stop:
        _hold(chosen, "stop" if stop else "pause")
    else:
        raise typer.Exit(_go(chosen, dry_run, yes, wait, again, (slurm, slurm_option or [])))


def list_lines() -> list[str]:
    """The sweeps of this folder with how they are doing, then what ships with loratui and its source."""
    from loratui.sweeps.files import read_sweep, shipped
    from loratui.sweeps.progress import point_runs, summary

    lines = []
    for name in names():
        try:
            found = read_sweep(name)
            lines.append(f"{name:<22}  {found.words}: {summary(point_runs(found))}")
        except Refusal as refusal:
            lines.append(f"{safe_text(name, 40):<22}  ! {refusal.messages[0]}")
    lines = lines or ["no sweep was begun here: loratui sweep answers.toml --grid train.rank=4,16,32"]
    lines += ["", "Grids that ship with loratui: loratui sweep answers.toml --from NAME"]
    for one in shipped():
        lines += [f"{one.name:<22}  {one.title}", f"{'':<22}  {one.words}", f"{'':<22}  {one.source}"]
    return lines


def _declared(
    path: Path,
    grid: list[str],
    zips: list[str],
    seeds: int | None,
    from_: str | None,
    sets: list[str],
    name: str | None,
) -> Sweep:
    """The sweep of a command line. Raises AnswersError with all that is wrong with it."""
    from loratui.commands.replay import overrides_of
    from loratui.planning.prepared import merged
    from loratui.settings.answers import AnswersError, read_answers
    from loratui.sweeps.declaration import declared, grid_axis, zip_axis
    from loratui.sweeps.files import pattern
    from loratui.sweeps.naming import suggested_name

    other = pattern(from_) if from_ else None
    axes = list(other.axes) if other else []
    messages: list[str] = []
    for read, texts in ((grid_axis, grid), (zip_axis, zips)):
        for text in texts:
            try:
                axes.append(read(text))
            except AnswersError as error:
                messages += error.messages
    try:
        overrides = overrides_of(sets)
    except AnswersError as error:
        messages += error.messages
    if messages:
        raise AnswersError(messages)
    base = merged(read_answers(path), overrides)
    count = seeds if seeds is not None else other.seeds if other else 1
    return declared(
        name or suggested_name(base, axes, other.name if other else ""),
        base,
        axes,
        count,
        title=other.title if other else "",
        source=other.source if other else "",
        fixed={key: one for key, one in other.fixed.items() if key not in overrides} if other else None,
    )


def _go(chosen: Sweep, dry_run: bool, yes: bool, wait: bool, again: bool, asked: tuple[bool | None, list[str]]) -> int:
    """Say what is missing and would be made, ask, and let it go; then the table. `asked`: --slurm and its options."""
    from loratui.planning.hardware import elsewhere
    from loratui.planning.prepared import Looks
    from loratui.sweeps.files import freeze
    from loratui.sweeps.forecast import forecast, forecast_lines
    from loratui.sweeps.progress import engine_of, go_on, point_runs, start
    from loratui.terminal.layout import WIDTH, fitted

    if chosen.name in names():
        freeze(chosen, RUNS)  # refused where it is another one
    found = point_runs(chosen)
    missing = [one.point for one in found if one.info is None]
    engine = engine_of(found, *asked)
    if missing:
        planned = forecast(chosen, missing, RUNS, Looks() if engine.is_local else Looks(elsewhere))
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        print("\n".join(fitted(forecast_lines(planned), width)), flush=True)
        if planned.errors:
            raise Refusal("nothing was started")
        if dry_run:
            return exits.DONE
        if not yes and not _agreed(planned):
            raise Refusal("nothing was started")
        freeze(chosen, RUNS)
        start(planned, RUNS, engine=engine)
    elif dry_run:
        print(f"sweep {chosen.name}: {chosen.words}: every run of it is there")
        return exits.DONE
    go_on(found, RUNS, again, engine=engine)
    if wait:
        return _wait(chosen)
    if missing:
        print(f"It goes on by itself. The table: loratui sweep {shell_path(chosen.name)}    The queue: loratui queue")
        return exits.DONE
    _show(chosen, False)
    return exits.DONE


def _wait(chosen: Sweep) -> int:
    """Tell the end of each run, and the table at last; interrupted, the runs go on."""
    from loratui.runs.queue import take_up
    from loratui.sweeps.progress import ON_ITS_WAY, point_runs

    told: dict[str, str] = {}
    try:
        while True:
            found = point_runs(chosen)
            for one in found:
                if one.state not in ON_ITS_WAY and one.state != "missing" and told.get(one.point.name) != one.state:
                    told[one.point.name] = one.state
                    print(f"{one.point.name}: {one.state}", flush=True)
            if not any(one.state in ON_ITS_WAY for one in found):
                break
            time.sleep(LOOK)
            take_up(RUNS, settle=False)  # a trainer that was killed could not hand on
    except KeyboardInterrupt:
        print(f"The runs go on; loratui sweep {shell_path(chosen.name)} --stop ends them")
        return exits.STOPPED
    print()
    _show(chosen, False)
    return exits.DONE if all(one.state == "completed" for one in found) else exits.FAILED


def _show(chosen: Sweep, as_json: bool) -> None:
    from loratui.sweeps.progress import point_runs
    from loratui.sweeps.results import results
    from loratui.sweeps.table import as_json as json_of
    from loratui.sweeps.table import report_lines

    runs = point_runs(chosen)
    found = results(chosen, runs)
    print(json.dumps(json_of(found, runs), indent=1) if as_json else "\n".join(report_lines(chosen, found, runs)))


def _wall(chosen: Sweep, prompt: int, rows: str, columns: str) -> None:
    from loratui.sweeps.progress import point_runs
    from loratui.sweeps.results import results
    from loratui.sweeps.table import report_lines
    from loratui.sweeps.wall import make_wall, prompts
    from loratui.sweeps.wall_files import write_page, write_png

    runs = point_runs(chosen)
    found = results(chosen, runs)
    known = (drawn := list(prompts(found))) or [0]
    if prompt > len(known):
        raise Refusal(f"--prompt {prompt}: the runs drew {plural(len(drawn), 'prompt')}")
    if not is_folder(folder := folder_of(chosen.name)):
        raise Refusal(f"the sweep '{chosen.name}' was not begun yet")
    write_png(make_wall(found, known[prompt - 1], rows, columns), folder / "wall.png")
    walls = [make_wall(found, one, rows, columns) for one in known]
    write_page(walls, report_lines(chosen, found, runs), folder / "wall.html")
    said = [f"written: {show_path(folder / name)}" for name in ("wall.png", "wall.html")]
    print("\n".join(said if drawn else [*said, f"! no picture stands in them: {walls[0].words}"]))


def _hold(chosen: Sweep, command: str) -> None:
    from loratui.sweeps.progress import hold, point_runs

    if not hold(point_runs(chosen), command):
        print("nothing trains and nothing waits")
        return
    print(f"Resume it: loratui sweep {shell_path(chosen.name)}")


def _keep(chosen: Sweep, which: str, preset: str | None, replace: bool) -> None:
    from loratui.sweeps.keeping import keep_as_preset
    from loratui.sweeps.progress import point_runs

    if not preset:
        raise Refusal(f"--keep {safe_text(which, 20)}: say its name too, such as --as my-preset")
    saved, notes = keep_as_preset(chosen, point_runs(chosen), which, preset, replace)
    for note in notes:
        print(f"! {note}", file=sys.stderr)
    print(saved.words)


def _agreed(planned: Forecast) -> bool:
    if not is_anybody_there():
        raise Refusal("without a terminal nobody can be asked: look with --dry-run, then start with --yes")
    return agreed(f"\nStart {plural(len(planned.able), 'run')}?")
