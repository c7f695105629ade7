"""What a run holds in memory, by part and by phase; every constant with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.contract.basemodel.inspect import BaseModel
from trainer.contract.plan.adapter_size import by_layer
from trainer.contract.plan.model_shape import NF4_BLOCK, SDXL_PARAMETERS, ModelShape
from trainer.contract.plan.vae_memory import TILE, WIDTH, vae_kept, vae_widths
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.contract.settings.prompts import sample_side
from trainer.contract.settings.tracking import NO_SAMPLES
from trainer.contract.settings.training import Checkpointing
from trainer.contract.units import in_bytes, plural

Device = Literal["cuda", "cpu"]

# Of Prodigy's state of 16 bytes a number two parts shrink with slice_p (trainer.md). With slice_p the place of each
# number that it looks at is kept as well, in 8 bytes; no checkpoint holds that.
# What numbers began as is kept of those alone that did not begin as zero: `down`, half of a LoRA (46 % on every Linear
# of SDXL, 53 % on the attention), in bf16, on whose numbers a LoRA begins; in fp32 beside a DoRA's lengths, or of other
# kinds; all of them where a run begins from another LoRA, none with adapter.start.
PRODIGY_SLICED, PRODIGY_INDEX, PRODIGY_ZEROS, PRODIGY_HALVED = 8, 8, 2, 1
SCRATCH_SLICED = 8  # bytes a number in a step, where OPTIMIZERS has Prodigy's without slice_p
# What is alive at the fullest moment of a forward and backward pass beyond weights, trained numbers and gradients, in
# bytes for one picture of 1024 px in half precision, by what is made again: counted on the full-size unet with a LoRA
# of rank 32 on the attention by tests/bench/activations.py. It grows as the batch (4: 4.00 times) and as the pixels
# (512 px: 0.26). What cuDNN asks for and the allocator cannot use again comes on top and is learned from runs.
# While the LoRA is put in, weights that are read together are laid side by side (0.63 GB for the words' keys and
# values), before there is any state of the optimizer: less than what comes later.
ACTIVATIONS: dict[Checkpointing, float] = {"off": 5.69e9, "norms": 4.44e9, "feed-forward": 2.76e9, "blocks": 0.59e9}
ACTIVATIONS_PIXELS = 1024 * 1024
STAYS = "stay to the end: each view reads its caption's tags anew"
MADE_AGAIN: dict[Checkpointing, str] = {
    "norms": "norms and GELUs",
    "feed-forward": "norms and the products of the feed-forward",
    "blocks": "whole blocks",
}
# the same count, with these, as a multiple; DoRA and dropout go layer by layer, and make whole blocks again or nothing
ALL_LINEAR: dict[Checkpointing, float] = {"off": 1.20, "norms": 1.02, "feed-forward": 1.04, "blocks": 1.18}
DORA: dict[str, dict[Checkpointing, float]] = {  # on every Linear: of what ALL_LINEAR makes of it
    "attention": {"off": 1.23, "blocks": 1.0},
    "all-linear": {"off": 1.36, "blocks": 1.08},
}
DROPOUT: dict[Checkpointing, float] = {"off": 1.37, "blocks": 1.0}
CONVOLUTIONS = 0.430e9  # what goes into them, of one picture of 1024 px in half: counted on the full-size unet
WORDS = {True: 0.0114e9, False: 0.083e9}  # of both text encoders, one prompt, by whether their blocks are made again
# A denoising step for a picture of 1024 px, in half precision: two passes, counted as above.
DENOISED = 0.33e9
# torch and its libraries themselves: on a GPU the context and the kernels, 0.4 to 1 GB; on the CPU what a run of the
# small SDXL held at its peak beside its own parts (torch 2.13, diffusers 0.39, measured on Linux).
TORCH: dict[Device, float] = {"cuda": 0.7e9, "cpu": 0.57e9}


@dataclass(frozen=True)
class MemoryPart:
    """One part of the need, in bytes. `rough`: not counted from the model, so corrected by what runs measured."""

    name: str
    bytes: int
    note: str = ""
    rough: bool = False


@dataclass(frozen=True)
class MemoryNeed:
    """One configuration on one kind of device, with what all parts of its memory are worked out from."""

    config: TrainConfig
    base: BaseModel
    shape: ModelShape
    device: Device
    rows: int  # numbers of the new tokens

    @property
    def trained(self) -> int:
        """Numbers that are trained."""
        return self.shape.lora + self.shape.text_lora + self.rows

    @property
    def width(self) -> int:
        """Bytes of a number in the precision of the training."""
        return WIDTH[self.config.train.precision]

    @property
    def unet(self) -> int:
        """Bytes of the unet in its place: the codes and their scales in fp32 of what is quantized."""
        shape, how = self.shape, self.config.model.quantize
        whole = shape.parameters["unet"] * self.width
        if how == "off":
            return whole
        coded = shape.linear // 2 + 4 * shape.linear // NF4_BLOCK if how == "nf4" else shape.linear + 4 * shape.rows
        return whole - shape.linear * self.width + coded

    def state(self, trained: int) -> int:
        """Bytes of the optimizer's state in memory for so many numbers."""
        sliced = self.config.train.optimizer == "prodigy" and self.config.prodigy.slice_p > 1
        index = PRODIGY_INDEX / self.config.prodigy.slice_p if sliced else 0
        return round(trained * (state_bytes(self.config) + index))

    def copied(self, lora: int) -> int:
        """Bytes of the copy in which the products read so many numbers of a LoRA, and of its gradients."""
        if self.width == WIDTH["fp32"] or self.config.adapter.kind != "lora" or self.shape.adapter.fixed:
            return 0
        return 2 * lora * self.width

    @property
    def made(self) -> int:
        """Bytes of what layers make of their numbers and keep for the backward pass, at most.

        LoKr and LoHa a weight, a LoRA with a start one of twice the rank.
        """
        if made_again(self.config) != "off":
            return 0
        kept = self.shape.linear if self.config.adapter.kind in ("lokr", "loha") else 2 * self.shape.adapter.fixed
        return kept * self.width


