"""The rows of a data set on this disk, one after the other: a picture's own bytes and its caption, nothing decoded."""

from __future__ import annotations

import csv
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.documents.parsers import parse_json
from trainer.contract.paths import os_words
from trainer.contract.pictures.folder import METADATA, NoDataset, list_pictures
from trainer.contract.pictures.formats import ENDINGS, is_picture
from trainer.contract.pictures.inside import open_inside, read_inside, why_not_inside
from trainer.contract.pictures.opening import MAX_BYTES
from trainer.contract.pictures.problems import stopping
from trainer.contract.pictures.sources import SAVED, NoColumn
from trainer.contract.settings.config import BY_KEY

READERS = ("parquet", "arrow", "webdataset")  # the readers of `datasets` that take pictures as bytes, never as paths
TEXTS = ("string", "large_string", "string_view")
LARGEST = 64 << 20  # bytes of what describes a data set
# webdataset hands other members to decoders of their own, torch.load among them
TAR_MEMBERS = ENDINGS | {".txt", ".text", ".json", ".cls", ".id", ".index"}


@dataclass(frozen=True)
class WantedRows:
    """Which part of a data set: the caption's column ("": none), the configuration ("" is its default), the split."""

    column: str
    subset: str = ""
    split: str = "train"


@dataclass(frozen=True)
class PictureRow:
    """One picture as it was put into the data set; `picture` is None where the row holds no bytes of its own."""

    picture: bytes | None
    caption: str


@dataclass(frozen=True)
class Rows:
    """The rows in order; `total` is 0 where nobody knows it beforehand. `captioned`: whether there are captions."""

    rows: Iterator[PictureRow]
    total: int
    captioned: bool


def open_rows(folder: Path, wanted: WantedRows) -> Rows:
    """Open the data set in `folder`. No code of it is run and no path that it names is followed.

    Raises NoColumn with the columns that hold text, or NoDataset with a sentence.
    """
    pictures = _picture_folder(folder, wanted.split)
    if pictures is not None:
        return _loose(pictures, wanted)
    saved = any((folder / name).is_file() for name in SAVED)
    table, total = (_saved if saved else _files)(folder, wanted)
    features = table.features or {}
    image, caption = _image_column(features), _caption_column(features, wanted.column)
    from datasets import Image

    kept = table.select_columns([image, *([caption] if caption else [])])
    if isinstance(features[image], Image):
        kept = kept.cast_column(image, Image(decode=False))
    rows = (PictureRow(_bytes(row[image]), (row[caption] or "") if caption else "") for row in kept)
    return Rows(rows, total, caption is not None)


def _bytes(value: Any) -> bytes | None:
    own = value.get("bytes") if isinstance(value, dict) else value
    return own if isinstance(own, bytes) else None


def _image_column(features: Any) -> str:
    from datasets import Image

    found = next((name for name, one in features.items() if isinstance(one, Image)), None)
    if found is None and "image" in features:
        found = "image"
    if found is None:
        raise NoDataset(f"the data set has no column of pictures; its columns are {', '.join(features) or 'none'}")
    return found


def _caption_column(features: Any, column: str) -> str | None:
    """The column; None where none is wanted, or where there is no text and nobody asked for a certain one."""
    if not column:
        return None
    texts = tuple(name for name, one in features.items() if getattr(one, "dtype", "") in TEXTS)
    if column in texts:
        return column
    if not texts and column == BY_KEY["dataset.caption_column"].default:
        return None
    raise _no_column(column, tuple(features), texts)


def _no_column(column: str, columns: tuple[str, ...], texts: tuple[str, ...]) -> NoColumn:
    what = "is not text" if column in columns else "is not there"
    said = f"the caption column '{column}' {what}; the columns are {', '.join(columns)}"
    return NoColumn(f"{said}: name one with --caption-column or dataset.caption_column", texts)


# -- a folder that save_to_disk wrote ---------------------------------------------------------------------------------


def _saved(folder: Path, wanted: WantedRows) -> tuple[Any, int]:
    from datasets import Dataset

    root = folder
    if (folder / "dataset_dict.json").is_file():
        names = _list(_json(folder / "dataset_dict.json", root).get("splits"))
        folder = folder / _plain(_chosen(wanted.split, [str(one) for one in names]))
    told = _list(_json(folder / "state.json", root).get("_data_files"))
    files = [_plain(str(one.get("filename", ""))) for one in told if isinstance(one, dict)]
    for name in ("state.json", "dataset_info.json", *files):
        _refuse_outside(folder / name, root)
    table = Dataset.load_from_disk(str(folder), keep_in_memory=False).with_format(None)
    return table, len(table)


