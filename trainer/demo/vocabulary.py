"""Trains the small SDXL's vocabulary: byte-level BPE in CLIP's form, a few hundred tokens instead of 49,408."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

BOS, EOS, END_OF_WORD = "<|startoftext|>", "<|endoftext|>", "</w>"
MERGES = 160
MAX_LENGTH = 77
# CLIP's own way to split text into words (the pattern of transformers' CLIPTokenizer).
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def byte_letters() -> list[str]:
    """The 256 printable letters that stand for bytes, in CLIP's order: so "!" has id 0."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(rest))]


def learn_merges(lines: list[str]) -> list[tuple[str, str]]:
    """The first MERGES pairs that byte-level BPE joins in these lines."""
    learner = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    letters = byte_letters()
    base = len(letters) + sum(1 for letter in letters if letter.isprintable())  # an upper bound, cut below
    trainer = trainers.BpeTrainer(
        vocab_size=base + MERGES,
        end_of_word_suffix=END_OF_WORD,
        initial_alphabet=letters,
        show_progress=False,
    )
    learner.train_from_iterator(lines, trainer)
    pairs = json.loads(learner.to_str())["model"]["merges"]
    return [tuple(pair) for pair in pairs[:MERGES]]


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """CLIP's order: letters, letters that end a word, one token a merge, BOS, EOS."""
    letters = byte_letters()
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters), *(a + b for a, b in merges), BOS, EOS]
    return {token: number for number, token in enumerate(tokens)}


def save_tokenizers(out: Path, lines: list[str]) -> int:
    """Writes `tokenizer` (pads with EOS) and `tokenizer_2` (pads with "!") under `out`; the vocabulary's size.

    Both the one-file form and the vocab.json + merges.txt of SDXL's repository are written.
    """
    merges = learn_merges(lines)
    vocab = vocabulary(merges)
    for name, pad in (("tokenizer", EOS), ("tokenizer_2", "!")):
        folder = out / name
        made = CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=MAX_LENGTH)
        made.save_pretrained(folder)
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
        pairs = "\n".join(f"{a} {b}" for a, b in merges)
        (folder / "merges.txt").write_text(f"#version: 0.2\n{pairs}\n", encoding="utf-8")
    return len(vocab)
