"""Which of many captions are shown, and whom a change is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from trainer.contract.captioning.tokens import Counter
from trainer.contract.settings.triggers import holds_word, split_triggers

ALL, EMPTY, EDITED, LONG, UNTRIGGERED, CHOSEN, WORDS = "", "empty", "edited", "long", "untriggered", "chosen", "words"


@dataclass(frozen=True)
class View:
    """What is shown: `kind` is one of the words above, `words` those that a caption or name must hold."""

    kind: str = ALL
    words: str = ""


@dataclass(frozen=True)
class Captions:
    """Every caption as it would be trained: what the files hold, below what was edited and is not written."""

    files: Mapping[str, str]
    edits: Mapping[str, str]

    def of(self, name: str) -> str:
        """The caption of a picture; empty where it has none."""
        return self.edits.get(name, self.files.get(name, ""))

    @property
    def now(self) -> dict[str, str]:
        """All of them by name."""
        return {name: self.edits.get(name, text) for name, text in self.files.items()}


def shown(
    captions: Captions,
    names: Sequence[str],
    view: View,
    trigger: str,
    count: Counter,
    most: int,
    chosen: Collection[str] = (),
) -> tuple[str, ...]:
    """Those of `names` that the view shows, in order.

    `most`: tokens of a caption that are read; `chosen` are those that the workbench was opened for.
    """
    triggers = split_triggers(trigger)

    def shows(name: str) -> bool:
        text = captions.of(name)
        match view.kind:
            case "empty":
                return not text.strip()
            case "edited":
                return name in captions.edits
            case "long":
                return count(text).over(most) > 0
            case "untriggered":
                return bool(text.strip()) and not any(holds_word(text, one) for one in triggers)
            case "chosen":
                return name in chosen
            case "words":
                words = view.words.casefold()
                return words in text.casefold() or words in name.casefold()
        return True

    return tuple(name for name in names if shows(name))


def targets(names: Sequence[str], marked: Collection[str]) -> tuple[str, ...]:
    """Whom a change is for: those of the pictures shown that are marked, or all where none is."""
    return tuple(name for name in names if name in marked) or tuple(names)