def memory(need: MemoryNeed) -> tuple[tuple[MemoryPart, ...], int]:
    """What is there at the fullest, by part, and the bytes that are there after the pivot."""
    held, passing = _held(need), _passing(need)
    total = sum(one.bytes for one in held)
    step = max(passing.work, passing.scratch)
    full = total + max(step, passing.samples)
    parts = [*held, MemoryPart("activations", passing.work, passing.said, rough=True)]
    if passing.scratch > passing.work:
        note = f"{in_bytes(passing.scratch)} in a step, in the place of the activations"
        parts.append(MemoryPart("optimizer's step", passing.scratch - passing.work, note, rough=True))
    note = f"{in_bytes(passing.samples)} while one is made, in the place of the activations"
    note = note if passing.samples else NO_SAMPLES
    parts.append(MemoryPart("samples", max(0, passing.samples - step), note, rough=True))
    if passing.before > full:
        what = "class pictures are drawn, or all is" if _draws(need.config) else "pictures and captions are"
        note = f"{in_bytes(passing.before)} in all while {what} encoded, before the first step"
        parts.append(MemoryPart("encoding", passing.before - full, note, rough=True))
    if not _trains_words(need.config):
        return tuple(parts), max(full, passing.before)
    words = need.shape.text_lora + need.rows
    gone = (
        (0 if need.config.caption.varies else _encoders(need))
        + words * 4
        + need.state(words)
        + need.copied(need.shape.text_lora)
    )
    return tuple(parts), total - gone + max(passing.work - passing.words, passing.scratch, passing.samples)


