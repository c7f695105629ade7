"""Counts what a step, a picture and the optimizer of the full-size SDXL hold at their fullest, on tensors that are not
there: no GPU is needed.

The constants of trainer/contract/plan/estimate.py come from here. The trainer's own parts run under torch's
FakeTensorMode, put together as a run puts them together: every operation is dispatched, only shapes are worked out.
Counted is the sum of the bytes of all storages alive at once, beyond the weights, the trained numbers with their copies
and gradients, and the optimizer's state. Not counted: what a kernel asks for inside itself, and what the allocator
cannot use again.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainer.contract.settings.config import TrainConfig, nested
from trainer.model.full_size import FULL, random_parts
from trainer.model.fused.unet import checkpoint
from trainer.model.parts import Parts
from trainer.model.tokens import insert_rows
from trainer.samples.drawing import decode
from trainer.step.flat_group import FlatGroup
from trainer.step.optimizer import make_optimizer
from trainer.step.trainee import Trainee, make_trainee

LEVELS = ("off", "norms", "feed-forward", "blocks")


class Alive(TorchDispatchMode):
    """Adds up the storages that operations made and that are still referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()
        self._known: list[torch.UntypedStorage] = []  # kept: the address of one that is gone is given out again

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in tree_leaves(out):
            if isinstance(one, torch.Tensor):
                self._add(one.untyped_storage())
        return out

    def know(self, tensors: Iterable[torch.Tensor]) -> None:
        """Storages that were there before are not counted."""
        for one in tensors:
            self._known.append(one.untyped_storage())
            self._seen.add(self._known[-1]._cdata)

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


@dataclass(frozen=True)
class Learner:
    """A model that is not there, as a run with these settings has it before its first step."""

    config: TrainConfig
    parts: Parts
    trainee: Trainee

    def kept(self) -> list[torch.Tensor]:
        """What stays from step to step."""
        groups, copies = self.trainee.groups, self.trainee.copies.values()
        flat = [one for each in (*groups, *copies) for one in (each.data, each.grad)]
        flat += [] if self.trainee.average is None else self.trainee.average.tensors().values()
        return [*held(self.parts), *flat, *self.trainee.optimizer.state_tensors().values()]


@contextmanager
def absent(dtype: torch.dtype = torch.bfloat16) -> Iterator[Parts]:
    """The parts of the full-size SDXL in `dtype`, without memory; within it every tensor is made so."""
    parts = random_parts(FULL, "meta", dtype)
    parts.device = torch.device("cpu")
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in modules(parts):
            for one in module.modules():
                for name, weight in one.named_parameters(recurse=False):
                    own = nn.Parameter(torch.empty_like(weight, device="cpu"), requires_grad=False)
                    setattr(one, name, own)
                for name, buffer in one.named_buffers(recurse=False):
                    setattr(one, name, torch.empty_like(buffer, device="cpu"))
        yield parts


def learner(parts: Parts, **own: object) -> Learner:
    """The trainer's own LoRA, copies and optimizer on `parts`, without new tokens; `own` are values of [train]."""
    config = settings(**own)
    trainee = make_trainee(parts, config)
    checkpoint(parts, trainee.fused, config.train.gradient_checkpointing)
    return Learner(config, parts, trainee)


def unet_step(one: Learner, side: int) -> int:
    """Bytes at the fullest of one forward and backward pass of the unet."""
    inputs = unet_inputs(one.parts, one.config.train.batch, side)

    def step() -> None:
        one.parts.unet(**inputs)[0].float().square().mean().backward()
        one.trainee.collect()

    return counted(one.kept(), step)


def unet_inputs(parts: Parts, batch: int, side: int) -> dict[str, Any]:
    """What the unet is given for `batch` pictures of `side` px."""
    latent, words = side // parts.factor, parts.unet.config.cross_attention_dim
    pooled = parts.unet.config.projection_class_embeddings_input_dim - 6 * parts.unet.config.addition_time_embed_dim
    text = {"text_embeds": torch.empty(batch, pooled, dtype=parts.dtype), "time_ids": torch.empty(batch, 6)}
    return {
        "sample": torch.empty(batch, 4, latent, latent, dtype=parts.dtype),
        "timestep": torch.empty(batch),
        "encoder_hidden_states": torch.empty(batch, 77, words, dtype=parts.dtype),
        "added_cond_kwargs": text,
        "return_dict": False,
    }


def denoising(parts: Parts, side: int) -> int:
    """Bytes at the fullest of one denoising step: two passes in one, with and without the prompt."""
    inputs = unet_inputs(parts, 2, side)
    with torch.no_grad():
        return counted(held(parts), lambda: parts.unet(**inputs))


