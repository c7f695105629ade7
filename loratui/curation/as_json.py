"""The report as the JSON of `loratui check --json`."""

from __future__ import annotations

import json
from typing import Any

from loratui.curation.report import Finding, PictureReport, Report

VERSION = 1


def report_json(report: Report) -> str:
    """One JSON object; paths are relative to the folder, what was not checked is null and named in not_checked."""
    words = {
        "version": VERSION,
        "dir": str(report.folder),
        "kind": report.kind,
        "pictures": {one.name: _picture(one) for one in report.pictures},
        "set": [_finding(one, of_set=True) for one in report.findings],
        "not_checked": list(report.not_checked),
    }
    return json.dumps(words, indent=1)


def _picture(one: PictureReport) -> dict[str, Any]:
    return {
        "opens": one.opens,
        "width": one.width,
        "height": one.height,
        "faces": one.faces,
        "framing": one.framing,
        "persons": list(one.persons),
        "blurry": one.blurry,
        "upscaled": one.upscaled,
        "duplicates": list(one.duplicates),
        "caption": one.caption,
        "findings": [_finding(finding) for finding in one.findings],
    }


def _finding(one: Finding, of_set: bool = False) -> dict[str, Any]:
    words = {"code": one.code, "severity": one.severity, "value": one.value}
    if of_set:
        words |= {"file": one.file, "files": list(one.files)}
    return {**words, "message": one.message, "remedy": one.remedy}