def _json(path: Path, root: Path) -> dict[str, Any]:
    try:
        with open_inside(path, root) as file:
            raw = file.read(LARGEST)
    except (OSError, ValueError) as error:
        raise NoDataset(f"{path.name} cannot be read: {os_words(error)}") from None
    found = parse_json(raw, dict)
    if found.value is None:
        raise NoDataset(f"{path.name}: {found.reason}")
    return found.value


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _refuse_outside(path: Path, folder: Path) -> None:
    """Raise NoDataset for what the readers, which follow links, would find outside of the data set's `folder`."""
    if not path.is_relative_to(folder) and not path.is_relative_to(folder.resolve()):
        raise NoDataset(f"the data set names '{path}', which lies outside of its folder; it is not opened")
    if what := why_not_inside(path, folder):
        raise NoDataset(f"'{path.name}' of the data set is {what}; it is not opened")


def _plain(name: str) -> str:
    if Path(name).name != name:
        raise NoDataset(f"the data set names {name!r}, which is not a file of its own folder; it is not opened")
    return name


# -- parquet, arrow and webdataset files ------------------------------------------------------------------------------


def _files(folder: Path, wanted: WantedRows) -> tuple[Any, int]:
    from datasets import load_dataset_builder

    _check_card(folder)
    builder = load_dataset_builder(str(folder.resolve()), name=wanted.subset or None)
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in READERS:
        known = ", ".join(READERS)
        raise NoDataset(f"the data set is of the kind '{kind}', where a row may name any path; {known} are read")
    files = {str(split): [Path(str(one)) for one in paths] for split, paths in builder.config.data_files.items()}
    for path in (one for paths in files.values() for one in paths):
        _refuse_outside(path, folder)
    split = _chosen(wanted.split, list(files))
    if kind == "webdataset":
        _check_tars(files[split])
    known = (builder.info.splits or {}).get(split)
    return builder.as_streaming_dataset(split=split), int(getattr(known, "num_examples", 0) or 0)


def _check_card(folder: Path) -> None:
    """Refuse a card that leads out of the folder, before anything follows it."""
    from huggingface_hub import DatasetCard

    if (folder / ".huggingface.yaml").exists():
        raise NoDataset("the data set has a .huggingface.yaml, which is not read; remove it")
    if not (folder / "README.md").is_file():
        return
    _refuse_outside(folder / "README.md", folder)
    card = DatasetCard.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict()
    for word in _words(card.get("configs")):
        if re.search(r"://|::|^[/~\\]|(^|/)\.\.(/|$)", word):
            raise NoDataset(f"the card of the data set names {word!r}, which leads out of its folder; it is not opened")


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _words(one)


def _check_tars(paths: Iterable[Path]) -> None:
    for path in paths:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() not in TAR_MEMBERS:
                    raise NoDataset(f"{path.name} holds {member.name!r}; only pictures, .txt and .json are read")


def _chosen(wanted: str, names: list[str]) -> str:
    if wanted in names:
        return wanted
    if len(names) == 1 and wanted == BY_KEY["dataset.split"].default:
        return names[0]
    raise NoDataset(f"the data set has no split '{wanted}'; it has {', '.join(names) or 'none'}: set dataset.split")


# -- pictures that lie in a repository of the hub as they are ---------------------------------------------------------


def _picture_folder(folder: Path, split: str) -> Path | None:
    for name in ("", split, f"data/{split}", "data", "images"):
        inside = folder / name
        if not inside.resolve().is_relative_to(folder.resolve()):
            continue  # a link to another folder
        if inside.is_dir() and any(is_picture(one) for one in inside.iterdir()):
            return inside
    return None


def _loose(folder: Path, wanted: WantedRows) -> Rows:
    columns = _metadata_columns(folder)
    texts = tuple(name for name in columns if name != "file_name")
    if columns and wanted.column and wanted.column not in texts:
        raise _no_column(wanted.column, columns, texts)
    listing = list_pictures(folder, wanted.column or BY_KEY["dataset.caption_column"].default)
    if wanted.column and (stopped := stopping(listing.problems)):
        raise NoDataset("; ".join(f"{one.message}; {one.remedy}" for one in stopped[:3]))
    captioned = bool(wanted.column) and any(one.caption is not None for one in listing.pictures)
    rows = (PictureRow(read_inside(one.path, MAX_BYTES), one.caption or "") for one in listing.pictures)
    return Rows(rows, len(listing.pictures), captioned)


def _metadata_columns(folder: Path) -> tuple[str, ...]:
    """The columns that the first row of the metadata has; none without metadata."""
    for name in METADATA:
        try:
            with open_inside(folder / name) as file:
                first = file.readline(1 << 20).decode("utf-8-sig")
            if not name.endswith(".jsonl"):
                return tuple(next(csv.reader([first])))
            row = parse_json(first, dict)
            if row.value is None:
                raise ValueError(row.reason)
            return tuple(row.value)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, StopIteration, csv.Error):
            raise NoDataset(f"{name} cannot be read") from None
    return ()
