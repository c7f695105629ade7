"""Counts what a step of the full-size SDXL holds at its fullest, on tensors that are not there: no GPU is needed.

The constants of trainer/contract/plan/estimate.py come from here. It runs the trainer's own layers, losses aside, under
torch's FakeTensorMode: every operation is dispatched, only shapes are worked out. Counted is the sum of the bytes of
all storages alive at once, beyond the weights and the gradients. Not counted: what a kernel asks for inside itself,
and what the allocator cannot use again.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainer.contract.settings.config import TrainConfig, nested
from trainer.model.adapters import add_lora
from trainer.model.full_size import FULL, random_parts
from trainer.model.parts import Parts
from trainer.model.tokens import insert_rows
from trainer.step.flat_group import FlatGroup
from trainer.step.optimizer import make_optimizer


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

    def know(self, tensors: Any) -> None:
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


def unet_step(parts: Parts, config: TrainConfig, side: int) -> int:
    """Bytes at the fullest of one forward and backward pass of the unet's LoRA."""
    train = config.train
    layers = add_lora(parts.unet, config)
    for layer in layers.values():
        for one in layer.trained().values():
            one.grad = torch.zeros_like(one)
    if train.gradient_checkpointing:
        parts.unet.enable_gradient_checkpointing()
        parts.unet.train()
    inputs = unet_inputs(parts, train.batch, side)
    return counted(parts, lambda: parts.unet(**inputs)[0].float().square().mean().backward())


def unet_inputs(parts: Parts, batch: int, side: int) -> dict[str, Any]:
    """What the unet is given for `batch` pictures of `side` px."""
    latent = side // parts.factor
    text = {"text_embeds": torch.empty(batch, 1280, dtype=parts.dtype), "time_ids": torch.empty(batch, 6)}
    return {
        "sample": torch.empty(batch, 4, latent, latent, dtype=parts.dtype),
        "timestep": torch.empty(batch),
        "encoder_hidden_states": torch.empty(batch, 77, 2048, dtype=parts.dtype),
        "added_cond_kwargs": text,
        "return_dict": False,
    }


def denoising(parts: Parts, side: int) -> int:
    """Bytes at the fullest of one denoising step: two passes in one, with and without the prompt."""
    inputs = unet_inputs(parts, 2, side)
    with torch.no_grad():
        return counted(parts, lambda: parts.unet(**inputs))


def decoding(parts: Parts, side: int) -> int:
    """Bytes at the fullest of the VAE's way from latents to one picture."""
    latents = torch.empty(1, 4, side // parts.factor, side // parts.factor, dtype=parts.dtype)
    with torch.no_grad():
        return counted(parts, lambda: parts.vae.decode(latents, return_dict=False))


def encoding(parts: Parts, side: int) -> int:
    """Bytes at the fullest of the VAE's way from one picture to latents."""
    pixels = torch.empty(1, 3, side, side)  # fp32, whatever the rest is in
    with torch.no_grad():
        return counted(parts, lambda: parts.vae.encode(pixels))


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

    return counted(parts, step)


def optimizer_step(own: dict[str, object], numbers: int = 1_000_000) -> float:
    """Bytes a trained number at the fullest of a step of the optimizer, beyond what it keeps."""
    group = FlatGroup.of("unet", {"all": torch.nn.Parameter(torch.zeros(numbers))}, 1.0, 0.01)
    optimizer = make_optimizer([group], TrainConfig.model_validate(nested(own)))
    group.grad.fill_(0.1)
    optimizer.step(1.0)
    alive = Alive()
    alive.know([*optimizer.state_tensors().values(), group.data, group.grad])
    with alive:
        optimizer.step(1.0)
    return alive.peak / numbers


def counted(parts: Parts, work: Callable[[], Any]) -> int:
    """The fullest moment of `work`, beyond all parameters and their gradients."""
    alive = Alive()
    modules = (parts.unet, parts.vae, *(parts.text_encoders or ()))
    for module in modules:
        alive.know([*module.parameters(), *module.buffers()])
        alive.know([one.grad for one in module.parameters() if one.grad is not None])
    with alive:
        work()
    return alive.peak


def settings(**own: object) -> TrainConfig:
    """A configuration with these values of [train]."""
    return TrainConfig.model_validate(nested({f"train.{key}": value for key, value in own.items()}))


def fresh(dtype: torch.dtype = torch.bfloat16) -> Parts:
    return random_parts(FULL, "cpu", dtype)


def main() -> None:
    """Print the table that estimate.py quotes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sides", type=int, nargs="+", default=[512, 768, 1024])
    sides = arguments.parse_args().sides
    cases = [
        {"batch": batch, "gradient_checkpointing": on, "rank": 32, **more}
        for on in (True, False)
        for batch, more in ((1, {}), (4, {}), (1, {"rank": 4}), (1, {"targets": "all-linear"}), (1, {"dora": True}))
    ]
    with FakeTensorMode(allow_non_fake_inputs=True):
        for side in sides:
            for case in cases:
                found = unet_step(fresh(), settings(**case), side)
                print(f"step      {side:>5} px  {found / 1e9:6.2f} GB  {case}", flush=True)
            for dtype in (torch.bfloat16, torch.float32):
                parts = fresh(dtype)
                print(f"denoising {side:>5} px  {denoising(parts, side) / 1e9:6.2f} GB  {dtype}")
                print(f"decoding  {side:>5} px  {decoding(parts, side) / 1e9:6.2f} GB  {dtype}")
                print(f"encoding  {side:>5} px  {encoding(parts, side) / 1e9:6.2f} GB  {dtype}", flush=True)
        for on in (True, False):
            print(f"words              {words_step(fresh(), 1, on) / 1e9:6.3f} GB  checkpointing {on}", flush=True)
    for own in ({"train.optimizer": "prodigy"}, {"prodigy.slice_p": 11}, {"train.optimizer": "adamw"}):
        print(f"optimizer          {optimizer_step(own):6.1f} bytes a number  {own}")


if __name__ == "__main__":
    main()
