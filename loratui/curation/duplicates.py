"""Which pictures are the same file twice, by the hash of their content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from loratui.curation.report import Finding, PictureReport
from loratui.text import safe_text


def with_duplicates(pictures: Iterable[PictureReport]) -> tuple[PictureReport, ...]:
    """Each picture told which others have its content; the warning stands with all but the first."""
    pictures = tuple(pictures)
    same: dict[str, list[str]] = defaultdict(list)
    for one in pictures:
        if one.sha256 and one.opens:
            same[one.sha256].append(one.name)
    return tuple(_told(one, same.get(one.sha256, [])) for one in pictures)


def _told(picture: PictureReport, names: list[str]) -> PictureReport:
    others = tuple(name for name in names if name != picture.name)
    if not others or not picture.opens:
        return picture
    told = replace(picture, duplicates=others)
    if picture.name == names[0]:
        return told
    said = f"the same file as {safe_text(names[0])}: it would count twice"
    finding = Finding("duplicate", "warn", picture.name, names[0], said, "skip one of the two")
    return replace(told, findings=(*told.findings, finding))
