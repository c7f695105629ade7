"""Why a step is not finite: computed again from the very same draws, and looked at until the first such number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from trainer.data.dataset import View
from trainer.ground.error_line import first_line
from trainer.model.parts import Parts, free
from trainer.model.prompts import Encoded
from trainer.step.batch import DeviceBatch, HostBatch
from trainer.step.flat_group import FlatGroup
from trainer.step.not_finite.watch import UNET, FirstSeen, Watch, is_finite, largest, not_finite_rows
from trainer.step.trainee import Trainee

SHOWN = 80  # letters of a caption in a message
MOST_NAMED = 4  # pictures that are named
HALF = f"; fp16 holds nothing over {int(torch.finfo(torch.float16).max):,}"


@dataclass(frozen=True)
class Cause:
    """What was not finite first: its kind, one of CAUSES, and in words; the pictures that it is bound to, if any."""

    kind: str
    words: str
    pictures: tuple[str, ...] = ()


GONE = Cause(
    "gone",
    "computed again it is finite, so that the machine, or a part of it that gives other bits each time, was at it",
)


@dataclass(frozen=True)
class Again:
    """What computes a step once more, as it was computed; nothing of it applies anything."""

    parts: Parts
    trainee: Trainee
    batches: Callable[[], Iterator[HostBatch]]  # of the step; what torch draws for one is seeded when it is given
    of: Callable[[tuple[View, ...]], HostBatch]  # some views of it as a batch
    words: Callable[[HostBatch], Encoded]
    target: Callable[[DeviceBatch], torch.Tensor]
    errors: Callable[[DeviceBatch], torch.Tensor]  # the loss of each view
    loss: Callable[[torch.Tensor, int], torch.Tensor]  # what they add to the step's; so many are no class pictures
    scaled: Callable[[torch.Tensor], torch.Tensor]  # what the backward pass begins with

    def clear(self) -> None:
        """No gradient is left."""
        for group in self.trainee.groups:
            group.grad.zero_()
        for copy in self.trainee.copies.values():
            copy.grad.zero_()

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a pass with this loss."""
        self.scaled(loss[0] if loss.dim() else loss).backward()
        self.trainee.collect()


def find_cause(again: Again) -> Cause:
    """Compute the step again, at most twice and once for each picture of a batch, and say what is not finite first.

    Raises nothing that a computation can raise: what keeps it from being looked into is said in the words.
    """
    try:
        try:
            return _look(again)
        finally:
            again.clear()
    except (torch.OutOfMemoryError, MemoryError):
        why = "there was no memory to compute it again"
    except Exception as error:
        why = f"computing it again failed: {first_line(error)}"
    return Cause("unseen", f"the cause was not looked into, for {why}")


def _look(again: Again) -> Cause:
    free()
    if found := _trained(again):
        return found
    # first layer by layer, for a node hides what is in it, and with nothing that was kept of words and sizes
    with again.trainee.fused.layer_by_layer():
        found = _step(again, kept=False)
    if found is None and len(again.trainee.fused):
        found = _step(again, kept=True)
    return found or GONE


def _trained(again: Again) -> Cause | None:
    """What is trained, before the step, and as the products read it."""
    for group in again.trainee.groups:
        for name, place in zip(group.names, group.places(), strict=True):
            if not is_finite(group.data[place]):
                return Cause("weights", f"{_trained_name(name)} was not finite before it")
    for copy in again.trainee.copies.values():
        group, dtype = copy.group, copy.data.dtype
        if not is_finite(group.data.to(dtype)):
            size, name = _largest_of(group, group.data)
            return Cause("weights", f"{_trained_name(name)} reaches {size:.3g}{HALF if dtype == torch.float16 else ''}")
    return None


def _step(again: Again, kept: bool) -> Cause | None:
    """All passes of the step, and the norm of their gradients."""
    again.clear()
    for host in again.batches():
        if found := _pass(again, host, kept):
            return found
    norms = torch.stack([torch.linalg.vector_norm(group.grad) for group in again.trainee.groups])
    if norms.square().sum().isfinite():
        return None
    most, name = max(_largest_of(group, group.grad) for group in again.trainee.groups)
    said = f"each gradient is finite, but not their norm: that of {_trained_name(name)} reaches {most:.3g}"
    return Cause("gradient", said)


