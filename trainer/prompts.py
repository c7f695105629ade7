"""From words to SDXL's conditioning: tokenised with BOS and EOS, read from the second-last layer, pooled at EOS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainer.model import Parts


@dataclass(frozen=True)
class Encoded:
    """Prompts as the unet takes them: hidden (n, 77, width of both encoders), pooled (n, width of the second)."""

    hidden: torch.Tensor
    pooled: torch.Tensor

    def pick(self, rows: list[int]) -> Encoded:
        """The prompts at `rows`, in that order."""
        index = torch.tensor(rows, device=self.hidden.device)
        return Encoded(self.hidden.index_select(0, index), self.pooled.index_select(0, index))


def tokenise(tokenizer: Any, prompts: list[str]) -> torch.Tensor:
    """Ids (n, 77) with BOS, EOS and padding, cut to fit."""
    length = tokenizer.model_max_length
    found = tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return found.input_ids


def too_long(tokenizer: Any, prompts: list[str]) -> list[tuple[str, int]]:
    """The prompts that lose words, with their length in tokens (BOS and EOS included)."""
    lengths = [(prompt, len(tokenizer(prompt, verbose=False).input_ids)) for prompt in prompts]
    return [(prompt, length) for prompt, length in lengths if length > tokenizer.model_max_length]


def encode(parts: Parts, prompts: list[str]) -> Encoded:
    """Encode `prompts`, with a gradient to the new rows where one is wanted. The encoders must not be released."""
    if parts.text_encoders is None:
        raise RuntimeError("the text encoders were released; every prompt must be cached by then")
    hidden, pooled = [], None
    for encoder, tokenizer in zip(parts.text_encoders, parts.tokenizers, strict=True):
        ids = tokenise(tokenizer, prompts).to(parts.device)
        found = encoder(ids, output_hidden_states=True)
        hidden.append(found.hidden_states[-2])
        pooled = getattr(found, "text_embeds", None)
    assert pooled is not None
    return Encoded(torch.cat(hidden, dim=-1), pooled)


class PromptCache:
    """Prompts that are constants, each encoded once; the rest is encoded at every use, with its gradient."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._place: dict[str, int] = {}
        self._encoded: Encoded | None = None

    def __contains__(self, prompt: str) -> bool:
        return prompt in self._place

    @torch.no_grad()
    def add(self, prompts: list[str]) -> None:
        """Encode those of `prompts` that are not here yet, one at a time: batching would change their last bits."""
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._place:
                new = encode(self._parts, [prompt])
                self._place[prompt] = len(self._place)
                self._encoded = new if self._encoded is None else _join(self._encoded, new)

    def get(self, prompts: list[str]) -> Encoded:
        """The conditioning of `prompts`; what is not cached is encoded now, each distinct prompt once."""
        fresh = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._place]
        size = len(self._place)
        place = self._place | {prompt: size + i for i, prompt in enumerate(fresh)}
        found = self._encoded
        if fresh:
            new = encode(self._parts, fresh)
            found = new if found is None else _join(found, new)
        assert found is not None
        return found.pick([place[prompt] for prompt in prompts])


def _join(first: Encoded, second: Encoded) -> Encoded:
    return Encoded(torch.cat([first.hidden, second.hidden]), torch.cat([first.pooled, second.pooled]))
