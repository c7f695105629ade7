"""Why a step is not finite: computed again from the very same draws, and looked at until the first such number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from trainer.contract.loras.lora_file import ENCODERS
from trainer.data.dataset import View
from trainer.ground.error_line import first_line
from trainer.model.adapters import ENCODER_NAMES
from trainer.model.parts import Parts, free
from trainer.model.prompts import Encoded
from trainer.step.batch import DeviceBatch, HostBatch
from trainer.step.flat_group import FlatGroup, gradient_norm
from trainer.step.not_finite.error import Cause, listed
from trainer.step.not_finite.watch import (
    ENCODERS_TOLD,
    UNET,
    FirstSeen,
    Watch,
    is_finite,
    is_frozen_finite,
    largest,
    not_finite_rows,
)
from trainer.step.trainee import Trainee
from trainer.step.word_parts import PART, of_part

SHOWN = 80  # letters of a caption in a message
BOUND = ("layer", "loss", "gradient")  # kinds for which it is seen whether the other passes of the step are well
BASE = "the base model's own numbers of {} are not finite"
OF_ENCODER = dict(zip(ENCODER_NAMES, ENCODERS_TOLD, strict=True))
HALF = f"; fp16 holds nothing over {int(torch.finfo(torch.float16).max):,}"


@dataclass(frozen=True)
class _Found:
    """What was not finite in one pass, and for which of its views; for none in particular where there are none."""

    kind: str
    said: Callable[[str], str]  # the names of those, "" for none, in a sentence
    views: tuple[View, ...] = ()


GONE = Cause(
    "gone",
    "computed again it is finite, so the cause is the machine, or an operation that gives other bits each time",
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
    """Compute the step again, at most twice and once for each of its pictures, and say what is not finite first.

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
    fused, found = again.trainee.fused, None
    try:  # first layer by layer, for a node hides what is in it, and with nothing that was kept of words and sizes
        with fused.layer_by_layer():
            found = _step(again, kept=False)
    except (torch.OutOfMemoryError, MemoryError):
        if not len(fused):
            raise
    if found is None and len(fused):  # as it was computed: for that there was room
        free()
        found = _step(again, kept=True)
    return found or GONE


def _trained(again: Again) -> Cause | None:
    """What is trained, before the step, and as the products read it."""
    for group in again.trainee.groups:
        for name, place in zip(group.names, group.places(), strict=True):
            if not is_finite(group.data[place]):
                return _began_so(again, name) or Cause("weights", f"{_trained_name(name)} was not finite before it")
    for copy in again.trainee.copies.values():
        group, dtype = copy.group, copy.data.dtype
        if not is_finite(group.data.to(dtype)):
            size, name = _largest_of(group, group.data)
            return Cause("weights", f"{_trained_name(name)} reaches {size:.3g}{HALF if dtype == torch.float16 else ''}")
    return None


def _began_so(again: Again, name: str) -> Cause | None:
    """Where a trained tensor was made of the base model's numbers, as a DoRA's lengths are, and those are to blame."""
    path = name.rpartition(".")[0]
    layer = again.trainee.layers.get(path)
    if layer is None or is_frozen_finite(layer):
        return None
    encoder, _, inside = path.partition(".")
    where = f"{inside} of {OF_ENCODER[encoder]}" if path in again.trainee.text_layers else f"{path} of {UNET}"
    return Cause("base", BASE.format(where))


def _step(again: Again, kept: bool) -> Cause | None:
    """All passes of the step, and the norm of their gradients."""
    again.clear()
    batches = again.batches()
    for host in batches:
        if found := _pass(again, host, kept):
            return _of_step(again, found, host, batches, kept)
    if gradient_norm(again.trainee.groups).isfinite():
        return None
    most, name = max(_largest_of(group, group.grad) for group in again.trainee.groups)
    said = f"each gradient is finite, but not their norm: that of {_trained_name(name)} reaches {most:.3g}"
    return Cause("gradient", said)


def _of_step(again: Again, found: _Found, host: HostBatch, rest: Iterator[HostBatch], kept: bool) -> Cause:
    """What was found in a pass, bound to what else of the step is not finite: a picture alone is none of several."""
    views, bad = [*host.views], [*found.views]
    for other in rest if bad and found.kind in BOUND else ():
        again.clear()
        views += other.views
        if more := _pass(again, other, kept):
            bad += more.views or other.views
    if found.kind == "layer" and len(bad) == len(views) > 1:  # it is of none
        bad = []
    own = tuple(dict.fromkeys(view.item.name for view in bad if not view.prior))
    return Cause(found.kind, found.said(listed(bad)), own)


