"""Embeddings of noise levels and sizes: the bits of the unet's own, made once; as ever where a pass is told nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.trainer.model.full_depth import Operations
from tests.trainer.model.test_adapters import inputs, small_unet
from trainer.model.times import TOLD, TimeEmbeddings

CPU = torch.device("cpu")


def told(times: TimeEmbeddings, own: dict[str, Any], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    return times.of(own["timestep"].tolist(), sizes_of(own), lambda t: t, dtype, CPU)


def sizes_of(own: dict[str, Any]) -> list[tuple[float, ...]]:
    return [tuple(one) for one in own["added_cond_kwargs"]["time_ids"].tolist()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_that_is_told_them_gives_the_same_bits_with_fewer_operations(dtype: torch.dtype) -> None:
    unet = small_unet().to(dtype).requires_grad_(False)
    for level, side in ((10, 64.0), (700, 1365.0)):
        own = {name: one[:1].to(dtype) for name, one in inputs(unet).items() if isinstance(one, torch.Tensor)}
        own["timestep"] = torch.tensor([level])
        own["added_cond_kwargs"] = {
            "text_embeds": inputs(unet)["added_cond_kwargs"]["text_embeds"][:1].to(dtype),
            "time_ids": torch.full((1, 6), side),
        }
        with Operations() as plain:
            expected = unet(**own).sample
        times = TimeEmbeddings(unet)
        given = told(times, own, dtype)
        with Operations() as seen:
            found = unet(**own | {"added_cond_kwargs": own["added_cond_kwargs"] | {TOLD: given}}).sample
        assert torch.equal(found, expected)
        assert plain.count - seen.count > 20
        with Operations() as again:
            told(times, own, dtype)
        assert again.count == 0  # both are kept
        # whoever tells nothing, a picture that is drawn for one, is computed as ever
        with Operations() as after:
            found = unet(**own).sample
        assert torch.equal(found, expected) and after.count == plain.count


def test_each_is_made_by_itself() -> None:
    unet = small_unet()
    times, own = TimeEmbeddings(unet), inputs(unet)
    own["added_cond_kwargs"]["time_ids"] = torch.tensor([[64.0] * 6, [1024.0, 768, 0, 3, 64, 64]])
    levels, sizes = told(times, own, torch.float32)
    pairs = zip(own["timestep"].tolist(), sizes_of(own), strict=True)
    alone = [TimeEmbeddings(unet).of([level], [size], lambda t: t, torch.float32, CPU) for level, size in pairs]
    assert torch.equal(levels, torch.cat([one for one, _ in alone]))
    assert torch.equal(sizes, torch.cat([one for _, one in alone]))
    answer = unet(**own).sample
    own["added_cond_kwargs"][TOLD] = (levels, sizes)
    assert torch.allclose(unet(**own).sample, answer, atol=1e-5)
