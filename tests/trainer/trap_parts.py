"""What the trap tests share: runs that are made once, a look at what the unet is shown, and other programs' reading."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from tests.trainer.conftest import make_config, make_run, train
from trainer.__main__ import _prepare_torch
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.events import EventLog, Tail
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.data import images
from trainer.data.dataset import ViewPlan, read_dataset
from trainer.data.latents import LatentCache
from trainer.export import readers
from trainer.export.readers import FileLayer
from trainer.ground.world import World
from trainer.loop import Run
from trainer.step.step import Stepper

Events = list[dict[str, Any]]
Tensors = dict[str, torch.Tensor]

CLASS = "a picture of a star"
# far apart for the VAE, so that a noisy latent still says which of them it was made of
COLOURS = ("black", "white", "red", "lime", "blue", "yellow", "magenta", "cyan")
CLEAR = 700  # above this timestep too little of the picture is left to know it by
KOHYA_PARTS = ("lora_down.weight", "lora_up.weight", "alpha", "dora_scale")


@dataclass(frozen=True)
class Whole:
    """A run that was trained to its end."""

    run: RunDir
    events: Events

    def of(self, kind: str) -> Events:
        """The events of one kind."""
        return of(self.events, kind)

    def rows(self, step: int) -> Tensors:
        """The new rows of a checkpoint: clip_l and clip_g."""
        return load_file(self.run.checkpoint(step) / "embeddings.safetensors")

    def trained(self, step: int) -> Tensors:
        """The LoRA of a checkpoint."""
        return load_file(self.run.checkpoint(step) / "lora.safetensors")

    def exported(self, name: str) -> Tensors:
        """The tensors of an exported file."""
        return load_file(self.run.export / name)

    def cut_after(self, step: int, folder: Path) -> Run:
        """A copy as a power cut after `step` would leave it, taken up again."""
        cut = RunDir(shutil.copytree(self.run.path, folder / f"cut-{step}"))
        shutil.rmtree(cut.export)
        cut.events.unlink()
        for path in cut.checkpoints.iterdir():
            if path.name > cut.checkpoint(step).name:
                shutil.rmtree(path)
        return begin(cut.path, load_config(cut.config))


@dataclass(frozen=True)
class Taken:
    """A run after its first step, with its rows as they were before."""

    live: Run
    start: Tensors

    @property
    def event(self) -> dict[str, Any]:
        """What the log has of the step."""
        return logged(self.live, "step")[0]


class Runs:
    """The runs that several traps look at, each made when it is first wanted."""

    def __init__(self, folder: Path, pictures: Path) -> None:
        self._folder, self._pictures = folder, pictures

    @cached_property
    def pivotal(self) -> Whole:
        """Pivotal tuning and Prodigy at their default rates: six steps, the pivot after the third."""
        own = make_config(self._pictures, train__checkpoint_every=1, prodigy__d0=5e-4, prodigy__d_coef=4.0)
        return trained(self._folder / "nested folder" / "größe", own)

    @cached_property
    def words_and_dora(self) -> Whole:
        """LoRA on the text encoders and DoRA on the unet along the input axis, alpha 2 at rank 4; two steps."""
        own = {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "train__dora": True, "train__alpha": 2.0}
        return trained(self._folder / "words", make_config(self._pictures, train__steps=2, prodigy__d0=1e-3, **own))

    @cached_property
    def prior_settings(self) -> TrainConfig:
        """Prior preservation with frozen encoders, and not one caption."""
        own, others = self._folder / "own", self._folder / "class"
        for place, colour in enumerate(COLOURS):
            plain_picture((own if place % 2 else others) / f"{colour}.png", colour, 96)
        options = {"prior__enabled": True, "prior__path": str(others), "prior__prompt": CLASS, "prior__images": 4}
        return make_config(own, pivotal__enabled=False, train__steps=1, **options)

    @cached_property
    def frozen_encoders(self) -> Run:
        """That, before its first step."""
        return begin(self._folder / "frozen", self.prior_settings)

    @cached_property
    def one_by_four(self) -> tuple[Taken, Taken]:
        """A step in one pass of four and in four passes of one, from rows three times too long."""
        return self._taken(4, 1), self._taken(1, 4)

    def _taken(self, batch: int, passes: int) -> Taken:
        own = {"train__batch": batch, "train__accumulation": passes, "dataset__repeats": 50}
        own |= {"train__max_grad_norm": 0, "train__weight_decay": 0.5, "train__embedding_weight_decay": 0.0}
        live = begin(self._folder / f"batch-{batch}", make_config(self._pictures, **own))
        for table in live.trainee.tables:
            table.rows.data.mul_(3)
        start = live_rows(live)
        live._one_step(1)
        return Taken(live, start)


def trained(folder: Path, config: TrainConfig) -> Whole:
    """A run trained to its end."""
    run = make_run(folder, config)
    return Whole(run, train(run))


def begin(folder: Path, config: TrainConfig) -> Run:
    """A run that has loaded, cached and resumed everything and stands before its next step."""
    run = make_run(folder, config)
    return Run(config, run, EventLog(run.events), None, _prepare_torch(config), newest_checkpoint(run))


def of(events: Events, kind: str) -> Events:
    """The events of one kind."""
    return [event for event in events if event["type"] == kind]


def logged(live: Run, kind: str) -> Events:
    """The events of one kind in the log of a run that was begun."""
    return of(Tail(live.run.events).read(), kind)


def live_rows(live: Run) -> Tensors:
    """Copies of the new rows: clip_l and clip_g."""
    return {name: one.detach().clone() for name, one in live.trainee.embedding_tensors().items()}


def same(one: Tensors, other: Tensors) -> bool:
    """Whether both have the same names and the same bits."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def with_train(config: TrainConfig, **own: Any) -> TrainConfig:
    """`config` with other values in its table train."""
    return config.model_copy(update={"train": config.train.model_copy(update=own)})


