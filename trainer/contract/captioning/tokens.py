"""How many tokens a caption has, by the rules of CLIP, without torch: exact where the model's tokenizer is on disk."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trainer.contract.basemodel.hub_cache import repo_folder
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.single_file import tokenizer_of
from trainer.contract.captioning.known import MOST as MOST
from trainer.contract.paths import expanded, is_file, is_folder
from trainer.contract.settings.config import SMALL
from trainer.contract.settings.triggers import split_triggers, word_pattern

# CLIP's own splitting: contractions, letters, single digits, everything else
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
ROUGHLY = re.compile(r"'(?:s|t|re|ve|m|ll|d)\b|[^\W\d_]+|\d|(?:[^\w\s]|_)+")
WHOLE_WORD = 9  # letters up to which a word is mostly one token
PART = 5  # letters of each further token
ESTIMATED = 1.1
SENTENCE, CLAUSE = re.compile(r"(?<=[.!?])(?=\s)"), re.compile(r"(?=[,;](?:\s|$))|(?<=[.!?])(?=\s)")
# words that are one token of CLIP and stand for something: what people most often try as a trigger
# fmt: off
COMMON = frozenset([
    "person", "man", "woman", "boy", "girl", "child", "baby", "dog", "cat", "puppy", "kitten", "horse", "bird", "car",
    "house", "face", "portrait", "photo", "picture", "image", "style", "art", "painting", "drawing", "anime",
    "cartoon", "logo", "toy", "doll", "robot", "bag", "backpack", "shoe", "dress", "hat", "ring", "watch", "clock",
    "vase", "mug", "cup", "chair", "lamp", "guitar", "flower", "tree", "mountain", "beach", "city", "my", "me", "you",
    "him", "her", "it", "sks", "anna", "emma", "maria", "sophie", "james", "john", "max", "bella", "luna", "charlie",
    "lucy", "daisy", "rocky", "buddy",
])
# fmt: on


@dataclass(frozen=True)
class TokenCount:
    """How many, and whether that is known or estimated."""

    count: int
    exact: bool

    def over(self, most: int) -> int:
        """How many of them a reader of `most` passes over; of an estimate about."""
        return max(0, self.count - most)

    def at_most(self, most: int) -> bool:
        """Whether it surely is no more than `most`: an estimate may be a tenth too low."""
        return self.count <= most if self.exact else self.count * ESTIMATED <= most


Counter = Callable[[str], TokenCount]


def caption_counter(base: str, trigger: str, per_trigger: int) -> Counter:
    """Counts a caption as `base` reads it; with `per_trigger` > 0 each trigger stands for so many new tokens."""
    plain = _plain_counter(base)

    def count(caption: str) -> TokenCount:
        found = 0
        for word in split_triggers(trigger) if per_trigger else ():
            caption, times = re.subn(word_pattern(word), " ", caption)
            found += times * per_trigger
        rest = plain(caption)
        return TokenCount(found + rest.count, rest.exact)

    return count


def cut(text: str, fits: Callable[[str], bool]) -> str:
    """`text`, or as much of it as `fits`: to the end of a sentence where that keeps half of what fits, else of a
    clause, else of a word. Empty if no word fits."""
    if fits(text):
        return text
    clause = _longest(text, [one.start() for one in CLAUSE.finditer(text)], fits)
    sentence = _longest(text, [one.start() for one in SENTENCE.finditer(text)], fits)
    if 2 * len(sentence) >= len(clause) > 0:
        return sentence
    return clause or _longest(text, [one.start() for one in re.finditer(r"\s", text)], fits)


def _longest(text: str, ends: list[int], fits: Callable[[str], bool]) -> str:
    return next((part for end in reversed(ends) if (part := text[:end].rstrip(" ,;")) and fits(part)), "")


def known_word(base: str, word: str) -> bool:
    """Whether `word` is a single token of the base model, so that it already means something there."""
    plain = _plain_counter(base)
    if base == SMALL:
        return False  # its vocabulary is made for its own few words
    found = plain(word)
    return word.lower() in COMMON if not found.exact else found.count == 1


def estimate(caption: str) -> int:
    """About how many tokens: short words are one, long ones several, each digit one, each run of signs one."""
    return sum(_piece(piece) for piece in ROUGHLY.findall(caption.lower()))


def _piece(piece: str) -> int:
    if not piece.isascii():
        return max(1, math.ceil(len(piece.encode()) / 2.5))
    if len(piece) <= WHOLE_WORD or not piece.isalpha():
        return 1
    return 1 + math.ceil((len(piece) - WHOLE_WORD) / PART)


@cache
def _plain_counter(base: str) -> Counter:
    folder = tokenizer_folder(base)
    tokenizer = _load(folder) if folder else None
    if tokenizer is None:
        return lambda caption: TokenCount(estimate(caption), False)
    return lambda caption: TokenCount(len(tokenizer(caption)), True)


def tokenizer_folder(base: str) -> Path | None:
    """Where the tokenizer of `base` lies on this machine; nothing is downloaded."""
    if base == SMALL:
        return small_model() / "tokenizer"
    if not base:
        return None
    if is_file(expanded(base)):
        return tokenizer_of(expanded(base), "tokenizer")
    local = expanded(base) / "tokenizer"
    places = [local] if is_folder(local) else [*_snapshots(base)]
    return next((place for place in places if is_file(place / "vocab.json")), None)


def _snapshots(base: str) -> list[Path]:
    """The tokenizer in each copy that the hub's cache has of `base`."""
    copies = repo_folder(base) / "snapshots"
    try:
        return sorted(one / "tokenizer" for one in copies.iterdir())
    except OSError:
        return []


def _load(folder: Path) -> Callable[[str], list[int]] | None:
    """CLIP's byte-pair encoding from vocab.json and merges.txt; None where it cannot be read."""
    try:
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

        bpe = models.BPE.from_file(
            str(folder / "vocab.json"),
            str(folder / "merges.txt"),
            unk_token="<|endoftext|>",
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
        )
    except Exception:  # no such package, or files that are no vocabulary: tokenizers raises bare Exceptions
        return None
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return lambda caption: list(tokenizer.encode(caption, add_special_tokens=False).ids)
