"""New tokens: inserted into both tokenizers and encoders, trained as a handful of rows beside frozen tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.settings.triggers import starting_words, word_pattern
from trainer.ground import draws

PULL = 0.1  # strength of the pull towards the table's std, of cog-sdxl and the reference


@dataclass(frozen=True)
class Vocabulary:
    """Which new tokens stand for which identifier: {"TOK": ("<s0>", "<s1>")}, numbered across identifiers."""

    words: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, triggers: tuple[str, ...], tokens: int) -> Vocabulary:
        """`tokens` new tokens for each of `triggers`; none at all for no triggers."""
        return cls.counted(dict.fromkeys(triggers, tokens))

    @classmethod
    def counted(cls, counts: Mapping[str, int]) -> Vocabulary:
        """So many new tokens for each trigger, numbered through."""
        words, first = {}, 0
        for word, count in counts.items():
            words[word] = tuple(f"<s{first + place}>" for place in range(count))
            first += count
        return cls(words)

    @property
    def tokens(self) -> tuple[str, ...]:
        """All new tokens in order."""
        return tuple(token for tokens in self.words.values() for token in tokens)

    def write(self, text: str) -> str:
        """`text` with every identifier, as a whole word and the longest first, replaced by its tokens."""
        if not self.words:
            return text
        longest_first = sorted(self.words, key=len, reverse=True)
        pattern = "|".join(word_pattern(word) for word in longest_first)
        return re.sub(pattern, lambda found: "".join(self.words[found.group()]), text)


class TokenTable(nn.Module):
    """An embedding table whose first rows are frozen and whose new rows are a parameter of their own.

    forward: ids (batch, length) -> (batch, length, width) in the table's precision. The gradient reaches `rows`
    alone: ordinary words have no part in the clipping norm or in Prodigy's estimate.
    """

    def __init__(self, table: nn.Embedding, rows: torch.Tensor) -> None:
        super().__init__()
        self.table = table.requires_grad_(False)
        self.rows = nn.Parameter(rows)
        self.register_buffer("std", table.weight.detach().float().std(), persistent=False)
        self.held: torch.Tensor | None = None  # (n, 1): of rows that are frozen before the others

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up old ids in the table and new ones in the rows."""
        size = self.table.num_embeddings
        old = self.table(ids.clamp(max=size - 1))
        new = functional.embedding((ids - size).clamp(min=0), self.rows).to(old.dtype)
        return torch.where((ids >= size).unsqueeze(-1), new, old)

    def release(self) -> None:
        """Let go of the frozen table, 202 MB of SDXL in bf16; the rows stay, and nothing is looked up any more."""
        del self.table

    @torch.no_grad()
    def pull(self, applied: torch.Tensor | None = None) -> None:
        """Pull the spread of the rows towards that of the table: rows *= (std_table / std_rows) ** 0.1.

        Where `applied`, a 0-d bool, is false they stay as they are.
        """
        factor = (self.std / self.rows.std()) ** PULL
        factor = factor if applied is None else torch.where(applied, factor, 1.0)
        self.rows.mul_(factor if self.held is None else torch.where(self.held, 1.0, factor))

    def hold(self, rows: slice) -> None:
        """Leave these rows as they are from here on."""
        if self.held is None:
            self.held = torch.zeros((len(self.rows), 1), dtype=torch.bool, device=self.rows.device)
        self.held[rows] = True


def insert_tokens(
    text_encoders: tuple[Any, Any], tokenizers: tuple[Any, Any], vocabulary: Vocabulary, seed: int, words: str = ""
) -> tuple[TokenTable, TokenTable]:
    """Add the vocabulary to both encoders.

    The rows start as randn * std(table), drawn from `seed`, or as copies of the embeddings of `words`: one row for
    each of their tokens in turn, from the first again when there are fewer. `words` are of all identifiers together,
    or of each its own, as `starting_words` reads them. Raises ValueError.
    """
    known = [_copied(tokenizer, vocabulary, words) for tokenizer in tokenizers]
    add_to_tokenizers(tokenizers, vocabulary)
    tables = []
    for which, encoder in enumerate(text_encoders):
        table = encoder.get_input_embeddings()
        shape = (len(vocabulary.tokens), table.embedding_dim)
        rows = draws.normal(shape, seed, "rows", which) * table.weight.detach().float().std().cpu()
        for place, copied in enumerate(known[which]):
            if copied is not None:
                rows[place] = table.weight.detach()[copied].float().cpu()
        tables.append(TokenTable(table, rows.to(table.weight.device)))
        _replace_table(encoder, table, tables[-1])
    return tables[0], tables[1]


def insert_rows(text_encoders: tuple[Any, Any], rows: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Put rows that were trained before behind both tables; the tokenizers must know their words already."""
    for encoder, trained in zip(text_encoders, rows, strict=True):
        table = encoder.get_input_embeddings()
        _replace_table(encoder, table, TokenTable(table, trained.to(table.weight.device)).requires_grad_(False))


def add_to_tokenizers(tokenizers: tuple[Any, Any], vocabulary: Vocabulary) -> None:
    """Teach both tokenizers the new words. Raises ValueError where the base model has one of them already."""
    for tokenizer in tokenizers:
        added = tokenizer.add_tokens(list(vocabulary.tokens))
        if added != len(vocabulary.tokens):
            raise ValueError(f"the base model already has one of the tokens {', '.join(vocabulary.tokens)}")


def _copied(tokenizer: Any, vocabulary: Vocabulary, words: str) -> list[int | None]:
    """The old token that each new row starts from; None: at random."""

    def ids_of(text: str, rows: int) -> list[int | None]:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        return [ids[place % len(ids)] if ids else None for place in range(rows)]

    own = starting_words(words, tuple(vocabulary.words))
    if not own:
        return ids_of(words, len(vocabulary.tokens))
    return [one for word, new in vocabulary.words.items() for one in ids_of(own.get(word, ""), len(new))]


def _replace_table(encoder: Any, table: nn.Embedding, replacement: TokenTable) -> None:
    # by identity, not by path: transformers 5 moved the embeddings of CLIPTextModel
    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            if child is table:
                setattr(module, name, replacement)
                return
    raise ValueError(f"{type(encoder).__name__} has no token embeddings")