def decoding(parts: Parts, side: int, tiles: bool = False) -> int:
    """Bytes at the fullest of the VAE's way from latents to one picture, in `tiles` or at once."""
    latents = torch.empty(1, 4, side // parts.factor, side // parts.factor, dtype=parts.dtype)
    with torch.no_grad():
        return counted(held(parts), lambda: decode(parts.vae, latents, tiles))


def encoding(parts: Parts, side: int) -> int:
    """Bytes at the fullest of the VAE's way from one picture to latents."""
    pixels = torch.empty(1, 3, side, side)  # fp32, whatever the rest is in
    with torch.no_grad():
        return counted(held(parts), lambda: parts.vae.encode(pixels))


def words_step(parts: Parts, batch: int, checkpointing: bool) -> int:
    """Bytes at the fullest of both text encoders with trained rows, forward and backward."""
    encoders = parts.text_encoders
    assert encoders is not None
    rows = tuple(torch.empty(2, one.config.hidden_size) for one in encoders)
    insert_rows(encoders, (rows[0], rows[1]))
    ids = torch.zeros(batch, 77, dtype=torch.long)
    for encoder in encoders:
        encoder.get_input_embeddings().rows.requires_grad_(True)
        if checkpointing:
            encoder.gradient_checkpointing_enable({"use_reentrant": False})
            encoder.train()

    def step() -> None:
        hidden = [encoder(ids, output_hidden_states=True).hidden_states[-2] for encoder in encoders]
        torch.cat(hidden, dim=-1).float().square().mean().backward()

    return counted(held(parts), step)


def optimizer_step(own: dict[str, object], numbers: int = 1_000_000) -> float:
    """Bytes a trained number at the fullest of a step of the optimizer, beyond what it keeps; as on a GPU, at once."""
    from trainer.step import prodigy

    whole, prodigy.PIECE = prodigy.PIECE, numbers
    group = FlatGroup.of("unet", {"all": nn.Parameter(torch.zeros(numbers))}, 1.0, 0.01)
    optimizer = make_optimizer([group], TrainConfig.model_validate(nested(own)))
    group.grad.fill_(0.1)
    optimizer.step(1.0)
    alive = Alive()
    alive.know([*optimizer.state_tensors().values(), group.data, group.grad])
    with alive:
        optimizer.step(1.0)
    prodigy.PIECE = whole
    return alive.peak / numbers


def modules(parts: Parts) -> tuple[Any, ...]:
    """Whatever of the base model is there."""
    return (parts.unet, parts.vae, *(parts.text_encoders or ()))


def held(parts: Parts) -> list[torch.Tensor]:
    """All weights and buffers of it."""
    return [tensor for one in modules(parts) for tensor in (*one.parameters(), *one.buffers())]


def counted(there: Iterable[torch.Tensor], work: Callable[[], Any]) -> int:
    """The fullest moment of `work` in bytes, beyond what is `there`."""
    alive = Alive()
    alive.know(there)
    with alive:
        work()
    return alive.peak


def settings(**own: object) -> TrainConfig:
    """A configuration with these values of [train], without new tokens."""
    tables = nested({f"train.{key}": value for key, value in own.items()} | {"pivotal.enabled": False})
    return TrainConfig.model_validate(tables)


def main() -> None:
    """Print the table that estimate.py quotes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    sides = arguments.parse_args().sides
    cases: list[dict[str, object]] = [
        {"batch": 1},
        {"batch": 4},
        {"batch": 1, "rank": 4},
        {"batch": 1, "targets": "all-linear"},
        {"batch": 1, "dora": True},
        {"batch": 1, "dora": True, "targets": "all-linear"},
        {"batch": 1, "dropout": 0.1},
    ]
    for side in sides:
        for case in cases:
            for level in LEVELS:
                with absent() as parts:
                    base = {"rank": 32, "targets": "attention", "gradient_checkpointing": level}
                    found = unet_step(learner(parts, **base | case), side)
                print(f"step       {side:>5} px  {found / 1e9:6.3f} GB  {level:12}  {case}", flush=True)
        for dtype in (torch.bfloat16, torch.float32):
            for what in (denoising, decoding, encoding):
                with absent(dtype) as parts:
                    print(f"{what.__name__:10} {side:>5} px  {what(parts, side) / 1e9:6.3f} GB  {dtype}", flush=True)
    for on in (True, False):
        with absent() as parts:
            print(f"words              {words_step(parts, 1, on) / 1e9:6.3f} GB  checkpointing {on}", flush=True)
    for kind in ({"train.optimizer": "prodigy"}, {"prodigy.slice_p": 11}, {"train.optimizer": "adamw"}):
        print(f"optimizer          {optimizer_step(dict(kind)):6.1f} bytes a number  {kind}")


if __name__ == "__main__":
    main()
