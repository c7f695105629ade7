"""One change made to many captions: words replaced, put before or after. Captions go in, captions come out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

NO_SPACE_BEFORE = ",.;:!?)"
PAUSES = ",;: "  # between two words: before or behind one alone they part nothing


@dataclass(frozen=True)
class Replacement:
    """Words to find and what to put in their place; an empty `put` takes them out."""

    find: str
    put: str = ""
    whole_words: bool = False  # "cat" is not found in "caterpillar"
    same_case: bool = False  # "Cat" is not found in "cat"

    def count(self, caption: str) -> int:
        """How often the words stand in `caption`."""
        return len(self._pattern.findall(caption)) if self.find.strip() else 0

    def __call__(self, caption: str) -> str:
        """`caption` with each place replaced; commas and spaces that a word leaves behind go with it."""
        if not self.count(caption):
            return caption
        found = self._pattern.sub(lambda _: self.put, caption)
        return found if self.put.strip() else _closed(found)

    @property
    def _pattern(self) -> re.Pattern[str]:
        words = r"\s+".join(re.escape(one) for one in self.find.split())
        if self.whole_words:
            words = rf"(?<!\w){words}(?!\w)"
        return re.compile(words, 0 if self.same_case else re.IGNORECASE)


@dataclass(frozen=True)
class Around:
    """Words to put before and after captions; one that begins or ends with them is left as it is."""

    before: str = ""
    after: str = ""

    def __call__(self, caption: str) -> str:
        """`caption` between the words; an empty one becomes the words."""
        before, after = one_line(self.before), one_line(self.after)
        found, first = one_line(caption), before.rstrip(PAUSES)  # as it stands where nothing follows
        if before and found != first and not found.startswith(before):
            found = f"{before} {found}" if found else first if not after or after[0] in PAUSES else before
        alone = after.lstrip(NO_SPACE_BEFORE + " ")  # as it stands where there is no other word
        if after and found != alone and not found.endswith(after):
            space = "" if after[0] in NO_SPACE_BEFORE else " "
            found = f"{found}{space}{after}" if found else alone
        return found


def changes(captions: Mapping[str, str], names: Iterable[str], change: Callable[[str], str]) -> dict[str, str]:
    """What `change` makes of the captions of `names`, by name: those alone that it makes other ones of."""
    found = {}
    for name in names:
        before = captions.get(name, "")
        after = one_line(change(before))
        if after != one_line(before):
            found[name] = after
    return found


def one_line(text: str) -> str:
    """`text` without line ends and with single spaces: what a caption file of this program holds."""
    return " ".join(text.split())


def _closed(text: str) -> str:
    """Without the commas and spaces around what was taken out: "a, , b" is "a, b"."""
    found = re.sub(r"\s+,", ",", text)
    found = re.sub(r"(?:,\s*){2,}", ", ", found)
    return one_line(found).strip(", ")
