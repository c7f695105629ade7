"""What is only seen over the whole set: how many, how varied, how often each is seen, and that in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from loratui.curation.checks.best_pictures import good_ones, good_words, keep_best
from loratui.curation.people.framing import PEOPLE, mix
from loratui.curation.report import Finding, PictureReport, Report
from loratui.terminal.text import plural, safe_text
from trainer.contract.plan.views import MOST, views_sentence
from trainer.contract.settings.arithmetic import views_per_image

# the post's faces 6 to 10, its mascot 31, its style 27 (14 of them did too), DreamBooth's things 4 to 6
WANTED = {"face": (6, 10), "object": (4, 10), "character-style": (8, 60), "style": (8, 60), "one-picture": (1, 1)}
ENOUGH = 4  # pictures before their variety is spoken of
SEVERAL = 3  # pictures with the same clothes, or ground, before it is said
SHOOTING = 0.6  # of the set in one look


def set_findings(report: Report) -> tuple[Finding, ...]:
    """The findings on number and variety; `report` holds what is known of the pictures."""
    return (*_number(report), *_looks(report))


def views_findings(
    images: int, steps: int, batch: int, kind: str = "", base: str = "", good: int = 0
) -> tuple[Finding, ...]:
    """How often each picture would be seen at the planned steps; nothing where they suit, or are not planned yet."""
    said, _, remedy = views_sentence(steps, batch, images, kind, base, good).partition("; ")
    if not said:
        return ()
    views = views_per_image(steps, batch, images)
    if views > MOST:
        return (Finding("many-views", "hint", "", round(views, 1), said, remedy),)
    return (Finding("few-views", "hint", "", round(views, 1), said, remedy),)


def with_views(report: Report, images: int, steps: int, batch: int, base: str = "", good: int = 0) -> Report:
    """`report` with what is said of the views, once the steps are known; `good`: as many as the preset counts."""
    others = tuple(one for one in report.findings if one.code not in ("many-views", "few-views"))
    return replace(report, findings=(*others, *views_findings(images, steps, batch, report.kind, base, good)))


def summary(report: Report) -> tuple[str, ...]:
    """What the set shows, a sentence each; what is left to decide is said by loratui.curation.groups."""
    pictures = report.pictures
    lines = []
    seen = [one for one in pictures if one.faces is not None]
    if seen and report.kind in PEOPLE:
        parts = [f"{count} {word}" for word, count in mix(pictures).items() if count]
        none = sum(one.faces == 0 for one in seen)
        parts += [f"{none} without a face"] if none else []
        lines.append(f"Framing: {', '.join(parts)}.")
    return (*lines, *_variety(pictures))


def _variety(pictures: Sequence[PictureReport]) -> list[str]:
    """The score of the set in words: how many different things its pictures show."""
    open_ones = [one for one in pictures if one.judged]
    if len(open_ones) < ENOUGH:
        return []
    first = [one for one in open_ones if not one.better]
    looks = len({one.look for one in first if one.look is not None}) + sum(one.look is None for one in first)
    share = looks / len(open_ones)
    word = "varied" if share >= 0.8 else "fairly varied" if share >= 0.5 else "little varied"
    twice = len(open_ones) - len(first)
    repeated = f", {twice} of them of a photograph that is there already" if twice else ""
    return [f"Variety: {word}; {plural(looks, 'look')} among {plural(len(open_ones), 'picture')}{repeated}."]


def _number(report: Report) -> list[Finding]:
    count = sum(one.opens for one in report.pictures)
    least, most = WANTED.get(report.kind, (1, 10_000))
    if not count:
        return []
    if count < least:
        said = f"{plural(count, 'picture')}; {least} to {most} are good for kind {report.kind}"
        return [Finding("few-pictures", "hint", "", count, said, "add some that show it in other places and light")]
    if count > most and report.kind in ("face", "object"):
        wanted = most - 2 if report.kind == "face" else most
        kept = keep_best(report, wanted)
        names = ", ".join(safe_text(one.name, 30) for one in kept)
        few = f" ({good_words(report)})" if len(kept) < wanted else ""
        best = f"the best {len(kept)} would be {names}" if kept else "none of these would be kept"
        said = f"{plural(count, 'picture')}: fewer and better ones teach more; {best}{few}"
        reasons = {one.name: one.reason for one in kept}
        remedy = "keep the best: the reasons are shown there" if kept else "add better ones: none of these is good"
        return [Finding("many-pictures", "hint", "", reasons, said, remedy)]
    return []


def _looks(report: Report) -> list[Finding]:
    """Groups of one backdrop and one set of clothes; where faces tell both apart, also of one of them alone."""
    pictures, good = report.pictures, {one.name for one in good_ones(report)}
    judged = sum(one.judged for one in pictures)
    found = []
    for members in _groups([one.look for one in pictures], pictures):
        count, names, what = len(members), [one.name for one in members], _shared(members)
        if judged >= ENOUGH and count >= SHOOTING * judged:
            said = f"{count} of {judged} look like one photo shoot, {what}: {_shown(names)}"
            found.append(Finding("one-shooting", "hint", "", names, said, "add some from other days and places"))
        else:
            said = f"{count} share their colours, likely {what}: {_shown(names)}"
            remedy = "add better ones: none of them is good" if good.isdisjoint(names) else "keep the best of them"
            found.append(Finding("same-look", "hint", "", names, said, remedy))
    return [*found, *_worn_or_behind(pictures)]


def _worn_or_behind(pictures: Sequence[PictureReport]) -> list[Finding]:
    """Clothes, or a backdrop, that come again in photographs which differ as a whole."""
    first = [one for one in pictures if not one.better]
    found = []
    for names in _again(first, [one.clothes for one in first]):
        said = f"{len(names)} show clothes of the same colours: {_shown(names)}"
        found.append(Finding("same-clothes", "hint", "", names, said, "add some in other clothes"))
    for names in _again(first, [one.ground for one in first]):
        said = f"{len(names)} show a backdrop of the same colours: {_shown(names)}"
        found.append(Finding("same-ground", "hint", "", names, said, "add some in other places"))
    return found


def _again(pictures: Sequence[PictureReport], numbers: Sequence[int | None]) -> list[list[str]]:
    """The names of those with one number, where they are several and not all of one look: that was told already."""
    groups = _groups(numbers, pictures)
    looks = [{one.look for one in members} for members in groups]
    return [
        [one.name for one in members]
        for members, its in zip(groups, looks, strict=True)
        if len(members) >= SEVERAL and (len(its) > 1 or None in its)
    ]


def _groups(numbers: Sequence[int | None], pictures: Sequence[PictureReport]) -> list[list[PictureReport]]:
    """The pictures of each number, the largest group first."""
    groups: Counter[int] = Counter(one for one in numbers if one is not None)
    return [
        [one for one, its in zip(pictures, numbers, strict=True) if its == number] for number, _ in groups.most_common()
    ]


def _shared(members: Sequence[PictureReport]) -> str:
    """What a group of one look shares, as far as the faces in it tell."""
    clothes, ground = ({getattr(one, name) for one in members} for name in ("clothes", "ground"))
    worn, behind = (len(one) == 1 and None not in one for one in (clothes, ground))
    if worn or behind:
        both = worn and behind
        return "one backdrop and one set of clothes" if both else "one set of clothes" if worn else "one backdrop"
    return "one backdrop or one set of clothes"


def _shown(names: Sequence[str]) -> str:
    return ", ".join(safe_text(name, 30) for name in names[:4]) + (" ..." if len(names) > 4 else "")
