"""The wall of a sweep: one axis down, another across, a picture of one prompt in each cell; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from loratui.errors import Refusal
from loratui.events.gallery import GalleryPictures, GalleryPlace, inside
from loratui.results.facts import draws_pictures
from loratui.settings.problems import meant
from loratui.sweeps.declaration import SEED, Sweep
from loratui.sweeps.points import first_seed, place_words
from loratui.sweeps.progress import PointRun
from loratui.sweeps.results import Results, Row, read
from loratui.sweeps.table import loss_words
from loratui.terminal.text import safe_text
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.tracking import NO_SAMPLES

NOT_YET = "no pictures yet"


@dataclass(frozen=True)
class WallCell:
    """One picture with its words; without a file they say how the run is doing."""

    one: PointRun
    large: Path | None
    small: Path | None  # 256 px
    words: str  # its loss, or the run's state
    mark: str  # of its row of the table: "best", "level" or nothing; nothing for one seed alone


@dataclass(frozen=True)
class WallBlock:
    """A table of cells; `title` says the places on the axes that are neither down nor across."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[WallCell, ...], ...]


@dataclass(frozen=True)
class SweepWall:
    """The pictures of one prompt."""

    title: str
    prompt: int  # its index
    words: str  # the prompt itself: text from outside, made safe; why there is none where nothing is drawn
    base: Path | None  # what the base model draws of it
    blocks: tuple[WallBlock, ...]
    drawn: bool  # whether there are pictures, or will be: none of its runs draws any where it is False


@dataclass(frozen=True)
class _Side:
    """What may lie down or across: an axis, or the seeds."""

    axis: int | None  # None: the seeds
    keys: tuple[str, ...]
    labels: tuple[str, ...]


def prompts(found: Results) -> dict[int, str]:
    """The prompts that any run has pictures of, by index, with their words made safe."""
    words: dict[int, str] = {}
    for one in _runs(found):
        pictures = _pictures(one)
        words = {**{index: safe_text(pictures.words_of(index)) for index in pictures.prompts}, **words}
    return dict(sorted(words.items()))


def make_wall(found: Results, prompt: int = 0, down: str = "", across: str = "") -> SweepWall:
    """The wall of the prompt with this index; `down` and `across` name a setting of the axis that lies there.

    Left out, the first axis lies down and the second across; of one axis the seeds lie down, where there are several.
    Raises Refusal for a setting that is on no axis.
    """
    sweep = found.sweep
    rows, columns = _sides(sweep, down, across)
    marks = {row.point.places: row for row in found.rows}
    runs = {(one.point.places, one.point.repeat): one for one in _runs(found)}
    others = [at for at in range(len(sweep.axes)) if at not in (rows.axis, columns.axis)]
    blocks = []
    for rest in product(*(range(len(sweep.axes[at].places)) for at in others)):
        fixed = dict(zip(others, rest, strict=True))
        title = ", ".join(place_words(sweep.axes[at], place) for at, place in fixed.items())
        cells = tuple(
            tuple(_cell(sweep, fixed, ((rows, row), (columns, at)), runs, marks, prompt) for at in _range(columns))
            for row in _range(rows)
        )
        blocks.append(WallBlock(title, rows.labels, columns.labels, cells))
    known = prompts(found)
    drawn = bool(known) or _will_draw(found)
    words = known.get(prompt) or (NOT_YET if drawn else NO_SAMPLES)
    title = f"sweep {sweep.name}: {sweep.words}"
    return SweepWall(title, prompt, words, _base(found, prompt), tuple(blocks), drawn)


def _cell(
    sweep: Sweep,
    fixed: Mapping[int, int],
    sides: tuple[tuple[_Side, int], tuple[_Side, int]],
    runs: Mapping[tuple[tuple[int, ...], int], PointRun],
    marks: Mapping[tuple[int, ...], Row],
    prompt: int,
) -> WallCell:
    chosen = dict(fixed)
    repeat = 0
    for side, place in sides:
        if side.axis is None:
            repeat = place if side.keys else repeat
        else:
            chosen[side.axis] = place
    places = tuple(chosen[at] for at in range(len(sweep.axes)))
    one, of_row = runs[places, repeat], marks[places]
    large = small = None
    if one.run is not None:
        pictures = _pictures(one)
        steps = pictures.steps_of(prompt) if prompt in pictures.prompts else ()
        if steps and steps[-1] > 0 and (last := pictures.at(GalleryPlace(prompt, steps[-1]))) is not None:
            large, small = inside(one.run.path, last.path), inside(one.run.path, last.thumb)
    own = next((each.mean for each in of_row.measured if each.seed == repeat), None)
    by_seed = own is not None and any(SEED in side.keys for side, _ in sides)
    words = f"{own:.4f}" if by_seed else loss_words(of_row) if of_row.loss is not None else one.state
    return WallCell(one, large, small, words, "" if by_seed else of_row.mark)  # a mark is one of the mean


def _sides(sweep: Sweep, down: str, across: str) -> tuple[_Side, _Side]:
    sides = [
        _Side(at, axis.keys, tuple(place_words(axis, place) for place in range(len(axis.places))))
        for at, axis in enumerate(sweep.axes)
    ]
    if sweep.seeds > 1:
        first = first_seed(sweep)
        sides.append(_Side(None, (SEED,), tuple(f"seed {first + number}" for number in range(sweep.seeds))))
    nothing = _Side(None, (), ("",))
    rows = _named("--rows", down, sides) if down else None
    columns = _named("--columns", across, sides) if across else None
    if rows is not None and rows == columns:
        raise Refusal(f"--rows and --columns: {down} and {across} are one axis")
    left = [side for side in sides if side not in (rows, columns)]
    if rows is None and columns is None and len(sweep.axes) == 1 and len(left) > 1:
        return left[1], left[0]
    if rows is None and (len(left) > 1 or columns is not None):
        rows = left.pop(0) if left else nothing
    if columns is None:
        columns = left.pop(0) if left else nothing
    return rows or nothing, columns


def _named(flag: str, key: str, sides: Sequence[_Side]) -> _Side:
    found = next((side for side in sides if key in side.keys), None)
    if found is None:
        known = tuple(one for side in sides for one in side.keys)
        raise Refusal(f"{flag} {safe_text(key, 60)}: it is on no axis{meant(key, known)}; there are {', '.join(known)}")
    return found


def _will_draw(found: Results) -> bool:
    """Where no run has a picture: whether it is too early for them, and not so that none of those begun draws any."""
    begun = [one.run for one in _runs(found) if one.run is not None]
    return not begun or any(_draws(run) for run in begun)


def _draws(run: RunDir) -> bool:
    try:
        return draws_pictures(read(run).settings.get("sample.count"))
    except OSError:
        return True


def _base(found: Results, prompt: int) -> Path | None:
    for one in _runs(found):
        picture = _pictures(one).base(prompt)
        if picture is not None and one.run is not None:
            return inside(one.run.path, picture.thumb)
    return None


def _runs(found: Results) -> Iterator[PointRun]:
    for row in found.rows:
        yield from row.runs


def _pictures(one: PointRun) -> GalleryPictures:
    if one.run is None:
        return GalleryPictures({}, (), (), {})
    try:
        return GalleryPictures.of(read(one.run).history)
    except OSError:
        return GalleryPictures({}, (), (), {})


def _range(side: _Side) -> range:
    return range(len(side.labels))