def _pass(again: Again, host: HostBatch, kept: bool) -> Cause | None:
    """One pass over a batch, from what it is given to its gradients."""
    parts = again.parts
    if bad := not_finite_rows(host.latents):
        return _of_pictures("latents", "the latents of", "are not finite", host, bad)
    with Watch(parts) as watch:
        words = again.words(host)
        if watch.first is not None:
            return _of_module(again, watch.first, host)
        if bad := sorted({*not_finite_rows(words.hidden), *not_finite_rows(words.pooled)}):
            said = f"the text embeddings are not finite of '{host.prompts[bad[0]][:SHOWN]}', the caption of"
            return _of_pictures("words", said, "", host, bad)
        batch = DeviceBatch.of(host, words if kept else replace(words, known=(), times=()), parts.device)
        if bad := not_finite_rows(again.target(batch)):
            return _of_pictures("latents", "what the U-Net should answer to", "is not finite", host, bad)
        errors = again.errors(batch)
        if watch.first is not None:
            return _of_module(again, watch.first, host)
    if bad := not_finite_rows(errors):
        said = "is finite, but its loss is more than fp32 holds"
        return _of_pictures("loss", "the U-Net's answer to", said, host, bad)
    loss = again.loss(errors, host.mine)
    if not is_finite(loss):
        return Cause("loss", "the loss of each picture is finite, but not their sum")
    again.backward(loss)
    return _of_gradient(again, host, watch)


def _of_module(again: Again, first: FirstSeen, host: HostBatch) -> Cause:
    """What is known of the first module whose answer is not finite."""
    where = f"{first.path} of {first.part}" if first.path else first.part
    if first.frozen:
        return Cause("base", f"the base model's own numbers of {where} are not finite")
    views, rows = len(host.views), first.rows if first.part == UNET else ()
    names = _names(host, rows) if len(rows) < views or views == 1 else ()
    of = f" for {_listed(names)}" if names else ""
    asked = f", to numbers of up to {first.asked:.3g}" if first.asked else ""
    size, layer = first.trained
    inside = f" in {layer}" if layer else ""
    trained = f", with a LoRA that reaches {size:.3g}{inside}" if size else ""
    half = HALF if again.parts.dtype == torch.float16 else ""
    return Cause("layer", f"{where} is the first whose answer is not finite{of}{asked}{trained}{half}", names)


def _of_gradient(again: Again, host: HostBatch, watch: Watch) -> Cause | None:
    """The trained tensor whose gradient is the first that is not finite, as the backward pass comes to them."""
    if all(is_finite(group.grad) for group in again.trainee.groups):
        return None
    path = _last_used(again, watch)
    names = tuple(view.item.name for view in host.views if len(host.views) == 1 or not _is_alone_finite(again, view))
    of = f" (for {_listed(names)})" if names else " (of no picture alone)"
    half = HALF if again.parts.dtype == torch.float16 else ""
    return Cause("gradient", f"the loss is finite, but not the gradient of {path}{of}{half}", names)


def _last_used(again: Again, watch: Watch) -> str:
    """Of what has a gradient that is not finite: what the forward pass used last."""
    order = {one: place for place, one in enumerate(watch.used)}
    layers, found = again.trainee.layers, []
    for group in again.trainee.groups:
        for name, place in zip(group.names, group.places(), strict=True):
            if not is_finite(group.grad[place]):
                layer = layers.get(name.rpartition(".")[0])
                # rows of new tokens come before any layer; a node does not say when its layers are used
                found.append((-1 if layer is None else order.get(id(layer), 0), name))
    return _trained_name(max(found)[1])


def _is_alone_finite(again: Again, view: View) -> bool:
    """Whether the gradients of one picture, computed by itself, are finite."""
    again.clear()
    host = again.of((view,))
    words = replace(again.words(host), known=(), times=())
    errors = again.errors(DeviceBatch.of(host, words, again.parts.device))
    again.backward(again.loss(errors, host.mine))
    return all(is_finite(group.grad) for group in again.trainee.groups)


def _of_pictures(kind: str, before: str, after: str, host: HostBatch, rows: Iterable[int]) -> Cause:
    names = _names(host, rows)
    return Cause(kind, f"{before} {_listed(names)} {after}".rstrip(), names)


def _names(host: HostBatch, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(host.views[row].item.name for row in rows))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _trained_name(name: str) -> str:
    """Of a tensor that is trained, for people: a part of a LoRA by the path of its layer, or the new rows."""
    path, _, part = name.rpartition(".")
    return f"the LoRA's {part} of {path}" if path else f"what is trained of {name}"


def _largest_of(group: FlatGroup, numbers: torch.Tensor) -> tuple[float, str]:
    """The largest of a group's numbers, or of their gradients, by the absolute value, and whose it is."""
    return max((largest(numbers[place]), name) for name, place in zip(group.names, group.places(), strict=True))
