"""How one setting is declared: its type, bounds and default, and the words that every screen and file shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

DEFAULT_SOURCE = "loratui's default"
POST = "the post"
POST_TITLE = "LoRA training scripts of the world, unite!"


def post_named(sources: Iterable[str]) -> str:
    """Which post is meant, where one of `sources` speaks of it; else empty."""
    return f'{POST}: "{POST_TITLE}"' if any(POST in one for one in sources) else ""


# which name files and folders of pictures, by their last word: some were named where letters were others than UTF-8
OF_FILES = frozenset({"path", "skip", "accept", "start_from"})


def wrong_text(name: str, value: Any) -> str:
    """Why a setting cannot have this text, or one of these; empty where it can.

    `name` is the last word of its key. What no name and no prompt holds would raise where it is used, long after.
    """
    texts = value if isinstance(value, list | tuple) else (value,)
    for text in texts:
        if not isinstance(text, str):
            continue
        if "\0" in text:
            return "it holds a NUL character, which no name and no caption has"
        try:
            text.encode("utf-8", "surrogateescape" if name in OF_FILES else "strict")
        except UnicodeEncodeError:
            return "it holds bytes that are not UTF-8, which nothing here can read; rename what it stands for"
    return ""


class Section(BaseModel):
    """A frozen table of settings; an unknown key is an error, never ignored. TITLE heads it in a form."""

    TITLE: ClassVar[str] = ""

    # deferred: a form reads declarations; the first screen stands before pydantic has built what validates them
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants", defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any, info: ValidationInfo) -> Any:
        if words := wrong_text(info.field_name or "", value):
            raise ValueError(words)
        return value


def setting(
    default: Any,
    title: str,
    help: str,
    *,
    source: str = DEFAULT_SOURCE,
    up: str = "",
    down: str = "",
    unit: str = "",
    **bounds: Any,
) -> Any:
    """Declare a setting. `up` and `down` say what happens when it is raised or lowered; bounds are pydantic's."""
    words: dict[str, Any] = {"source": source, "up": up, "down": down, "unit": unit}
    return Field(default=default, title=title, description=help, json_schema_extra=words, **bounds)


@dataclass(frozen=True)
class Setting:
    """One declared setting as a form, a help text or a table shows it."""

    key: str  # "train.rank"
    title: str
    help: str
    source: str
    up: str
    down: str
    unit: str
    default: Any
    kind: Literal["int", "float", "bool", "str", "choice", "list", "tables"]
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool

    @property
    def section(self) -> str:
        """The table that the setting stands in; empty for the top of the file."""
        return self.key.rpartition(".")[0]

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "1 to 1024", "at least 0", "one of bf16, fp16, fp32"; empty if none."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        low = None if self.low is None else _plain(self.low)
        high = None if self.high is None else _plain(self.high)
        if low is not None and high is not None:
            return f"{'above ' if self.low_open else ''}{low} to {'below ' if self.high_open else ''}{high}"
        if low is not None:
            return f"{'above' if self.low_open else 'at least'} {low}"
        if high is not None:
            return f"{'below' if self.high_open else 'at most'} {high}"
        return ""


def declared_settings(model: type[BaseModel]) -> tuple[Setting, ...]:
    """Every setting of `model`, in the order of its declaration, sections flattened to dotted keys."""
    found: list[Setting] = []
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found.extend(_read(f"{name}.{key}", field) for key, field in inner.model_fields.items())
        else:
            found.append(_read(name, info))
    return tuple(found)


def _plain(bound: float) -> str:
    return str(int(bound)) if bound.is_integer() else f"{bound:g}"


def _read(key: str, info: FieldInfo) -> Setting:
    words = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind, choices = _kind(info.annotation)
    low = high = None
    low_open = high_open = False
    for rule in info.metadata:
        for name in ("ge", "gt"):
            if getattr(rule, name, None) is not None:
                low, low_open = float(getattr(rule, name)), name == "gt"
        for name in ("le", "lt"):
            if getattr(rule, name, None) is not None:
                high, high_open = float(getattr(rule, name)), name == "lt"
    return Setting(
        key=key,
        title=info.title or key,
        help=info.description or "",
        source=str(words.get("source", DEFAULT_SOURCE)),
        up=str(words.get("up", "")),
        down=str(words.get("down", "")),
        unit=str(words.get("unit", "")),
        default=info.default,
        kind=kind,
        choices=choices,
        low=low,
        high=high,
        low_open=low_open,
        high_open=high_open,
    )


def _kind(annotation: Any) -> tuple[Any, tuple[str, ...]]:
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice", tuple(str(value) for value in get_args(annotation))
    if origin is Union:
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    if origin in (tuple, list):
        inner = get_args(annotation)[0]
        return "tables" if isinstance(inner, type) and issubclass(inner, BaseModel) else "list", ()
    for kind, python in (("bool", bool), ("int", int), ("float", float)):
        if annotation is python:
            return kind, ()
    return "str", ()
