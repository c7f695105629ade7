"""Sweeps on disk: sweeps/NAME/ with sweep.toml and answers.toml beside the runs, and those that ship with loratui."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from loratui.errors import Refusal
from loratui.runs.find import RUNS
from loratui.settings.answers import Answers, answers_text, read_answers
from loratui.settings.problems import AnswersError, meant, unknown_setting, wrong_value
from loratui.sweeps.declaration import NAME, Axis, Sweep, checked_axis, declared
from loratui.sweeps.place import FILE, folder_of, names
from loratui.sweeps.points import points
from loratui.terminal.text import os_words, safe_text, show_path
from loratui.version import version
from trainer.contract.documents.files import read_toml
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.paths import expanded, is_file
from trainer.contract.settings.config import BY_KEY, value_of_now

SCHEMA = 1
ANSWERS = "answers.toml"
SHIPPED = Path(__file__).with_name("shipped")
KNOWN = ("schema", "name", "title", "source", "seeds", "set", "axis")
OF_AN_AXIS = ("called", "labels", "source")  # no settings are called so


def read_sweep(name: str, runs: Path = RUNS) -> Sweep:
    """The frozen sweep `name`. Raises Refusal."""
    folder = folder_of(name, runs)
    if not NAME.fullmatch(name) or not is_file(folder / FILE):
        near = meant(name, tuple(names(runs)))
        raise Refusal(f"there is no sweep '{safe_text(name, 60)}'{near}; 'loratui sweep --list' lists them")
    found = read_file(folder / FILE)
    return replace(found, name=name, base=read_answers(folder / ANSWERS))


def freeze(sweep: Sweep, runs: Path = RUNS) -> tuple[Path, bool]:
    """Write the declaration down once, and say where, and whether it was new.

    The same again changes nothing. Raises Refusal where another one has the name.
    """
    folder = folder_of(sweep.name, runs)
    if is_file(folder / FILE):
        if _differs(read_sweep(sweep.name, runs), sweep):
            raise Refusal(
                f"'{sweep.name}' is another sweep already ({show_path(folder / FILE)}); give this one a --name"
            )
        return folder, False
    try:
        make_private(folder)
        write_atomic(folder / ANSWERS, answers_text(sweep.base))
        write_atomic(folder / FILE, sweep_text(sweep))  # the last: with it the sweep is there
    except OSError as error:
        raise Refusal(f"the sweep cannot be written: {os_words(error, folder / FILE)}") from None
    return folder, True


def sweep_text(sweep: Sweep) -> str:
    """The file, all but the base answers."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"Written by loratui {version()}; its runs were made from it: leave it as it is."))
    document.add(tomlkit.comment(f"loratui sweep {sweep.name}"))
    document.add("schema", tomlkit.item(SCHEMA))
    for key in ("title", "source"):
        if value := getattr(sweep, key):
            document.add(key, value)
    document.add("seeds", tomlkit.item(sweep.seeds))
    if sweep.fixed:
        document.add("set", _table(sweep.fixed))
    axes = tomlkit.aot()
    for axis in sweep.axes:
        columns = {key: [place[at] for place in axis.places] for at, key in enumerate(axis.keys)}
        words = {"called": axis.called, "labels": list(axis.labels), "source": axis.source}
        axes.append(_table({**{key: one for key, one in words.items() if one}, **columns}))
    if sweep.axes:
        document.add("axis", axes)
    return tomlkit.dumps(document)