def _held(need: MemoryNeed) -> list[MemoryPart]:
    """What stays from the first step on."""
    config, shape, trained = need.config, need.shape, need.trained
    train, vae, state, waits = config.train, vae_widths(config, need.base), need.state(trained), need.device == "cuda"
    decodes = f"decodes in {_said(vae[1], config)}" if config.sample.drawn else "never decodes"
    kept, stays = f"encodes in {_said(vae[0], config)}, {decodes}", vae_kept(shape.vae, config, need.base)
    parts = [
        MemoryPart("torch itself", round(TORCH[need.device]), "and its libraries", rough=need.device == "cpu"),
        MemoryPart("unet", need.unet, f"{shape.parameters['unet'] / 1e6:,.1f} M, {_kept_in(config)}"),
        MemoryPart("text encoders", _encoders(need), STAYS if config.caption.varies else "released at the pivot")
        if _trains_words(config) or config.caption.varies
        else MemoryPart("text encoders", 0, "released before the first step"),
        MemoryPart("VAE", 0 if waits else stays, f"{'waits in RAM; ' if waits else ''}{kept}"),
        MemoryPart(
            "LoRA and new tokens",
            (trained + shape.adapter.fixed) * 4,
            f"{trained / 1e6:,.2f} M, {'and their start, ' * bool(shape.adapter.fixed)}always fp32",
        ),
        MemoryPart("gradients", trained * 4, "fp32"),
        MemoryPart(
            "optimizer",
            state,
            f"{train.optimizer}{' and the average' if train.ema else ''}, "
            f"{plural(f'{state / trained:.3g}', 'byte')} a number",
        ),
    ]
    if copied := need.copied(shape.lora + shape.text_lora):
        parts.append(MemoryPart("working copy", copied, f"of the LoRA and its gradients, {train.precision}"))
    if need.device == "cpu":
        parts.append(MemoryPart("checkpoint", _written(need), "while one is written"))
    return parts


@dataclass(frozen=True)
class _Passing:
    """What comes and goes, in bytes: of the first three only one is there at a time."""

    work: int  # of a forward and backward pass
    scratch: int  # of the optimizer's step
    samples: int  # while a picture is made
    words: int  # of the work, what only the text encoders take
    before: int  # in all before the first step, while pictures and captions are encoded
    said: str


def _passing(need: MemoryNeed) -> _Passing:
    config, shape, train = need.config, need.shape, need.config.train
    level, half = made_again(config), need.width / 2
    pictures, size = train.batch * (2 if config.prior.enabled else 1), size_of(config, need.base, shape)
    more = (ALL_LINEAR[level] if train.targets == "all-linear" else 1) * (
        DORA[train.targets][level] if train.dora else 1
    )
    more *= DROPOUT[level] if train.dropout or (by_layer(config) and not train.dora) else 1
    encoders = shape.parameters["text_encoder_2"] / SDXL_PARAMETERS["text_encoder_2"]
    words = WORDS[level == "blocks"] * encoders * config.caption.chunks if _trains_words(config) else 0.0
    convolutions = CONVOLUTIONS if config.adapter.conv_rank and level != "blocks" else 0.0
    work = round(((ACTIVATIONS[level] * more + convolutions) * size + words) * pictures * half)
    prodigy, sliced = train.optimizer == "prodigy", config.prodigy.slice_p > 1
    scratch = SCRATCH_SLICED if prodigy and sliced else OPTIMIZERS[train.optimizer].scratch
    if prodigy and not sliced and need.device == "cpu":
        scratch = 0  # a piece at a time, in the processor's cache
    encoding, decoding = vae_widths(config, need.base)
    drew, side = _draws(config), sample_side(config) if config.sample.drawn else 0
    shown, larger = min(TILE, side) if config.sample.tiles else side, (side / train.resolution) ** 2
    held = shape.vae.held((encoding, decoding))
    stays = 0 if need.device == "cuda" else vae_kept(shape.vae, config, need.base)
    came = held - stays if side else 0  # for the picture, out of RAM
    samples = round(max(shape.vae.decoding(shown, decoding) + came, DENOISED * larger * size * half))
    before = round(TORCH[need.device]) + _encoders(need) + held
    # on a GPU the unet comes when all is encoded, but where it has drawn pictures of the class before
    before += shape.parameters["unet"] * need.width if need.device == "cpu" else need.unet if drew else 0
    classes = max(shape.vae.decoding(train.resolution, decoding), DENOISED * config.prior.batch * size * half)
    before += round(max(shape.vae.encoding(train.resolution, encoding), classes if drew else 0))
    said, words = "about" if level == "off" else f"about; recomputed: {MADE_AGAIN[level]}", words * pictures * half
    return _Passing(work + need.made, need.trained * round(scratch), samples, round(words), before, said)


