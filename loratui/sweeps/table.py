"""The results of a sweep as one table for a terminal, the sentences that it takes to read it, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from loratui.sweeps.declaration import Sweep
from loratui.sweeps.progress import OVER, PointRun, summary
from loratui.sweeps.results import Results, Row
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import clock, in_bytes, in_time
from trainer.contract.settings.config import BY_KEY

MARKS = {"best": "★ lowest", "level": "≈ level with it", "": ""}
SIGNS = {mark: words.partition(" ")[0] for mark, words in MARKS.items()}  # where there is no room for the words
ABSENT = "-"
MOST_NAMED = 6


def table_lines(found: Results) -> list[str]:
    """The table, its columns aligned."""
    heads, cells = table_cells(found)
    widths = [max(len(line[at]) for line in (heads, *cells)) for at in range(len(heads))]
    return [
        "  ".join(one.ljust(wide) for one, wide in zip(line, widths, strict=True)).rstrip() for line in (heads, *cells)
    ]


def table_cells(found: Results) -> tuple[list[str], list[list[str]]]:
    """The heads of the columns, and the words of each row."""
    measured = [row for row in found.rows if row.measured]
    held = bool(measured) and all(row.held_out for row in measured)
    loss = "held-out loss" if held else "training loss" if measured else "loss"
    heads = ["no", *(axis.title for axis in found.sweep.axes), loss, "size", "time", ""]
    return heads, [_cells(found, row) for row in found.rows]


def remarks(found: Results) -> list[str]:
    """What has to be known to read the table, the most important first."""
    rated = [row for row in found.rows if row.loss is not None]
    said: list[str] = []
    for best in found.best:
        level = [row for row in rated if row.group == best.group and row.mark == "level"]
        others = [row for row in rated if row.group == best.group and row is not best]
        if level and len(level) == len(others):
            said.append(f"Nothing tells these {len(others) + 1} apart: what lies between them is within the noise.")
        elif level:
            named = "; ".join(row.label for row in level[:MOST_NAMED])
            more = f" and {len(level) - MOST_NAMED} more" if len(level) > MOST_NAMED else ""
            said.append(f"Lowest: {best.label}. Level with it, as far as can be told: {named}{more}.")
        else:
            said.append(f"Lowest: {best.label}; none of the others that are done is level with it.")
    if found.groups > 1:
        names = ", ".join(BY_KEY[key].title for key in found.told_by)
        said.append(f"Losses are counted in another way under another {names}: only rows of one kind are compared.")
    if rated and not all(row.held_out for row in rated):
        said.append("On training pictures the loss falls with overfitting too: it chooses nothing; hold pictures out.")
    if rated:
        said.append(
            "It is the loss at fixed noise after the last step; the list of runs shows a mean of their last steps."
        )
    if rated and found.sweep.seeds == 1:
        said.append("One seed each: only the measurement's own noise is known, not how far chance moves a run.")
    elif rated:
        said.append(
            f"±: the standard deviation over {plural(found.sweep.seeds, 'seed')}; level: within the noise of all rows "
            "together."
        )
    if changed := [one for row in found.rows for one in row.runs if one.changed]:
        keys = ", ".join(dict.fromkeys(key for one in changed for key in one.changed))
        said.append(
            f"Left out, because settings were changed ({keys}): {', '.join(one.point.name for one in changed)}."
        )
    return said


def report_lines(sweep: Sweep, found: Results, runs: Sequence[PointRun]) -> list[str]:
    """All that `loratui sweep NAME` says."""
    lines = [f"sweep {sweep.name}: {sweep.words}: {summary(runs)}"]
    if sweep.source:
        lines.append(f"source: {safe_text(sweep.source, 300)}")
    lines += ["", *table_lines(found), "", *remarks(found)]
    if left := left_words(found, runs):
        lines.append(left)
    for one in runs:
        if one.state in ("failed", "crashed") and one.run is not None:
            lines.append(f"! {one.point.name} {one.state}: {show_path(one.run.log)}")
    return lines


def left_words(found: Results, runs: Sequence[PointRun]) -> str:
    """How long the rest still takes, as those that are done took; empty where nothing is known or left."""
    left = [one for one in runs if one.state not in OVER]
    times = [row.seconds for row in found.rows if row.seconds]
    if not left or not times:
        return ""
    return f"{plural(len(left), 'run')} left: about {in_time(fmean(times) * len(left))}, as the others took."


def as_json(found: Results, runs: Sequence[PointRun]) -> dict[str, Any]:
    """The same for a program."""
    sweep = found.sweep
    return {
        "sweep": sweep.name,
        "axes": [{"settings": list(axis.keys), "values": [list(one) for one in axis.places]} for axis in sweep.axes],
        "seeds": sweep.seeds,
        "states": {one.point.name: one.state for one in runs},
        "rows": [_row_json(row) for row in found.rows],
        "compared_within": list(found.told_by),
        "remarks": remarks(found),
    }


def loss_words(row: Row) -> str:
    """The loss and its spread: "0.1234 ± 0.0021"."""
    if row.loss is None:
        return ABSENT
    return f"{row.loss:.4f}" + (f" ± {row.spread:.4f}" if row.spread is not None else "")


def state_words(row: Row) -> str:
    """What a row is marked with, or how its runs are doing."""
    if row.loss is not None:
        return MARKS[row.mark]
    return summary(row.runs)


def _cells(found: Results, row: Row) -> list[str]:
    places = [axis.label(place) for axis, place in zip(found.sweep.axes, row.point.places, strict=True)]
    group = f" ({'abcdefghij'[(row.group - 1) % 10]})" if found.groups > 1 and row.group else ""
    size = in_bytes(row.size) if row.size is not None else ABSENT
    took = clock(row.seconds) if row.seconds else ABSENT
    return [str(row.point.number), *places, loss_words(row) + group, size, took, state_words(row)]


def _row_json(row: Row) -> dict[str, Any]:
    values = {key: list(one) if isinstance(one, tuple) else one for key, one in row.point.values.items()}
    return {
        "point": row.point.number,
        "label": row.label,
        "values": {key: one for key, one in values.items() if key not in ("name", "train.seed")},
        "runs": [str(one.run.path) if one.run is not None else None for one in row.runs],
        "loss": row.loss,
        "spread": row.spread,
        "losses": [one.mean for one in row.measured],
        "held_out": row.held_out,
        "size": row.size,
        "seconds": row.seconds,
        "mark": row.mark,
        "group": row.group,
    }
