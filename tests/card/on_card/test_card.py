"""The card keeps to what it promises, or the tests beside this one would say nothing."""

from __future__ import annotations

import threading

import pytest
import torch

from tests.card.card import Card
from trainer.step.graphs import CudaRecorder

CUDA = torch.device("cuda")


def test_devices_do_not_mix(card: Card) -> None:
    there, here = torch.ones(3, device=CUDA), torch.ones(3)
    assert there.device == torch.device("cuda", 0) and (there + 1).device == there.device
    assert (there + torch.ones(())).device == there.device  # as on a GPU: a number of the host counts as one
    for mixed in (lambda: there + here, lambda: here @ there, lambda: torch.stack([here, there])):
        with pytest.raises(RuntimeError, match="at least two devices"):
            mixed()
    assert there[torch.tensor([0, 2])].tolist() == [1, 1]


def test_what_waits_is_counted(card: Card) -> None:
    one = torch.ones(3).pin_memory().to(CUDA, non_blocking=True)
    there = one.to("cpu", non_blocking=True)
    assert there.is_pinned() and card.waits() == {}
    torch.ones(3).to(CUDA)
    torch.ones(3).to(CUDA, non_blocking=True)
    one.sum().item()
    one.cpu()
    assert card.waits() == {
        "copy from the host": 1,
        "copy of memory that is not pinned": 1,
        "read by the host": 1,
        "copy to the host": 1,
    }


def test_memory_is_counted_and_ends(card: Card) -> None:
    before = card.held()
    one = torch.zeros(1000, device=CUDA)
    other = one + 1
    assert card.held() - before == 8000 and torch.cuda.max_memory_allocated() >= before + 8000
    card.limit(3999)
    with pytest.raises(torch.OutOfMemoryError):
        torch.zeros(1000, device=CUDA)
    del one, other
    assert card.held() == before


def test_a_gradient_is_made_where_its_numbers_are(card: Card) -> None:
    leaf = torch.full((3,), 2.0, device=CUDA, requires_grad=True)
    (leaf * leaf)[1:].sum().backward()
    assert leaf.grad is not None and leaf.grad.device == leaf.device and leaf.grad.tolist() == [0, 4, 4]


def test_a_recording_reads_its_addresses_anew_and_runs_no_program(card: Card) -> None:
    x, out, leaf = torch.ones(3, device=CUDA), torch.zeros(3, device=CUDA), torch.ones(3, device=CUDA)
    leaf = leaf.requires_grad_(True)
    leaf.grad = torch.zeros_like(leaf)
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        (x * leaf * 2).sum().backward()
        out.copy_(x + 1)

    replay = CudaRecorder(CUDA).record(work)
    done = calls
    leaf.grad.zero_()
    x.fill_(5)
    replay()
    replay()
    assert leaf.grad.tolist() == [20, 20, 20] and out.tolist() == [6, 6, 6] and calls == done
    assert len(card.recordings) == 1


@pytest.mark.parametrize("what", ["read", "pinned"])
def test_what_cuda_refuses_while_it_records_is_refused(card: Card, what: str) -> None:
    x, seen = torch.ones(3, device=CUDA), []

    def pin() -> None:
        try:
            torch.ones(3).pin_memory()
        except RuntimeError as error:
            seen.append(str(error))

    def work() -> None:
        x.add_(1)
        if torch.cuda.is_current_stream_capturing():
            if what == "read":
                x.tolist()
            else:  # in any thread
                thread = threading.Thread(target=pin)
                thread.start()
                thread.join()

    if what == "read":
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            CudaRecorder(CUDA).record(work)
    else:
        CudaRecorder(CUDA).record(work)
        assert "not permitted when stream is capturing" in seen[0]


def test_without_gradients_for_good_views_are_views_still(card: Card) -> None:
    with torch.inference_mode():
        x = torch.arange(6.0, device=CUDA).view(2, 3)
        x[0].mul_(2)
        assert torch.nn.functional.linear(x, torch.ones(1, 3, device=CUDA)).flatten().tolist() == [6, 12]
