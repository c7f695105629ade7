"""Opening, making, replacing and removing in a folder that others filled: what a link leads to stays as it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outside import FILE, ended_process, untouched
from trainer.contract import entries
from trainer.contract.entries import BadEntry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder in which the names are made; as people have it, reached through a link."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to("disk")
    return tmp_path / "root"


OPENINGS = (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_WRONLY | os.O_TRUNC)


@pytest.mark.parametrize("flags", OPENINGS)
def test_a_file_that_is_a_link_is_not_opened(root: Path, victim: Path, flags: int) -> None:
    (root / "lock").symlink_to(victim / FILE)
    with pytest.raises(BadEntry, match="'lock' is a link"):
        entries.open_file(root / "lock", flags)
    assert untouched(victim)


def test_a_link_that_leads_nowhere_makes_nothing(root: Path, victim: Path) -> None:
    (root / "claim").symlink_to(victim / "new")
    with pytest.raises(BadEntry, match="'claim' is a link"):
        entries.open_file(root / "claim", os.O_RDWR | os.O_CREAT)
    assert untouched(victim)


@pytest.mark.parametrize("flags", OPENINGS)
def test_only_a_regular_file_is_opened(root: Path, flags: int) -> None:
    os.mkfifo(root / "fifo")  # to open one waits for the other end, if nobody thinks of it
    with pytest.raises(BadEntry, match="'fifo' is not a regular file"):
        os.close(entries.open_file(root / "fifo", flags))
    with pytest.raises(FileNotFoundError) as found:
        entries.open_file(root / "missing", os.O_RDONLY)
    assert found.value.filename == str(root / "missing")


DEEDS: dict[str, Callable[[Path, Path], object]] = {
    "open": lambda path, root: entries.open_file(path, os.O_WRONLY | os.O_CREAT, root=root),
    "write": lambda path, root: entries.write_atomic(path, "x", root=root),
    "write new": lambda path, root: entries.write_new(path, "x", root=root),
    "make": lambda path, root: entries.make_private(path.parent, root),
    "aside": lambda path, root: entries.folder_aside(path, root).__enter__(),
    "rename": lambda path, root: entries.rename(path, root / "taken", root),
    "put": lambda path, root: entries.rename(root / "mine", path, root),
    "remove": lambda path, root: entries.remove(path, root),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_folder_that_is_a_link_is_not_gone_into(root: Path, victim: Path, deed: str) -> None:
    (root / "inner").mkdir()
    (root / "inner" / "export").symlink_to(victim)
    (root / "mine").write_text("mine")
    with pytest.raises(BadEntry, match="'inner/export' is a link"):
        DEEDS[deed](root / "inner" / "export" / "file", root)
    assert untouched(victim)
    assert (root / "mine").read_text() == "mine"


@pytest.mark.parametrize("deed", ["write", "write new", "make"])
def test_without_links_it_is_done(root: Path, deed: str) -> None:
    (root / "inner" / "export").mkdir(parents=True)
    DEEDS[deed](root / "inner" / "export" / "file", root)
    assert [one.name for one in (root / "inner" / "export").iterdir()] == ([] if deed == "make" else ["file"])


def test_a_file_is_replaced_whole_and_a_link_only_itself(root: Path, victim: Path) -> None:
    (root / "a.txt").symlink_to(victim / FILE)
    entries.write_atomic(root / "a.txt", "new")
    assert untouched(victim)
    assert (root / "a.txt").read_text() == "new"
    assert not (root / "a.txt").is_symlink()
    assert (root / "a.txt").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in root.iterdir()] == ["a.txt"]


def test_what_is_new_is_written_over_nothing(root: Path, victim: Path) -> None:
    (root / "a.txt").symlink_to(victim / "gone")
    assert not entries.write_new(root / "a.txt", "new")
    assert entries.write_new(root / "b.txt", "new", 0o644)
    assert untouched(victim)
    assert (root / "b.txt").read_text() == "new"
    assert sorted(one.name for one in root.iterdir()) == ["a.txt", "b.txt"]


def test_no_name_aside_can_be_foretold(root: Path) -> None:
    names = set()
    for _ in range(3):
        with entries.folder_aside(root / "export", root) as aside:
            assert entries.ASIDE.fullmatch(aside.name)
            assert aside.stat().st_mode & 0o777 == 0o700
            names.add(aside.name)
    assert len(names) == 3
    assert list(root.iterdir()) == []


def test_a_folder_aside_can_become_the_folder(root: Path) -> None:
    with entries.folder_aside(root / "deep" / "export", root) as aside:
        entries.write_atomic(aside / "file", "whole", root=root)
        entries.rename(aside, root / "deep" / "export", root)
    assert [one.name for one in (root / "deep").iterdir()] == ["export"]
    assert (root / "deep" / "export" / "file").read_text() == "whole"


def test_a_folder_that_is_swapped_for_a_link_again_and_again_leads_nobody_outside(root: Path, victim: Path) -> None:
    (root / "inner").mkdir()
    (root / "link").symlink_to(victim)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("inner", "kept"), ("link", "inner"), ("inner", "link"), ("kept", "inner")):
                (root / old).rename(root / new)

    thread = threading.Thread(target=swap)
    thread.start()
    done = {"written": 0, "refused": 0}
    try:
        while min(done.values()) < 15 and sum(done.values()) < 100_000:
            try:
                entries.write_atomic(root / "inner" / "file", "new", root=root)
                entries.remove(root / "inner" / "file", root)
                done["written"] += 1
            except OSError:
                done["refused"] += 1
    finally:
        stop.set()
        thread.join()
    assert untouched(victim)
    assert min(done.values()) >= 15


def test_the_first_link_is_named(root: Path, victim: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    assert entries.link_below(root / "a", root) is None
    assert entries.link_below(root / "nothing", root) is None
    (root / "a" / "b" / "one").symlink_to(victim)
    assert entries.link_below(root / "a", root) == root / "a" / "b" / "one"
    assert entries.link_below(root / "a", root, deep=False) is None
    (root / "c").symlink_to(victim)
    assert entries.link_below(root / "c", root) == root / "c"


def test_strays_of_the_dead_are_swept_and_what_is_written_stays(root: Path, victim: Path) -> None:
    child = ended_process()
    stray = root / f".loratui-{child}-0123456789ab.part"
    (root / "mine.part").write_text("another's")
    (root / f".loratui-{child}-ba9876543210.part").symlink_to(victim)
    stray.mkdir()
    (stray / "half").write_text("half")
    stray.with_name(f".loratui-{os.getppid()}-0123456789ab.part").write_text("of a living one")
    left = {one.name for one in root.iterdir()} - {stray.name}
    with entries.folder_aside(root / "export", root) as aside:
        entries.sweep(root)
        assert {one.name for one in root.iterdir()} == left | {aside.name}
    entries.sweep(root / "nothing")
    assert untouched(victim)


def test_what_is_old_is_swept_whoever_has_its_number(root: Path) -> None:
    stray = root / f".loratui-{os.getppid()}-0123456789ab.part"
    stray.write_text("half")
    os.utime(stray, (0, 0))
    entries.sweep(root)
    assert list(root.iterdir()) == []