def plain_picture(path: Path, colour: str, side: int) -> None:
    """A square of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour).save(path)


@dataclass(frozen=True)
class Shown:
    """One row of a forward pass as the unet got it."""

    noisy: torch.Tensor  # (4, h, w)
    timestep: int
    hidden: torch.Tensor  # (77, width of both encoders)
    pooled: torch.Tensor
    sizes: tuple[int, ...]  # SDXL's six numbers


def shown(live: Run, step: int, batch: int = 0) -> list[Shown]:
    """Take a step, with another batch if one is given, and return every row that the unet was shown in it."""
    rows: list[Shown] = []

    def look(_: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        added = named["added_cond_kwargs"]
        every = (*inputs, named["encoder_hidden_states"], added["text_embeds"], added["time_ids"])
        for noisy, t, hidden, pooled, sizes in zip(*(one.detach() for one in every), strict=True):
            rows.append(Shown(noisy, int(t), hidden, pooled, tuple(map(int, sizes.tolist()))))

    config = with_train(live.config, batch=batch or live.config.train.batch)
    plan = ViewPlan(live.plan.items, live.plan.class_items, config)
    stepper = Stepper(live.parts, live.trainee, plan, live.latents, live.prompts, config, World())
    hook = live.parts.unet.register_forward_pre_hook(look, with_kwargs=True)
    try:
        stepper.take(step)
    finally:
        hook.remove()
    return rows


@torch.no_grad()
def recognised(live: Run, rows: list[Shown], pictures: list[Path]) -> Iterator[tuple[Shown, Path]]:
    """The rows with little noise, each with the one of `pictures` that leaves the least when taken away from it."""
    clean = {}
    for path in pictures:
        picture = images.open_rgb(path)
        seen = images.pixels(picture, images.fit(*picture.size, (64, 64))).unsqueeze(0)
        clean[path] = live.parts.vae.encode(seen).latent_dist.mean[0] * live.parts.vae.config.scaling_factor
    for row in rows:
        if row.timestep < CLEAR:
            part = live.parts.scheduler.alphas_cumprod[row.timestep].sqrt()
            left = {path: float((row.noisy - part * latents).norm()) for path, latents in clean.items()}
            yield row, min(left, key=left.__getitem__)


def odd_pictures(ground: str) -> Iterator[tuple[Image.Image, Image.Image]]:
    """A picture that lies on its side and one of coloured glass, each with what is meant."""
    upright = Image.new("RGB", (64, 96), "white")
    upright.paste("red", (0, 0, 64, 30))
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    lying.getexif()[0x0112] = 6  # to be turned clockwise
    yield lying, upright
    glass = Image.new("RGBA", (64, 64), (0, 0, 255, 128))
    yield glass, Image.alpha_composite(Image.new("RGBA", glass.size, ground), glass).convert("RGB")


def latents(live: Run, folder: Path, background: str, picture: Image.Image) -> torch.Tensor:
    """The mean of the posterior of the only picture of a dataset, as the cache holds it."""
    dataset, kept = (Path(tempfile.mkdtemp(dir=folder)) for _ in range(2))
    picture.save(dataset / "only.png", exif=picture.getexif())
    config = make_config(dataset, dataset__background=background, train__batch=1)
    cache = LatentCache(kept, background)
    cache.use(live.parts.vae, live.parts.device)
    return cache.get(ViewPlan(read_dataset(config), (), config).micro_batch(1, 0)[0])["mean"]


@cache
def _pipeline() -> Any:
    return StableDiffusionXLPipeline.from_pretrained(small_model())


@torch.no_grad()
def pipeline_words(prompt: str, clip_skip: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """`prompt` as diffusers' pipeline encodes it: hidden (77, width), pooled (width,)."""
    hidden, _, pooled, _ = _pipeline().encode_prompt(
        prompt, device="cpu", do_classifier_free_guidance=False, clip_skip=clip_skip
    )
    return hidden[0], pooled[0]