def _pass(again: Again, host: HostBatch, kept: bool) -> _Found | None:
    """One pass over a batch, from what it is given to its gradients."""
    parts = again.parts
    if bad := not_finite_rows(host.latents):
        return _Found("latents", "the latents of {} are not finite".format, _at(host, bad))
    with Watch(parts) as watch:
        words = again.words(host)
        if watch.first is not None:
            return _of_module(again, watch.first, host)
        if bad := sorted({*not_finite_rows(words.hidden), *not_finite_rows(words.pooled)}):
            caption = host.prompts[bad[0]][:SHOWN]
            return _Found(
                "words",
                lambda of: f"the text embeddings of '{caption}', the caption of {of}, are not finite",
                _at(host, bad),
            )
        batch = DeviceBatch.of(host, words if kept else replace(words, known=(), times=()), parts.device)
        if bad := not_finite_rows(again.target(batch)):
            return _Found("latents", "what the U-Net should answer to {} is not finite".format, _at(host, bad))
        errors = again.errors(batch)
        bad = not_finite_rows(errors)
        if watch.first is not None:  # others may have followed in a later layer
            return _of_module(again, watch.first, host, bad or watch.first.rows)
    if bad:
        said = "the U-Net's answer to {} is finite, but its loss is more than fp32 holds".format
        return _Found("loss", said, _at(host, bad))
    loss = again.loss(errors, host.mine)
    if not is_finite(loss):
        return _Found("loss", lambda _: "the loss of each picture is finite, but not their sum")
    again.backward(loss)
    return _of_gradient(again, host, watch)


def _of_module(again: Again, first: FirstSeen, host: HostBatch, rows: Sequence[int] = ()) -> _Found:
    """What is known of the first module whose answer is not finite, for these `rows` of the batch."""
    where = f"{first.path} of {first.part}" if first.path else first.part
    if first.frozen:
        return _Found("base", lambda _: BASE.format(where))
    asked = f", to numbers of up to {first.asked:.3g}" if first.asked else ""
    size, layer = first.trained
    inside = f" in {layer}" if layer else ""
    trained = f", with a LoRA that reaches {size:.3g}{inside}" if size else ""
    half = HALF if again.parts.dtype == torch.float16 else ""
    rest = f"{asked}{trained}{half}"

    def said(names: str) -> str:
        return f"{where} is the first whose answer is not finite{f' for {names}' if names else ''}{rest}"

    return _Found("layer", said, _at(host, rows))


def _of_gradient(again: Again, host: HostBatch, watch: Watch) -> _Found | None:
    """The trained tensor whose gradient is the first that is not finite, as the backward pass comes to them."""
    if all(is_finite(group.grad) for group in again.trainee.groups):
        return None
    path = _last_used(again, watch)
    views = tuple(view for view in host.views if len(host.views) == 1 or not _is_alone_finite(again, view))
    half = HALF if again.parts.dtype == torch.float16 else ""

    def said(names: str) -> str:
        of = f"for {names}" if names else "of no picture alone"
        return f"the loss is finite, but not the gradient of {path} ({of}){half}"

    return _Found("gradient", said, views)


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


def _at(host: HostBatch, rows: Sequence[int]) -> tuple[View, ...]:
    return tuple(view for row, view in enumerate(host.views) if row in rows)


def _trained_name(name: str) -> str:
    """Of a tensor that is trained, for people: a part of a LoRA by the path of its layer, or the new rows."""
    path, _, part = name.rpartition(".")
    if name in ENCODERS:
        return f"the new tokens' embedding in {name}"
    if name.startswith(PART):  # before the dot, which a trigger may have
        return "the embedding of '{}' in {}".format(*of_part(name))
    return f"the LoRA's {part} of {path}"


def _largest_of(group: FlatGroup, numbers: torch.Tensor) -> tuple[float, str]:
    """The largest of a group's numbers, or of their gradients, by the absolute value, and whose it is."""
    return max((largest(numbers[place]), name) for name, place in zip(group.names, group.places(), strict=True))
