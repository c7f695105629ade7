"""What `loratui fix` does beyond putting right: the solutions that want the doctor's report, one option each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from loratui.curation.captions.bulk import Replacement
from loratui.curation.checks.best_pictures import good_words, keep_best, left_out
from loratui.curation.copies.crops import crop_size_words, crops_of
from loratui.curation.copies.folder import FixSettings
from loratui.curation.copies.masks import masks_of
from loratui.curation.people.persons import person_meant
from loratui.curation.report import PictureReport, Report
from loratui.curation.solutions import SOLVED_BY
from loratui.terminal.text import plural, safe_text


@dataclass(frozen=True)
class Asked:
    """The options: each is what `s` offers in the wizard."""

    crop: bool = False
    unbar: bool = False
    best: int = 0  # 0: all
    leave_out: tuple[str, ...] = ()  # codes of findings
    mask: str = ""  # face or person

    @property
    def of_the_report(self) -> bool:
        """Whether the pictures have to be looked at first."""
        return self != Asked()


def with_asked(
    settings: FixSettings, asked: Asked, report: Report, resolution: int
) -> tuple[FixSettings, tuple[str, ...]]:
    """`settings` with what was asked for, and what that comes to at a training resolution, a line each."""
    said = []
    out = {one.name for one in report.pictures if _codes(one) & set(asked.leave_out)}
    if asked.leave_out:
        said.append(f"{plural(len(out), 'picture')} skipped: {', '.join(asked.leave_out)}")
    skip = (*settings.skip, *sorted(out))
    if asked.best:
        best = keep_best(report, asked.best, skip)
        kept = {one.name for one in best}
        said += [f"  kept {safe_text(one.name)}: {one.reason}" for one in best]
        said += [f"  skipped {safe_text(name)}: {why}" for name, why in left_out(report, kept, skip)]
        said.append(f"the best {len(kept)} of {asked.best} asked for: {good_words(report, skip)}")
        skip = (*skip, *(one.name for one in report.pictures if one.name not in kept and one.name not in skip))
    left = [one for one in report.pictures if one.name not in skip]
    meant = person_meant(report.pictures)
    crops = crops_of((one for one in left if _solved_by(one, "crop")), meant) if asked.crop else {}
    barred = frozenset(one.name for one in left if _solved_by(one, "unbar")) if asked.unbar else frozenset()
    masks = masks_of(left, meant, asked.mask) if asked.mask else {}
    for there, what in ((asked.crop, crops), (asked.unbar, barred), (bool(asked.mask), masks)):
        if there:
            said.append(
                _count(
                    what, "cropped" if what is crops else "without bars" if what is barred else "with a mask", report
                )
            )
    if crops:
        said.append(crop_size_words(left, crops, resolution)[0])
    return replace(settings, skip=skip, crops=crops, barred=barred, masks=masks), tuple(said)


def replacing(pairs: Collection[tuple[str, str]]) -> Callable[[str], str]:
    """Each of the words replaced in turn, as whole words."""

    def change(caption: str) -> str:
        for find, put in pairs:
            caption = Replacement(find, put, whole_words=True)(caption)
        return caption

    return change


def _count(names: Collection[str], what: str, report: Report) -> str:
    hint = "" if names or report.kind == "face" else f"; checked as {report.kind}, --kind face looks for faces"
    return f"{plural(len(names), 'picture')} {what}{hint}"


def _codes(one: PictureReport) -> set[str]:
    return {each.code for each in one.findings}


def _solved_by(one: PictureReport, name: str) -> bool:
    return any(name in SOLVED_BY.get(code, ()) for code in _codes(one))
