"""What became of a folder of pictures between two looks at it, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.terminal.text import plural

if TYPE_CHECKING:
    from loratui.curation.report import Report


def what_changed(before: Report, now: Report) -> str:
    """Pictures, captions and findings that are new, gone or others; "nothing changed." where none is."""
    old, new = ({one.name: one for one in report.pictures} for report in (before, now))
    both = old.keys() & new.keys()
    others = [name for name in both if old[name].sha256 != new[name].sha256]
    captions = [name for name in both if old[name].caption != new[name].caption]
    was, found = ({(one.code, one.file) for one in report.all_findings} for report in (before, now))
    parts = [
        _part(len(new.keys() - old.keys()), "picture", "new"),
        _part(len(old.keys() - new.keys()), "picture", "gone"),
        _part(len(others), "picture", "changed"),
        _part(len(captions), "caption", "changed"),
        _part(len(was - found), "finding", "gone"),
        _part(len(found - was), "finding", "new"),
    ]
    return f"{', '.join(one for one in parts if one) or 'nothing changed'}."


def _part(count: int, what: str, became: str) -> str:
    return f"{plural(count, what)} {became}" if count else ""
