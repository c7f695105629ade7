"""Who is in the pictures: one person or several, in which pictures each, and which of several faces is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from loratui.curation.people.faces import Face
from loratui.curation.people.framing import PEOPLE
from loratui.curation.people.identity import same_persons
from loratui.curation.report import Box, Finding, PictureReport, spoilt
from loratui.terminal.text import plural, safe_text

LEAST = 3  # pictures that a person is in before it is she who is meant
SHARE = 0.5  # of the pictures with a known face, before another one is called somebody else
SHOWN = 3  # persons that are told one by one
# what makes a face hard to know: such a picture does not say who is meant
UNSURE = frozenset(["damaged", "noisy", "coarse-jpeg", "blurred", "pixelated", "posterised", "too-dark", "too-bright"])
OTHER = "other-person"  # the finding of a picture of somebody else
LETTERS = "ABC"
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")


def with_persons(pictures: Sequence[PictureReport], faces: Sequence[Sequence[Face]]) -> list[PictureReport]:
    """Each picture with a number for each of its faces, beside `boxes`: 0 is the person who is in most pictures."""
    numbers = iter(same_persons([face.feature for each in faces for face in each]))
    persons = [tuple(next(numbers) for _ in each) for each in faces]
    counts = Counter(number for each in persons for number in set(each) if number is not None)
    rank = {number: place for place, (number, _) in enumerate(counts.most_common())}
    ranked = [tuple(None if one is None else rank[one] for one in each) for each in persons]
    return [replace(picture, persons=each) for picture, each in zip(pictures, ranked, strict=True)]


def counts_of(pictures: Sequence[PictureReport]) -> list[int]:
    """In how many pictures each person is, the most first."""
    counts = Counter(number for one in pictures for number in set(one.persons) if number is not None)
    return [counts[number] for number in sorted(counts)]


def person_meant(pictures: Sequence[PictureReport]) -> int | None:
    """The number of who is in more pictures than anybody else, and in some; None where that is nobody."""
    counts = _without_copies(pictures).most_common(2)
    if not counts or counts[0][1] < LEAST or (len(counts) > 1 and counts[1][1] == counts[0][1]):
        return None
    return counts[0][0]


def _without_copies(pictures: Sequence[PictureReport]) -> Counter[int]:
    """In how many pictures each person is; several copies of one photograph are one, and spoiled faces none."""
    return Counter(number for one in pictures if _counts(one) for number in set(one.persons) if number is not None)


def _counts(one: PictureReport) -> bool:
    return not one.better and spoilt(one).isdisjoint(UNSURE)


def is_someone_else(one: PictureReport, meant: int | None) -> bool:
    """Whether every face of a picture is known, and none is the person meant."""
    return meant is not None and bool(one.persons) and None not in one.persons and meant not in one.persons


def face_meant(one: PictureReport, meant: int | None) -> Box | None:
    """Which of several faces is the person meant; None where there is one face, or it is not known."""
    if meant is None or len(one.persons) < 2 or one.persons.count(meant) != 1:
        return None
    return one.boxes[one.persons.index(meant)]


def with_person_findings(pictures: Sequence[PictureReport], kind: str) -> tuple[PictureReport, ...]:
    """Who is somebody else is told, a hint; where several faces are warned of, which one is meant."""
    meant = person_meant(pictures) if kind in PEOPLE else None
    if meant is None:
        return tuple(pictures)
    known = sum(any(number is not None for number in one.persons) for one in pictures if _counts(one))
    sure = _without_copies(pictures)[meant] >= SHARE * known
    count = sum(meant in one.persons for one in pictures)
    return tuple(_told(one, meant, count, sure) for one in pictures)


def _told(one: PictureReport, meant: int, count: int, sure: bool) -> PictureReport:
    if sure and is_someone_else(one, meant):
        said = f"judging by the face, not the person in {plural(count, 'other picture')}"
        remedy = "look at it: keep it if it is the same person after all, otherwise skip it"
        found = Finding(OTHER, "hint", one.name, count, said, remedy)
        return replace(one, findings=(*one.findings, found))
    box = face_meant(one, meant)
    if box is None:
        return one
    return replace(one, findings=tuple(_which(each, one, box, count) for each in one.findings))


def _which(found: Finding, one: PictureReport, box: Box, count: int) -> Finding:
    if found.code != "several-faces":
        return found
    place = sorted(each[0] for each in one.boxes).index(box[0])
    where = PLACES[place] if place < len(PLACES) else f"{place + 1}th"
    who = f"the {where} from the left is the person of {plural(count - 1, 'other picture')}"
    return replace(found, message=f"{found.message}; {who}", remedy="crop to that person, or skip it")


def person_findings(pictures: Sequence[PictureReport], kind: str) -> tuple[Finding, ...]:
    """ "2 persons by their faces: A in 9 pictures, B in 2", a hint; nothing where one is in all of them."""
    counts = counts_of(pictures)
    known = [one for one in pictures if any(number is not None for number in one.persons)]
    if kind not in PEOPLE or len(counts) < 2 or all(0 in one.persons for one in known):
        return ()
    more = [(letter, count) for letter, count in zip(LETTERS, counts, strict=False) if count > 1]
    parts = [f"{letter} in {_pictures(count, _names(pictures, number))}" for number, (letter, count) in enumerate(more)]
    rest = len(counts) - len(more)
    if rest:
        few = "one" if counts[len(more)] == 1 else f"{counts[len(more)]} or fewer"
        parts.append(f"{'the others' if more else 'each'} in {few}")
    said = f"{plural(len(counts), 'person', 'people')} by their faces: {', '.join(parts)}"
    remedy = "keep the pictures of one person; faces in profile or behind glasses may be told apart wrongly"
    return (Finding("several-persons", "hint", "", counts, said, remedy),)


def _pictures(count: int, names: Sequence[str]) -> str:
    shown = ", ".join(safe_text(name, 30) for name in names[:SHOWN])
    return f"{count} ({shown}{' ...' if count > SHOWN else ''})"


def _names(pictures: Sequence[PictureReport], number: int) -> list[str]:
    return [one.name for one in pictures if number in one.persons]