def _draws(config: TrainConfig) -> bool:
    return config.prior.enabled and not config.prior.path  # pictures of the class, by the base model alone


def made_again(config: TrainConfig) -> Checkpointing:
    """What is made again in fact: blocks that are not computed as one node know only all of it, or nothing.

    Where "auto" has not been settled yet it is what takes least: with that a run fits, if it does at all.
    """
    train = config.train
    asked = train.gradient_checkpointing
    whole = asked != "off" and by_layer(config)
    return "blocks" if whole or asked == "auto" else asked


def _written(need: MemoryNeed) -> int:
    """RAM that a checkpoint takes while it is written beside the training: its tensors, which the files are made of."""
    return round(need.trained * (4 + state_bytes(need.config)) + need.shape.adapter.fixed * 4)


def ram(need: MemoryNeed) -> int:
    """RAM beside a GPU at the fullest, torch in it; 0 where the training itself is in RAM.

    A checkpoint while it is written and the VAE that waits, or the largest part of the base model on its way.
    """
    if need.device == "cpu":
        return 0
    waiting = vae_kept(need.shape.vae, need.config, need.base)
    return round(TORCH["cpu"]) + max(_written(need) + waiting, need.shape.parameters["unet"] * need.width)


def _trains_words(config: TrainConfig) -> bool:
    """Whether the text encoders are needed in the steps before the pivot."""
    return config.pivotal.enabled or config.text_encoder_lora.enabled


def _kept_in(config: TrainConfig) -> str:
    how = config.model.quantize
    return config.train.precision if how == "off" else f"{how}, the rest {config.train.precision}"


def _said(width: int, config: TrainConfig) -> str:
    return config.train.precision if width == WIDTH[config.train.precision] else "fp32"


def _encoders(need: MemoryNeed) -> int:
    return (need.shape.parameters["text_encoder"] + need.shape.parameters["text_encoder_2"]) * need.width


def _spared(config: TrainConfig) -> int:
    """Bytes a number of what a LoRA began as that Prodigy need not keep."""
    if config.adapter.start != "default":
        return 2 * PRODIGY_ZEROS
    return PRODIGY_ZEROS + (PRODIGY_HALVED if config.adapter.kind == "lora" and not config.train.dora else 0)


def state_bytes(config: TrainConfig) -> float:
    """Bytes of optimizer state, and of the average, per trainable number, beside the number and its gradient."""
    own = OPTIMIZERS[config.train.optimizer]
    state = own.state + (4 if config.train.ema or own.averages else 0)
    if config.train.optimizer != "prodigy":
        return state
    looked_at = PRODIGY_SLICED - (0 if config.train.start_from else _spared(config))
    return state - PRODIGY_SLICED + looked_at / config.prodigy.slice_p


def size_of(config: TrainConfig, base: BaseModel, shape: ModelShape) -> float:
    """A picture's way through the unet, against one of 1024 px through SDXL's: latents times parameters."""
    pixels = config.train.resolution**2 / ACTIVATIONS_PIXELS * (8 / base.factor) ** 2
    return pixels * shape.parameters["unet"] / SDXL_PARAMETERS["unet"]