def read_file(path: Path) -> Sweep:
    """The sweep in a file, without base answers. Raises AnswersError with all that is wrong with it."""
    shown = safe_text(path.name)
    found = read_toml(path)
    if found.value is None:
        raise AnswersError([f"{shown}: {found.reason}"])
    raw = found.value
    messages = [f"{shown}: {safe_text(key, 40)}: unknown{meant(key, KNOWN)}" for key in raw if key not in KNOWN]
    if raw.get("schema") != SCHEMA:
        messages.append(f"{shown}: schema: {safe_text(raw.get('schema', 'missing'), 40)}; this loratui reads {SCHEMA}")
    fixed: dict[str, Any] = {}
    for key, value in _flat(raw.get("set")):
        problem = wrong_value(BY_KEY[key], value) if key in BY_KEY else unknown_setting(key, full=True)
        messages += [f"{shown}: [set] {safe_text(key, 80)}: {problem}"] if problem else []
        fixed[key] = tuple(value) if isinstance(value, list) else value_of_now(key, value)
    axes: list[Axis] = []
    tables = raw.get("axis", [])
    for number, one in enumerate(tables if isinstance(tables, list) else [tables], 1):
        try:
            axes.append(_axis(f"{shown}: axis {number}:", one))
        except AnswersError as error:
            messages += error.messages
    seeds = raw.get("seeds", 1)
    if not isinstance(seeds, int) or isinstance(seeds, bool):
        messages.append(f"{shown}: seeds: {safe_text(seeds, 40)} is not a whole number")
    if messages:
        raise AnswersError(messages)
    title, source = (str(raw.get(key, "")) for key in ("title", "source"))
    name = str(raw.get("name", path.stem if NAME.fullmatch(path.stem) else "sweep"))
    try:
        return declared(name, Answers(), axes, seeds, title=title, source=source, fixed=fixed)
    except AnswersError as error:
        raise AnswersError([f"{shown}: {one}" for one in error.messages]) from None


def shipped() -> tuple[Sweep, ...]:
    """The grids that ship with loratui, by name."""
    return tuple(read_file(path) for path in sorted(SHIPPED.glob("*.toml")))


def pattern(text: str, runs: Path = RUNS) -> Sweep:
    """The axes that `--from` names: a shipped grid, a sweep of this folder, or a file. Raises Refusal."""
    known = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if text in known:
        return read_file(known[text])
    path = expanded(text)
    if is_file(path):
        return read_file(path)
    if text in names(runs):
        return read_sweep(text, runs)
    near = meant(text, (*known, *names(runs)))
    raise Refusal(f"--from {safe_text(text, 60)}: there is no such sweep or file{near}; there are {', '.join(known)}")


def _axis(place: str, table: Any) -> Axis:
    if not isinstance(table, dict):
        raise AnswersError([f"{place} a table is wanted: [[axis]] with settings and their values"])
    columns: dict[str, list[Any]] = {}
    for key, values in _flat({key: one for key, one in table.items() if key not in OF_AN_AXIS}):
        if not isinstance(values, list):
            raise AnswersError([f"{place} {safe_text(key, 80)}: a list of values is wanted"])
        columns[key] = values
    if not columns:
        raise AnswersError([f'{place} it names no setting; write "train.rank" = [4, 16]'])
    labels = table.get("labels", [])
    source, called = (safe_text(table.get(key, ""), limit) for key, limit in (("source", 400), ("called", 30)))
    return checked_axis(place, columns, tuple(map(str, labels)) if isinstance(labels, list) else (), source, called)


def _flat(table: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted key, whether they are written "train.rank" or in tables."""
    for key, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _table(values: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for key, value in values.items():
        written = [list(one) if isinstance(one, tuple) else one for one in value] if _is_many(value) else value
        table.add(
            tomlkit.key(key) if "." not in key else tomlkit.items.SingleKey(key, tomlkit.items.KeyType.Basic), written
        )
    return table


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _differs(old: Sweep, new: Sweep) -> bool:
    """Whether two declarations come to other runs: the base answers and every point's settings."""
    plain = {key: tuple(one) if isinstance(one, list) else one for key, one in old.base.values.items()}
    fresh = {key: tuple(one) if isinstance(one, list) else one for key, one in new.base.values.items()}
    return (old.base.preset, plain) != (new.base.preset, fresh) or points(old) != points(new)
