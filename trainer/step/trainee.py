"""What a run trains: the LoRA, the new rows, their optimizer; put together once, saved and restored as one."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainer.checkpoints.snapshot import Snapshot, Tensors, copy_tensors
from trainer.contract.loras.lora_file import ENCODERS
from trainer.contract.plan.memory import state_bytes
from trainer.contract.run.changes import DORA_AXIS, is_free, plain
from trainer.contract.settings.arithmetic import are_apart, learning_rates, text_frozen_after, text_lora_decay
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.concepts import trained_part
from trainer.contract.settings.config import TrainConfig, flat
from trainer.data.dataset import Item, identity
from trainer.ground.tensor_files import all_finite, fill
from trainer.model.adapters import AdaptedLayer, LoraLinear, add_text_lora
from trainer.model.fused.unet import FusedUnet, stacking_order
from trainer.model.kinds import Told, add_adapter
from trainer.model.parts import DTYPES, Parts, free
from trainer.model.start import begin_from
from trainer.model.tokens import TokenTable, Vocabulary, insert_tokens
from trainer.step.average import Average, make_average
from trainer.step.diffusion import is_edm
from trainer.step.flat_group import FlatGroup
from trainer.step.optimizer import Optimizer, make_optimizer
from trainer.step.word_parts import PART, early_stops, of_part, rows_of, word_parts
from trainer.step.working_copy import WorkingCopy

# in a flat buffer: what begins as zeros comes last, of which Prodigy keeps no copy
ORDER = ("magnitude", "down", "lokr_w1", "lokr_w2_a", "hada_w1_a", "hada_w1_b", "hada_w2_a", "lokr_w2", "lokr_w2_b")
ORDER += ("hada_w2_b", "oft_blocks", "up")
RAW = "raw."  # before the name of a group: its numbers as they are trained, where a checkpoint's LoRA is their average


@dataclass
class Trainee:
    """The trainable parts of a run.

    `unet_layers` go by their paths, `text_layers` (usually none) by encoder and path; `tables` is empty without
    pivotal tuning. `pivot` is the step after which the words are frozen, whichever way they train.
    """

    vocabulary: Vocabulary
    unet_layers: dict[str, AdaptedLayer]
    text_layers: dict[str, AdaptedLayer]
    tables: tuple[TokenTable, ...]
    groups: list[FlatGroup]
    copies: dict[str, WorkingCopy]  # of the groups that are LoRA, by the group's name
    fused: FusedUnet
    optimizer: Optimizer | None  # None where nothing is trained, only shown or exported
    average: Average | None
    pivot: int | None
    export_dtype: torch.dtype
    prediction: str  # what the base model predicts: epsilon, v_prediction, or edm
    stops: dict[int, tuple[str, ...]]  # groups of words that are frozen before the pivot, by the step after which
    pivoted: bool = False

    @property
    def layers(self) -> dict[str, AdaptedLayer]:
        """All layers that have a LoRA, as the files hold them."""
        return self.unet_layers | self.text_layers

    @property
    def trains_words(self) -> bool:
        """Whether a gradient goes to the text encoders."""
        return self.pivot is not None and not self.pivoted

    def lora_tensors(self) -> Tensors:
        """LoRA parameters as the modules hold them: "<path>.down" (rank, in), "<path>.up" (out, rank).

        With DoRA also "<path>.magnitude", (1, in) or (out,); with a start of its own (not trained) "down0" and "up0".
        """
        return _named(self.layers) | self._fixed()

    def _fixed(self) -> Tensors:
        return {f"{path}.{name}": one for path, layer in self.layers.items() for name, one in layer.fixed().items()}

    def embedding_tensors(self) -> Tensors:
        """The new rows in the modules: "clip_l" (n, 768) and "clip_g" (n, 1280); nothing without pivotal tuning."""
        return {name: table.rows for name, table in zip(ENCODERS, self.tables, strict=False)}

    def averaged(self) -> AbstractContextManager[None]:
        """For as long as it lasts the modules hold what is exported; no step may be taken meanwhile."""
        return nullcontext() if self.average is None else self.average.in_place()

    def collect(self) -> None:
        """After each backward pass: its gradients, whatever precision they were made in, into the groups' fp32."""
        for copy in self.copies.values():
            copy.collect()

    def finite(self) -> bool:
        """Whether every trained number is one."""
        return all_finite(self.lora_tensors() | self.embedding_tensors())

    def freeze_part(self, name: str) -> None:
        """Freeze one group of new rows before the others, at its average: it leaves optimizer and norm, and stays."""
        word, encoder = of_part(name)
        if self.average is not None:
            self.average.freeze(name)
        if self.optimizer is not None:
            self.optimizer.freeze(name)
        self.groups = [group for group in self.groups if group.name != name]
        self.tables[ENCODERS.index(encoder)].hold(rows_of(self.vocabulary, word))

    @torch.no_grad()
    def freeze_text(self) -> None:
        """The pivot: the rows (or the text encoders' LoRA) leave optimizer and clipping norm, and never move again.

        They freeze at their average. The text encoders' LoRA is rounded as its file will be: from here on the unet
        learns to the captions that people will get.
        """
        for group in self.groups:
            if group.name != "unet":
                group.freeze()
                if self.average is not None:
                    self.average.freeze(group.name)
                if self.optimizer is not None:
                    self.optimizer.freeze(group.name)
        for table in self.tables:
            table.rows.requires_grad_(False)
            table.rows.grad = None
        if text := self.copies.pop("text_encoder", None):
            text.end()
        self.groups = [group for group in self.groups if group.name == "unet"]
        for layer in self.text_layers.values():
            for one in layer.trained().values():
                one.copy_(one.to(self.export_dtype))
        self.pivoted = True

    def release_text(self) -> None:
        """Let go of the frozen tables and weights under what was trained, which would keep the encoders' memory."""
        for table in self.tables:
            table.release()
        for layer in self.text_layers.values():
            layer.base = nn.Identity()

    def checkpoint_bytes(self, config: TrainConfig) -> int:
        """What a checkpoint takes, with the state that the optimizer has once it has stepped."""
        tensors = (*self.lora_tensors().values(), *self.embedding_tensors().values())
        every, fixed = (sum(one.numel() for one in found) for found in (tensors, self._fixed().values()))
        return round(every * 4 + (every - fixed) * state_bytes(config))

    def snapshot(self, step: int, identity_: dict[str, Any]) -> Snapshot:
        """CPU copies of everything that an exact resume needs. LoRA and rows are those to be exported: the average."""
        assert self.optimizer is not None
        lora, rows, state = self.lora_tensors(), self.embedding_tensors(), self.optimizer.state_tensors()
        if self.average is not None:
            means = self.average.tensors()
            lora, rows = ({name: means.get(name, one) for name, one in live.items()} for live in (lora, rows))
            rows = self._with_parts(rows, means)
            state = state | self.average.state_tensors() | {RAW + group.name: group.data for group in self.groups}
        return Snapshot(step, copy_tensors(lora), copy_tensors(rows), copy_tensors(state), identity_)

    def _with_parts(self, rows: Tensors, means: Tensors) -> Tensors:
        """The rows with the averages of those that are groups of their own."""
        parts = [name for name in means if name.startswith(PART)]
        found = {name: one.detach().clone() for name, one in rows.items()} if parts else rows
        for name in parts:
            word, encoder = of_part(name)
            found[encoder][rows_of(self.vocabulary, word)] = means[name]
        return found

    @torch.no_grad()
    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot into the modules; past the pivot, the rows are frozen first, as they were.

        Without the optimizer's state they hold what is exported. Raises OtherTensors.
        """
        for name in (one for step, names in self.stops.items() if step <= snapshot.step for one in names):
            self.freeze_part(name)
        if self.pivot is not None and snapshot.step >= self.pivot:
            self.freeze_text()
        fill(self.lora_tensors() | self.embedding_tensors(), snapshot.lora | snapshot.embeddings)
        state = snapshot.optimizer or {}  # an older checkpoint, to be exported, has none
        if state and self.optimizer is not None:
            self.optimizer.load_tensors(state)
        if self.average is not None:
            self.average.restore(snapshot.step, state)
        for group in self.groups:
            if (raw := state.get(RAW + group.name)) is not None:
                group.data.copy_(raw)

    @torch.no_grad()
    def end_at(self, snapshot: Snapshot) -> None:
        """Hold what a checkpoint exports, wherever the training came to since: it is over, and so are its averages."""
        fill(self.lora_tensors() | self.embedding_tensors(), snapshot.lora | snapshot.embeddings)
        self.average = None


def make_trainee(
    parts: Parts, config: TrainConfig, begins: bool = True, trains: bool = True, told: Told | None = None
) -> Trainee:
    """Insert new tokens and LoRA into `parts`; what `begins`, and is not restored, is filled from train.start_from.

    Where nothing `trains` there are the numbers of LoRA and rows alone: no gradients, no state of an optimizer.
    `told` hears how far a start is that is taken from the weights.

    Raises UnknownBlock, NoStart, OSError.
    """
    vocabulary = Vocabulary.counted(config.token_counts)
    tables: tuple[TokenTable, ...] = ()
    if vocabulary.tokens:
        assert parts.text_encoders is not None
        tables = insert_tokens(
            parts.text_encoders, parts.tokenizers, vocabulary, config.train.seed, config.pivotal.init_words
        )
    parts.place_unet()
    unet, text = add_adapter(parts.unet, config, begins, told), {}
    if config.text_encoder_lora.enabled:
        assert parts.text_encoders is not None
        text = add_text_lora(parts.text_encoders, config)
    if begins:
        begin_from(config, unet | text, tables, vocabulary)
    groups = _groups(unet, text, tables, vocabulary, config, trains)
    copies = _copies(groups, unet, text, parts)
    fused = FusedUnet(parts.unet, unet, copies["unet"].stack if "unet" in copies else None)
    free()  # of 1.3 GB that now lie side by side, and lay elsewhere before
    optimizer, pivot = make_optimizer(groups, config) if trains else None, text_frozen_after(config)
    average = None if optimizer is None else make_average(groups, optimizer, config)
    prediction = "edm" if is_edm(parts.scheduler) else parts.scheduler.config.prediction_type
    dtype = DTYPES[config.export.precision]
    return Trainee(
        vocabulary,
        unet,
        text,
        tables,
        groups,
        copies,
        fused,
        optimizer,
        average,
        pivot,
        dtype,
        prediction,
        early_stops(groups, config, pivot),
    )


def end_text(parts: Parts, trainee: Trainee, config: TrainConfig) -> None:
    """Nothing of the words is trained any more: both encoders go, unless each view reads other words of its caption."""
    if config.caption.varies:
        parts.encode_only()
        return
    trainee.release_text()
    parts.release_encoders()


def _groups(
    unet: dict[str, AdaptedLayer],
    text: dict[str, AdaptedLayer],
    tables: tuple[TokenTable, ...],
    vocabulary: Vocabulary,
    config: TrainConfig,
    trains: bool,
) -> list[FlatGroup]:
    unet_lr, words_lr = learning_rates(config)
    train = config.train
    groups = [lora_group("unet", unet, unet_lr, train.weight_decay, trains)]
    if tables:
        rows = {name: table.rows for name, table in zip(ENCODERS, tables, strict=True)}
        whole = FlatGroup.of("embeddings", rows, words_lr, train.embedding_weight_decay, trains=trains)
        groups += word_parts(whole, vocabulary, config) if are_apart(config) else [whole]
    if text:
        groups.append(lora_group("text_encoder", text, words_lr, text_lora_decay(config), trains))
    return groups


def lora_group(
    name: str, layers: dict[str, AdaptedLayer], lr: float, weight_decay: float, trains: bool = True
) -> FlatGroup:
    named, paths = _named(layers), stacking_order(layers)
    order = [f"{path}.{part}" for part in ORDER for path in paths if f"{path}.{part}" in named]
    return FlatGroup.of(name, named, lr, weight_decay, order, trains)


def _copies(
    groups: list[FlatGroup], unet: dict[str, AdaptedLayer], text: dict[str, AdaptedLayer], parts: Parts
) -> dict[str, WorkingCopy]:
    of: dict[str, tuple[dict[str, AdaptedLayer], tuple[nn.Module, ...]]] = {"unet": (unet, (parts.unet,))}
    if text:
        assert parts.text_encoders is not None
        of["text_encoder"] = (text, parts.text_encoders)
    named = {group.name: group for group in groups}
    return {
        name: WorkingCopy(named[name], layers, parts.dtype, readers)
        for name, (layers, readers) in of.items()
        # others make of their numbers what they multiply with
        if all(isinstance(one, LoraLinear) and not one.fixed() for one in layers.values())
    }


def _named(layers: dict[str, AdaptedLayer]) -> dict[str, nn.Parameter]:
    return {f"{path}.{name}": one for path, layer in layers.items() for name, one in layer.trained().items()}


def run_identity(
    config: TrainConfig, items: tuple[Item, ...], class_items: tuple[Item, ...], base: dict[str, str]
) -> dict[str, Any]:
    """What makes a run this run: settings that change the result, the pictures with their words, the base model.

    `base` has a digest for each part of the base model.
    """
    settings = {key: plain(value) for key, value in flat(config).items() if not is_free(key)}
    settings[CONCEPTS] = trained_part(settings[CONCEPTS])
    if not config.train.dora:
        settings.pop(DORA_AXIS)
    pictures = {"pictures": identity(items), "class_pictures": identity(class_items)}
    return {"settings": settings, "base": base, **pictures}
