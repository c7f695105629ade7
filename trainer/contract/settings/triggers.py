"""Triggers: the words that stand for a new concept, and where they stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# scripts that put no space between words, and Hangul, whose particles follow a foreign word at once
_NO_SPACES = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W{_NO_SPACES}]"  # of a script with spaces: beside a word it makes another word of it
# full-width letters and digits of East Asian keyboards, which CLIP takes for something else
_WIDTHS = {
    code: code - 0xFEE0
    for first, last in ("\uff10\uff19", "\uff21\uff3a", "\uff41\uff5a")
    for code in range(ord(first), ord(last) + 1)
}

ENCODERS = ("clip_l", "clip_g")  # both text encoders, as files of embeddings call them


def split_triggers(trigger: str) -> tuple[str, ...]:
    """The identifiers of a trigger setting: "TOK, TOK2" gives ("TOK", "TOK2")."""
    return tuple(word.strip() for word in plain_width(trigger).split(",") if word.strip())


def checked_triggers(trigger: str) -> str:
    """A trigger setting as it is kept, "TOK,TOK2"; empty for none. Raises ValueError for what is no word."""
    words = split_triggers(trigger)
    for word in words:
        if re.search(r"\s", word):
            near = word.replace(" ", "_")
            raise ValueError(f"a trigger is one word without spaces; write '{near}' instead of '{word}'")
        if not re.search(r"\w", word):
            raise ValueError(f"a trigger needs a letter or a digit; '{word}' has none")
    if len(set(words)) != len(words):
        raise ValueError("the same trigger is given twice")
    return ",".join(words)


def plain_width(text: str) -> str:
    """`text` with ordinary letters and digits for the full-width ones."""
    return text.translate(_WIDTHS)


def holds_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole word: TOK is not in "TOK2" or "STOK"."""
    return re.search(word_pattern(word), text) is not None


def starting_words(init_words: str, triggers: tuple[str, ...]) -> dict[str, str]:
    """What each of `triggers` starts from: "TOK = a dog; TOK2 = a cat"; one that is not named starts at random.

    Empty for plain words, which are of all triggers together. Raises ValueError for what is no trigger or comes twice.
    """
    parts = [part.strip() for part in init_words.split(";") if part.strip()]
    if not any(re.match(r"\S+\s*=", part) for part in parts):
        return {}
    found: dict[str, str] = {}
    for part in parts:
        word = next((one for one in triggers if re.match(rf"{re.escape(one)}\s*=", part)), None)
        if word is None:
            known = ", ".join(triggers)
            raise ValueError(
                f"'{part}' names no trigger; write TRIGGER = WORDS, separated by ;, where TRIGGER is {known}"
            )
        if word in found:
            raise ValueError(f"'{word}' is given twice")
        found[word] = part[len(word) :].lstrip()[1:].strip()
    return found


def named_numbers(text: str, names: tuple[str, ...]) -> dict[str, float]:
    """What "TOK = 2; TOK2 = 0.5" says of some of `names`. Raises ValueError for another name, twice one, no number."""
    found: dict[str, float] = {}
    for part in (one.strip() for one in text.split(";") if one.strip()):
        name, _, number = (one.strip() for one in part.rpartition("="))
        if name not in names:
            raise ValueError(f"'{part}' is not NAME = NUMBER, separated by ;, where NAME is one of {', '.join(names)}")
        if name in found:
            raise ValueError(f"'{name}' is given twice")
        if not re.fullmatch(r"\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+", number):
            raise ValueError(f"'{part}': {number or 'nothing'} is not a number of at least 0, such as {name} = 0.5")
        found[name] = float(number)
    return found


def with_trigger(text: str, trigger: str) -> str:
    """`text` with the first trigger put before it, "TOK, a dog", unless one of them stands in it already."""
    words = split_triggers(trigger)
    return text if not words or any(holds_word(text, one) for one in words) else f"{words[0]}, {text}"


def with_article(words: str) -> str:
    """`words` with a or an before them, by their first letter: "a dog", "an ohwx woman"."""
    return f"{'an' if words[:1].lower() in tuple('aeiou') else 'a'} {words}"


def with_names(text: str, names: Mapping[str, str], form: str = "{}") -> str:
    """`text` with each trigger, as a whole word and the longest first, as `form` of its name in `names`.

    An a or an before it is that of the name, as it is read: "an ohwx woman" and "a woman_emb woman".
    """
    if not names:
        return text

    def named(found: re.Match[str]) -> str:
        name = names[found["word"]]
        article = f"{found['a']}{with_article(name).split(' ', 1)[0][1:]} " if found["a"] else ""
        return article + form.format(name)

    return re.sub(rf"(?:\b(?P<a>[aA])n? )?(?P<word>{any_of(names)})", named, text)


def any_of(words: Iterable[str]) -> str:
    """The regular expression of any of `words`, each as a whole word and the longest first."""
    return "|".join(word_pattern(word) for word in sorted(words, key=len, reverse=True))


def suggested_prompt(kind: str, trigger: str, class_word: str) -> str:
    """The instance prompt of a kind, such as "a photo of a TOK dog", until a person writes an own one."""
    word = next(iter(split_triggers(trigger)), "TOK")
    if kind == "style":
        return f"in the style of {word}"
    thing = f"{word} {class_word}".strip()
    return with_article(thing) if kind == "character-style" else f"a photo of {with_article(thing)}"


def file_word(word: str) -> str:
    """A trigger as a part of a file's name: what is no letter, digit, - or _ becomes -."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in word)


def sharing_file(words: tuple[str, ...]) -> tuple[str, str] | None:
    """The first two of `words` whose files would have one name, also where the disk does not tell case; or None."""
    seen: dict[str, str] = {}
    for word in words:
        name = file_word(word).casefold()
        if name in seen:
            return seen[name], word
        seen[name] = word
    return None


def word_pattern(word: str) -> str:
    """The regular expression of `word` as a whole word, also where it starts or ends in punctuation.

    Characters of scripts that have no spaces between words may stand beside it.
    """
    before = "" if re.match(f"[{_NO_SPACES}]", word) else f"(?<!{_LETTER})"
    after = "" if re.search(rf"[{_NO_SPACES}]\Z", word) else f"(?!{_LETTER})"
    return f"{before}{re.escape(word)}{after}"