def pipeline_pictures(folder: Path, trigger: str, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What diffusers draws from exported files, without the embeddings and with them, in [-1, 1]."""
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    pipe.load_lora_weights(folder, weight_name=DIFFUSERS)

    def draw(words: str) -> torch.Tensor:
        start = torch.Generator().manual_seed(0)
        return pixels(pipe(words, height=64, width=64, num_inference_steps=2, generator=start).images[0])

    without = draw(prompt)
    rows = load_file(folder / "toy_emb.safetensors")
    pairs = ((pipe.text_encoder, pipe.tokenizer), (pipe.text_encoder_2, pipe.tokenizer_2))
    for key, (encoder, tokenizer) in zip(("clip_l", "clip_g"), pairs, strict=True):
        for module in (one for one in encoder.modules() if hasattr(one, "eos_token_id")):
            module.eos_token_id = tokenizer.eos_token_id
        pipe.load_textual_inversion(rows[key], token=["<s0>", "<s1>"], text_encoder=encoder, tokenizer=tokenizer)
    return without, draw(prompt.replace(trigger, "<s0><s1>"))


def pixels(picture: Image.Image) -> torch.Tensor:
    """A picture of 64 px as numbers in [-1, 1]."""
    return images.pixels(picture, images.fit(64, 64, (64, 64)))


def kohya_as_diffusers_reads_it(folder: Path, name: str) -> Tensors:
    """A kohya file taken apart by diffusers: "<our path>.down", ".up" and ".alpha" of every layer."""
    unet = SimpleNamespace(**UNet2DConditionModel.load_config(small_model(), subfolder="unet"))
    tensors, alphas, _ = StableDiffusionXLPipeline.lora_state_dict(
        folder, weight_name=name, unet_config=unet, return_lora_metadata=True
    )
    found = {_our_name(key): one for key, one in tensors.items()}
    return found | {_our_name(key): torch.tensor(one) for key, one in alphas.items()}


def _our_name(key: str) -> str:
    key = key.removeprefix("unet.").replace(".text_model.", ".").replace(".processor.", ".")
    key = re.sub(r"\.self_attn\.to_(\w+)_lora\.", r".self_attn.\1_proj.", key)
    key = re.sub(r"\.to_out_lora\.", ".to_out.0.", key)
    key = re.sub(r"\.(to_[qkv])_lora\.", r".\1.", key)
    return key.replace(".down.weight.alpha", ".alpha").removesuffix(".weight")


def dora_as_interfaces_make_it(run: RunDir, tensors: Tensors) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The weight of a layer in the base, as trained up to step 2, and as user interfaces make it of a kohya file."""
    path, key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q", "lora_unet_middle_block_1_"
    unet = UNet2DConditionModel.from_pretrained(small_model(), subfolder="unet")
    base = unet.get_submodule(path).weight.detach().clone()
    saved = load_file(run.checkpoint(2) / "lora.safetensors")
    moved = base + 2.0 / 4 * saved[f"{path}.up"] @ saved[f"{path}.down"]
    key += path.removeprefix("mid_block.attentions.0.").replace(".", "_")
    down, up, alpha, lengths = (tensors[f"{key}.{one}"] for one in KOHYA_PARTS)
    layer = FileLayer(down, up, float(alpha), lengths)
    made = [base + compute(base, layer) for compute in readers.INTERFACES_DORA.values()]
    return base, moved / moved.norm(dim=0) * saved[f"{path}.magnitude"], made


def train_until_sigterm(run: RunDir, code: int) -> Whole:
    """Train in this process, and send it SIGTERM when the second step is in the log."""
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(0.01):
            if len(of(Tail(run.events).read(), "step")) >= 2:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    # a trainer that does not listen goes on to its end, in place of taking the tests down with it
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        return Whole(run, train(run, code))
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGTERM, before)
