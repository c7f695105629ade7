"""Files of a folder that others made are opened where they lie in it, and nothing else is, whatever points to it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.contract.pictures.inside import LEAVES, NotInside, open_inside, read_inside, stands, why_not_inside

SECRET = "machine git.example login anna password hunter2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    (place / "captions").mkdir(parents=True)
    (place / "a.txt").write_text("a TOK")
    (place / "captions" / "b.txt").write_text("b TOK")
    (tmp_path / "netrc").write_text(SECRET)
    return place


def to_secret(place: Path) -> None:
    place.symlink_to("../netrc")


def to_proc(place: Path) -> None:
    place.symlink_to("/proc/self/environ")


def over_another_link(place: Path) -> None:
    place.with_name("between").symlink_to("../netrc")
    place.symlink_to("between")


def pipe(place: Path) -> None:
    os.mkfifo(place)


def to_pipe(place: Path) -> None:
    os.mkfifo(place.with_name("pipe"))
    place.symlink_to("pipe")


def bound(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place))


def to_device(place: Path) -> None:
    place.symlink_to("/dev/zero")


KINDS: dict[Callable[[Path], None], str] = {
    to_secret: LEAVES,
    over_another_link: LEAVES,
    to_proc: LEAVES,
    to_device: LEAVES,
    pipe: "a named pipe",
    to_pipe: "a named pipe",
    bound: "a socket",
}


@pytest.mark.parametrize("make", KINDS)
def test_what_leaves_and_what_is_no_file_is_named_and_not_read(
    folder: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # a socket's path is short
    make(Path("x.txt"))
    for path in (Path("x.txt"), folder / "x.txt"):
        with pytest.raises(NotInside) as refused:
            open_inside(path)
        assert refused.value.strerror == why_not_inside(path) == KINDS[make]
        assert read_inside(path, 1000) is None and stands(path)


def test_what_lies_in_the_folder_is_read_by_whatever_links(folder: Path, tmp_path: Path) -> None:
    (folder / "x.txt").symlink_to("captions/b.txt")
    (folder / "y.txt").symlink_to(folder / "x.txt")
    (tmp_path / "named").symlink_to("set")  # the person's own link to the folder is the folder
    assert read_inside(folder / "y.txt", 100) == read_inside(tmp_path / "named" / "y.txt", 100) == b"b TOK"
    assert read_inside(folder / "a.txt", 4) is None and why_not_inside(folder / "a.txt") == ""


def test_a_root_is_wider_than_the_files_own_folder(folder: Path) -> None:
    (folder / "captions" / "a.txt").symlink_to("../a.txt")
    assert read_inside(folder / "captions" / "a.txt", 100) is None
    assert read_inside(folder / "captions" / "a.txt", 100, folder) == b"a TOK"
    (folder / "texts").symlink_to("..")
    assert read_inside(folder / "texts" / "netrc", 100, folder) is None


def test_nothing_there_is_no_reason(folder: Path) -> None:
    (folder / "gone").symlink_to("nowhere")
    (folder / "self").symlink_to("self")
    for name in ("gone", "self", "none", "zero\0", "n" * 300):
        assert why_not_inside(folder / name) == "" and not stands(folder / name)
        assert read_inside(folder / name, 100) is None
    assert why_not_inside(folder / "captions") == "a folder" and not stands(folder / "captions")


def test_a_snapshot_of_the_hub_reads_from_its_store_and_no_other(tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    repository = hub / "datasets--ann--pets"
    snapshot = repository / "snapshots" / "main"
    for place in (snapshot / "train", repository / "blobs", hub / "blobs" / "ab"):
        place.mkdir(parents=True)
    (repository / "blobs" / "1").write_text("own")
    (hub / "blobs" / "ab" / "2").write_text("shared")
    (repository / "blobs" / "2").symlink_to("../../blobs/ab/2")
    (repository / "secret").write_text(SECRET)
    for name in ("blobs/1", "blobs/2", "secret"):
        (snapshot / "train" / Path(name).name).symlink_to(f"../../../{name}")

    def found() -> list[bytes | None]:
        return [read_inside(snapshot / "train" / name, 100) for name in ("1", "2", "secret")]

    assert found() == [b"own", None, None]
    (hub / "blobs" / ".huggingface-shared-blobs").write_text("1\n")
    assert found() == [b"own", b"shared", None]
    (repository / "blobs").rename(tmp_path / "elsewhere")
    (repository / "blobs").symlink_to(tmp_path / "elsewhere")  # a store that anybody could point anywhere
    assert found()[0] is None


def test_a_link_that_is_put_in_a_files_place_meanwhile_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swapped = os.path.realpath, []

    def resolved(path: Path, *, strict: bool = False) -> str:
        """As `os.path.realpath`; once it knows the file, another process changes what stands there."""
        found = real(path, strict=strict)
        if not swapped and found.endswith("b.txt"):
            swapped.append(found)
            (folder / "captions").rename(tmp_path / "aside")
            (folder / "captions").symlink_to(tmp_path)
            (tmp_path / "b.txt").write_text(SECRET)
        return found

    monkeypatch.setattr(os.path, "realpath", resolved)
    with pytest.raises(NotInside):
        open_inside(folder / "captions" / "b.txt", folder)
    assert swapped
