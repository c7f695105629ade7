"""How much of a person a picture shows, told by the face's height, and what is said of faces."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.curation.people.faces import Face
from loratui.curation.report import Finding, PictureReport, Severity
from loratui.terminal.text import plural

CLOSE_UP, HALF, FULL = 0.38, 0.105, 0.055  # face height over picture height; 112 of 117 right (design/curation.md)
CHEST, KNEES = 1.3, 4.5  # heights of the face below the chin that a picture shows of the body, or more
FRAMINGS = ("close-up", "half", "full", "far")
STANDS = {1: "lies on its side, to the right", 2: "is upside down", 3: "lies on its side, to the left"}
BYSTANDER = 0.9  # as sure as a person's face is: dogs, toys and clocks have up to 0.88
PEOPLE = ("face",)  # kinds whose pictures should show one face each
ENOUGH = 5  # pictures with a face before their mix is spoken of


def counted(faces: Sequence[Face], kind: str) -> tuple[Face, ...]:
    """The faces that count: where no person is taught only the surest, for dogs and clocks look like faces too."""
    return tuple(one for one in faces if one.score >= BYSTANDER or kind in PEOPLE)


def framing(faces: Sequence[Face]) -> str | None:
    """close-up, half, full or far, by the largest face and by how much of the body has room below it; None without one.

    A wide picture in which a small face is low shows no legs, and one with a large face high up shows the chest.
    """
    if not faces:
        return None
    _, top, _, height = faces[0].box
    below = (1 - top - height) / height
    if height < FULL:
        return "far"
    if height >= CLOSE_UP and below < CHEST:
        return "close-up"
    return "full" if height < HALF and below >= KNEES else "half"


def face_findings(
    name: str, faces: Sequence[Face], kind: str, drawn: bool = False, turns: int = 0
) -> tuple[Finding, ...]:
    """What the faces of one picture mean for what is taught; `faces` as `counted` gives them."""
    if kind not in PEOPLE:
        return _bystanders(name, faces)
    if turns:
        said = f"the face {STANDS[turns]}: it would be learned that way"
        lies = Finding("not-upright", "warn", name, 90 * turns, said, "turn it (loratui fix does), or skip it")
        return (lies, *(face_findings(name, faces, kind) if faces else ()))
    if not faces:
        said = "no face was found; a person from behind or in profile is not seen"
        severity: Severity = "hint" if drawn else "warn"  # drawn faces are often not seen
        return (Finding("no-face", severity, name, 0, said, "skip it, unless it shows the person all the same"),)
    found = []
    if len(faces) > 1:
        said = f"{plural(len(faces), 'face')}: it would not know which one to learn"
        found.append(Finding("several-faces", "warn", name, len(faces), said, "crop to one person, or skip it"))
    elif not faces[0].sure:
        said = "what may be a face: turned, covered, or none"
        found.append(Finding("unsure-face", "hint", name, round(faces[0].score, 2), said, "look at it"))
    if framing(faces) == "far":
        share = round(faces[0].box[3], 3)
        said = f"the subject is far away: its face has {share:.1%} of the picture's height"
        found.append(Finding("far-away", "warn", name, share, said, "crop closer, or skip it"))
    return tuple(found)


def _bystanders(name: str, faces: Sequence[Face]) -> tuple[Finding, ...]:
    if not faces:
        return ()
    said = f"{plural(len(faces), 'face')} in the picture, which may be learned with the rest"
    return (Finding("bystander", "hint", name, len(faces), said, "prefer pictures without people, or name them"),)


def mix(pictures: Sequence[PictureReport]) -> dict[str, int]:
    """How many pictures have each framing."""
    return {word: sum(one.framing == word for one in pictures) for word in FRAMINGS}


def mix_findings(pictures: Sequence[PictureReport], kind: str) -> tuple[Finding, ...]:
    """The post: close-ups make a face lifelike, full-body pictures help to generalise; both belong into the set."""
    found = mix(pictures)
    if kind not in PEOPLE or sum(found.values()) < ENOUGH:
        return ()
    said = ", ".join(f"{count} {word}" for word, count in found.items() if count)
    findings = []
    if not found["full"] and not found["far"]:
        remedy = "add one to three full-body pictures"
        findings.append(Finding("no-full-body", "hint", "", said, f"no full-body picture ({said})", remedy))
    if not found["close-up"]:
        remedy = "add some in which the face fills half of the height"
        findings.append(Finding("no-close-up", "hint", "", said, f"no close-up ({said})", remedy))
    return tuple(findings)
