"""From words to SDXL's conditioning: in chunks with BOS and EOS, read before the last layer, pooled at EOS."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.settings.captions import MOST_TOKENS
from trainer.contract.settings.kinds import CHUNK
from trainer.contract.units import plural
from trainer.ground.machine import to_device
from trainer.ground.tensor_files import keep_sound, load_sound
from trainer.model.parts import Parts


@dataclass(frozen=True)
class Encoded:
    """Prompts as the unet takes them: hidden (n, 77 a chunk, width of both), pooled (n, width of the second)."""

    hidden: torch.Tensor
    pooled: torch.Tensor
    known: tuple[torch.Tensor, ...] = ()  # what the unet's frozen keys and values make of hidden, where that is known
    times: tuple[torch.Tensor, ...] = ()  # embeddings of the noise levels and sizes that go with them, where known

    def copy(self) -> Encoded:
        """In memory of its own."""
        known, times = (tuple(one.clone() for one in group) for group in (self.known, self.times))
        return Encoded(self.hidden.clone(), self.pooled.clone(), known, times)

    def pick(self, rows: list[int]) -> Encoded:
        """The prompts at `rows`, in that order."""
        index = to_device(torch.tensor(rows), self.hidden.device)
        return Encoded(self.hidden.index_select(0, index), self.pooled.index_select(0, index))


def tokenise(tokenizer: Any, prompts: list[str], chunks: int = 1) -> torch.Tensor:
    """Ids (n, chunks * 77): each chunk with BOS, EOS and padding of its own; what has no room is cut."""
    length = tokenizer.model_max_length
    if chunks == 1:
        found = tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return found.input_ids
    rows = [_chunked(tokenizer, pieces(tokenizer, prompt)[:chunks], chunks) for prompt in prompts]
    return torch.tensor(rows, dtype=torch.long)


def _chunked(tokenizer: Any, own: list[list[int]], chunks: int) -> list[int]:
    begin, end, pad, length = (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
        tokenizer.model_max_length,
    )
    whole = [[begin, *ids, end] for ids in (*own, *([[]] * (chunks - len(own))))]
    return [one for ids in whole for one in (*ids, *[pad] * (length - len(ids)))]


def pieces(tokenizer: Any, prompt: str) -> list[list[int]]:
    """The ids of `prompt` without BOS and EOS, in as many chunks as it needs, at least one.

    New tokens that follow each other stay together, as the user interfaces keep those of an embedding.
    """
    room, first_new = tokenizer.model_max_length - 2, tokenizer.vocab_size
    found: list[list[int]] = [[]]
    ids = tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
    for new, group in groupby(ids, lambda one: one >= first_new):
        run = list(group)
        if new and len(found[-1]) + len(run) > room >= len(run):
            found.append([])
        for one in run:
            if len(found[-1]) == room:
                found.append([])
            found[-1].append(one)
    return found


def too_long(parts: Parts, prompts: list[str]) -> list[tuple[str, int]]:
    """The prompts that lose words, with their length in tokens."""
    found = [(prompt, pieces(parts.tokenizers[0], prompt)) for prompt in prompts]
    return [(prompt, sum(map(len, own))) for prompt, own in found if len(own) > parts.chunks]


def warn_of_long(parts: Parts, prompts: list[str], log: EventLog | SilentLog) -> None:
    """Name in the log the prompts that lose words."""
    most = parts.chunks * CHUNK
    for prompt, length in too_long(parts, prompts):
        message = f"a prompt of {plural(length, 'token')} is cut at {most}: {prompt}"
        advice = "shorten it" + (
            "" if most == MOST_TOKENS else f", or raise caption.max_tokens (to {MOST_TOKENS} at most)"
        )
        log.emit("warn", code="prompt-cut", message=message, advice=advice)


def encode(parts: Parts, prompts: list[str], ids: Sequence[torch.Tensor] | None = None) -> Encoded:
    """Encode `prompts`, with a gradient to the new rows where one is wanted. The encoders must not be released.

    The hidden states of a prompt's chunks follow each other; pooled is what the first one says, as the user interfaces
    and kohya's scripts take it. `ids`: of each tokenizer, on the device, where they are known already.
    """
    if parts.text_encoders is None:
        raise RuntimeError("the text encoders were released; every prompt must be cached by then")
    hidden, pooled = [], None
    ids = ids or [to_device(tokenise(one, prompts, parts.chunks), parts.device) for one in parts.tokenizers]
    for encoder, own in zip(parts.text_encoders, ids, strict=True):
        found = encoder(own.view(len(own) * parts.chunks, -1), output_hidden_states=True)
        states = found.hidden_states[-2 - parts.clip_skip]
        hidden.append(states.reshape(len(own), -1, states.shape[-1]))
        pooled = getattr(found, "text_embeds", None)
    assert pooled is not None
    return Encoded(torch.cat(hidden, dim=-1), pooled[:: parts.chunks])


MOST_KNOWN = 4096  # prompts whose ids are kept


class PromptCache:
    """Prompts that are constants, each encoded once; the rest is encoded at every use, with its gradient.

    With a `folder`, those that depend on the base model alone are kept there as safetensors, for later runs.
    """

    def __init__(self, parts: Parts, folder: Path | None = None) -> None:
        self._parts = parts
        self._place: dict[str, int] = {}
        self._encoded: Encoded | None = None
        self._ids: dict[str, tuple[torch.Tensor, ...]] = {}  # of what is encoded at every use
        self._folder = folder if parts.digests else None
        place = f"{parts.device.type}-{torch.get_num_threads()}-{torch.__version__}-{parts.dtype}-{parts.clip_skip}"
        place += f"-{parts.chunks}" if parts.chunks > 1 else ""
        known = [parts.digests.get(name) for name in ("text_encoder", "text_encoder_2", "tokenizers")]
        self._kind = f"{known}-{place}"

    def __contains__(self, prompt: str) -> bool:
        return prompt in self._place

    def forget(self) -> None:
        """Let go of all: what they were encoded with has changed."""
        self._place, self._encoded = {}, None

    @torch.no_grad()
    def add(self, prompts: list[str], keep: bool = False) -> None:
        """Encode those of `prompts` that are not here yet, one at a time: batching would change their last bits.

        `keep` says that nothing trained has a part in them, so that the folder may know them.
        """
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._place:
                new = self._from_folder(prompt) if keep and self._folder else encode(self._parts, [prompt])
                self._place[prompt] = len(self._place)
                self._encoded = new if self._encoded is None else _join(self._encoded, new)

    def not_finite(self) -> list[str]:
        """Those that are here and whose embeddings are not finite; the host waits for the device once."""
        if self._encoded is None:
            return []
        hidden, pooled = self._encoded.hidden, self._encoded.pooled
        sound = (hidden.isfinite().flatten(1).all(1) & pooled.isfinite().all(1)).tolist()
        return [prompt for prompt, place in self._place.items() if not sound[place]]

    def _from_folder(self, prompt: str) -> Encoded:
        assert self._folder is not None
        key = hashlib.blake2b(f"{self._kind}\n{prompt}".encode(), digest_size=16).hexdigest()
        path = self._folder / f"{key}.safetensors"
        try:
            found = load_sound(path)
            return Encoded(found["hidden"].to(self._parts.device), found["pooled"].to(self._parts.device))
        except (OSError, SafetensorError, KeyError):  # not there yet, or damaged: made again
            new = encode(self._parts, [prompt])
            keep_sound(path, {"hidden": new.hidden.cpu().contiguous(), "pooled": new.pooled.cpu().contiguous()})
            return new

    def get(self, prompts: list[str]) -> Encoded:
        """The conditioning of `prompts`; what is not cached is encoded now, each distinct prompt once."""
        fresh = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._place]
        size = len(self._place)
        place = self._place | {prompt: size + i for i, prompt in enumerate(fresh)}
        found = self._encoded
        if fresh:
            new = encode(self._parts, fresh, self._tokens(fresh))
            found = new if found is None else _join(found, new)
        assert found is not None
        return found.pick([place[prompt] for prompt in prompts])

    def _tokens(self, prompts: list[str]) -> list[torch.Tensor]:
        """The ids of each tokenizer on the device: a prompt is cut into tokens once in a run."""
        parts = self._parts
        if len(self._ids) > MOST_KNOWN:  # captions that are shuffled never end
            self._ids.clear()
        for prompt in prompts:
            if prompt not in self._ids:
                ids = (tokenise(one, [prompt], parts.chunks) for one in parts.tokenizers)
                self._ids[prompt] = tuple(to_device(one, parts.device) for one in ids)
        return [torch.cat(one) for one in zip(*(self._ids[prompt] for prompt in prompts), strict=True)]


def _join(first: Encoded, second: Encoded) -> Encoded:
    return Encoded(torch.cat([first.hidden, second.hidden]), torch.cat([first.pooled, second.pooled]))
