"""Data sets as people publish them, made on the spot with `datasets`: parquet with a card, save_to_disk, webdataset."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

SHA = "a" * 40
FORMATS = ("PNG", "JPEG", "WEBP", "PNG")
CAPTIONS = tuple(f"a TOK blob, number {number}" for number in range(len(FORMATS)))
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: {path}
---
Icons.
"""


def encoded(number: int, kind: str = "PNG") -> bytes:
    """A picture that no other number gives, as the bytes of a file."""
    picture = Image.new("RGB", (96, 96), (250, 40 * number % 256, 90))
    ImageDraw.Draw(picture).ellipse((8 + 4 * number, 10, 50, 60), fill=(20, 80, 30 * number % 256))
    into = io.BytesIO()
    picture.save(into, kind)
    return into.getvalue()


PICTURES = tuple(encoded(number, kind) for number, kind in enumerate(FORMATS))


def table(rows: Sequence[dict[str, Any]] | None = None, column: str = "prompt") -> Any:
    """A Dataset with the columns image and `column`; `rows` are the picture structs, in place of the four good ones."""
    import datasets

    images = rows or [{"bytes": one, "path": f"../../{number}.x"} for number, one in enumerate(PICTURES)]
    features = datasets.Features({"image": datasets.Image(), column: datasets.Value("string")})
    texts = [CAPTIONS[number % len(CAPTIONS)] for number in range(len(images))]
    return datasets.Dataset.from_dict({"image": list(images), column: texts}, features=features)


def parquet_folder(folder: Path, made: Any = None, path: str = "data/train-*") -> Path:
    """The layout of push_to_hub: a card and data/train-00000-of-00001.parquet."""
    import pyarrow.parquet

    (folder / "data").mkdir(parents=True)
    made = table() if made is None else made
    # written as it is: to_parquet would open the paths that a hostile row names
    pyarrow.parquet.write_table(made.data.table, folder / "data" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD.format(path=path))
    return folder


def webdataset_folder(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    """One tar of pictures with a .txt each, and members of other names if wanted."""
    folder.mkdir(parents=True)
    members = {f"{number}.png": encoded(number) for number in range(4)}
    members |= {f"{number}.txt": CAPTIONS[number].encode() for number in range(4)}
    with tarfile.open(folder / "train-0000.tar", "w") as archive:
        for name, data in sorted({**members, **(extra or {})}.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


def hub_cache(home: Path, source: Path, name: str = "LinoyTsaban/3d_icon") -> Path:
    """What huggingface_hub leaves in HF_HOME after a download: blobs, a snapshot of links to them, a ref."""
    repository = home / "hub" / f"datasets--{name.replace('/', '--')}"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(SHA)
    for number, file in enumerate(sorted(one for one in source.rglob("*") if one.is_file())):
        blob = repository / "blobs" / f"{number:040x}"
        shutil.copy(file, blob)
        link = repository / "snapshots" / SHA / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return repository
