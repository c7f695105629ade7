"""What no picture is judged by, named so that nobody thinks it was: in a line a group, or each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loratui.curation.checks import same_shot
from loratui.terminal.text import safe_text


@dataclass(frozen=True)
class Unseen:
    """One thing that nothing here measures."""

    group: str
    name: str
    why: str = ""  # what it means, or how far one came

    @property
    def words(self) -> str:
        """As the JSON says it."""
        return f"{self.name} ({self.why})" if self.why else self.name


NEVER = (
    Unseen("letters", "faint or small letters", "watermarks, stamps; a third of the faint ones tried was missed"),
    Unseen("letters", "logos", "too like what is photographed"),
    Unseen("letters", "screenshots", "those without plain bars"),
    Unseen(
        "changes",
        "colours or forms changed by hand",
        "inverted, tinted, faded, stretched, warped, sharpened, two in one",
    ),
    Unseen("changes", "brighter colours", "a little, or all over; most of those tried were missed"),
    Unseen("changes", "parts painted over", "or pixelated, and stickers"),
    Unseen("layout", "odd frames", "round, or narrower than a hundredth of the side"),
    Unseen("layout", "slanted collages", "those whose seams are slanted"),
    Unseen("layout", "things that lie on their side", "only a face tells how it stands"),
    Unseen(
        "copies", "which of two is the original", "where one is mirrored, slightly smoothed, faded or lit differently"
    ),
    Unseen("copies", "the better of two spoiled ones", "they are ranked by size, noise and coding alone"),
    Unseen("copies", "mirrored crops", f"in sets of more than {same_shot.MOST_MIRRORED} pictures"),
    Unseen("damage", "what no decoder notices", "a flipped bit or two"),
)
NEVER_OF_PEOPLE = (Unseen("people", "expression", "nothing here tells it reliably"),)
GROUPS = {one.words: one.group for one in (*NEVER, *NEVER_OF_PEOPLE)}
NAMES = {one.words: one.name for one in (*NEVER, *NEVER_OF_PEOPLE)}
HERE = "here"  # the group of what is measured elsewhere, and was not of these pictures
WHY_HERE = "these pictures are too small for it, or a package is missing"
# what the JSON calls otherwise than a reader would
NAMES |= {"blurry": "blur", "upscaled": "enlarged pictures", "near-duplicates": "copies", "identity": "who is who"}
WIDE = max(map(len, (HERE, *GROUPS.values())))


def grouped_lines(not_checked: Iterable[str], how_to_check: Iterable[str] = (), every: bool = False) -> list[str]:
    """A heading and a line a group, and how to have what wants a package; `every`: a line a thing, with its reason.

    Nothing where all was checked.
    """
    groups: dict[str, list[str]] = {}
    for words in not_checked:
        groups.setdefault(GROUPS.get(words, HERE), []).append(words)
    lines = []
    for name, things in groups.items():
        label = f"  {name:<{WIDE}}  "
        if every and name != HERE:
            lines += [(label if one == things[0] else " " * len(label)) + safe_text(one) for one in things]
        else:
            why = f" ({WHY_HERE})" if every else ""
            lines.append(label + ", ".join(safe_text(NAMES.get(one, one)) for one in things) + why)
    return [*(["Not checked:"] if lines else []), *lines, *_install_lines(how_to_check)]


def indent_of(line: str) -> int:
    """Where the rest of one of these lines begins below it."""
    return WIDE + 4 if line.startswith("  ") else 2


def _install_lines(how_to_check: Iterable[str]) -> list[str]:
    """A line a package: several checks may want the same one."""
    wanted: dict[str, list[str]] = {}
    for one in how_to_check:
        check, _, command = one.partition(": ")
        wanted.setdefault(command, []).append(NAMES.get(check, check))
    return [f"To check {', '.join(checks)}: {safe_text(command)}" for command, checks in wanted.items()]
