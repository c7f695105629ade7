"""How one setting of another trainer is declared: its names, what it is here, how a value is taken over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loratui.settings.problems import wrong_value
from trainer.contract.settings.config import BY_KEY, value_of_now

NOTHING: tuple[Any, ...] = (None, "", False, 0, "0", "None", "none", [], {}, ())
"""What turns a setting off, or leaves it to the trainer: without a counterpart it is not worth a line."""


@dataclass(frozen=True)
class Counterpart:
    """A setting of another trainer. `key` is the one here, empty where there is none; `says` then tells why.

    `slot`: what the value is kept as until the whole file is read, where it is not yet the value of `key`.
    """

    names: tuple[str, ...]
    key: str = ""
    says: str = ""
    take: Callable[[Any], Any] | None = None  # raises ValueError with the reason where there is no such value here
    slot: str = ""
    plain: tuple[Any, ...] = ()  # values that need no counterpart, beside NOTHING

    @property
    def place(self) -> str:
        """The slot, or the key."""
        return self.slot or self.key

    def taken(self, value: Any) -> Any:
        """The value as it is here. Raises ValueError with the reason where there is none."""
        if self.take is not None:
            value = self.take(value)
        return value if self.slot else as_declared(self.key, value)


def same(names: str, key: str, says: str = "", take: Callable[[Any], Any] | None = None, slot: str = "") -> Counterpart:
    """`names` (parted by spaces) are `key` here."""
    return Counterpart(tuple(names.split()), key, says, take, slot)


def none(names: str, why: str, *plain: Any) -> Counterpart:
    """`names` have no counterpart, because of `why`."""
    return Counterpart(tuple(names.split()), says=why, plain=plain)


WARMED = "constant with a warm-up"  # what diffusers' constant_with_warmup comes to until the warm-up is known


@dataclass(frozen=True)
class OtherTrainer:
    """Another trainer: what it is called, its settings, and what it does where its file names nothing."""

    name: str
    counterparts: tuple[Counterpart, ...]
    implied: Mapping[str, Any]  # by key or slot
    settle: Callable[[dict[str, Any]], list[str]]  # slots into keys, in place; returns sentences
    silent: str  # names, parted by spaces: how it runs there, without a trace in what is learned
    warms_constant: bool = False  # whether its constant schedule reads the warm-up

    def find(self, name: str) -> Counterpart | None:
        """The declaration of a setting by one of its names."""
        return next((one for one in self.counterparts if name in one.names), None)


def as_declared(key: str, value: Any) -> Any:
    """`value`, perhaps written as text, in the kind of the setting `key`. Raises ValueError with a sentence."""
    one, value = BY_KEY[key], value_of_now(key, value)
    match one.kind:
        case "int":
            value = whole(value)
        case "float":
            value = number(value)
        case "bool":
            value = truth(value)
        case "list":
            value = tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)
        case "tables":
            value = tuple(dict(one) for one in value)
        case _:
            value = str(value).strip()
    if problem := wrong_value(one, value):
        raise ValueError(problem)
    return value


def number(value: Any) -> float:
    """A number, perhaps written as text. Raises ValueError."""
    if isinstance(value, bool | dict | list):
        raise ValueError("no number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("no number") from None


def whole(value: Any) -> int:
    """A whole number, perhaps written as text or as 10.0. Raises ValueError."""
    found = number(value)
    if not found.is_integer():
        raise ValueError("no whole number")
    return int(found)


def truth(value: Any) -> bool:
    """On or off, perhaps written as text. Raises ValueError."""
    text = str(value).strip().lower()
    if text not in ("true", "1", "on", "yes", "false", "0", "off", "no"):
        raise ValueError("neither on nor off")
    return text in ("true", "1", "on", "yes")


def one_of(known: Mapping[str, str], instead: str = "") -> Callable[[Any], str]:
    """A reader of words: what is not in `known` (in lower case) has no counterpart, and `instead` says what to do."""

    def read(value: Any) -> str:
        word = str(value).strip().lower()
        if word not in known:
            raise ValueError(instead or f"there are only {', '.join(dict.fromkeys(known.values()))}")
        return known[word]

    return read


def square(value: Any) -> int:
    """The side of "1024", "1024,1024" or [1024, 1024]. Raises ValueError for what is not square."""
    text = str(value).strip("[]() ").replace("x", ",")
    sides = {whole(part) for part in text.split(",") if part.strip()}
    if len(sides) != 1:
        raise ValueError("several sizes; one side, and dataset.buckets for the shapes")
    return sides.pop()


def give(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Set what the file left open."""
    for key, value in changes.items():
        values.setdefault(key, value)


def arguments_of_optimizers(before: str) -> tuple[Counterpart, ...]:
    """What the optimizers' packages call their arguments, as other trainers hand them on under `before`."""
    names = {
        "beta3": "prodigy.beta3",
        "d0": "prodigy.d0",
        "d_coef": "prodigy.d_coef",
        "growth_rate": "prodigy.growth_rate",
        "slice_p": "prodigy.slice_p",
        "decouple": "prodigy.decouple",
        "use_bias_correction": "prodigy.bias_correction",
        "safeguard_warmup": "prodigy.safeguard_warmup",
        "split_groups": "prodigy.split_groups",
        "eps": "adamw.epsilon",
    }
    return tuple(same(f"{before}{name}", key) for name, key in names.items())
