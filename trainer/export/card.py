"""The model card: what was trained on what, with which words, and how to use the files in three programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from trainer.contract.basemodel.inspect import NotSDXL, loss_of
from trainer.contract.basemodel.loss import ZERO_SNR, Loss
from trainer.contract.run.changes import SettingChange, effect_of
from trainer.contract.settings.arithmetic import learning_rates, views_per_image
from trainer.contract.settings.config import SDXL, SMALL, TrainConfig, vae_source
from trainer.export.header import embedding_names
from trainer.model.tokens import Vocabulary

SDXL_LICENSE = "openrail++"  # its card: CreativeML Open RAIL++-M, which binds what is derived from it

_SNIPPET = """\
import torch
from diffusers import {imports}
from safetensors.torch import load_file

base = "{base}"
files = "."  # the folder of this card
{load}
{embeddings}pipe.load_lora_weights(files, weight_name="pytorch_lora_weights.safetensors")

picture = pipe(
    "{prompt}",
    height={side},
    width={side},
    num_inference_steps={steps},
    guidance_scale={guidance:g},{clip_skip}
    generator=torch.Generator().manual_seed({seed}),
).images[0]
picture.save("picture.png")
"""

_EMBEDDINGS = """\
# read the pooled vector at the end of the text: SDXL's configuration names another token, and then
# transformers reads it at the last new one
encoders = ((pipe.text_encoder, pipe.tokenizer), (pipe.text_encoder_2, pipe.tokenizer_2))
for encoder, tokenizer in encoders:
    for module in encoder.modules():
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = tokenizer.eos_token_id

"""

_ONE_FILE = """\
rows = load_file(f"{{files}}/{file}.safetensors")
for key, (encoder, tokenizer) in zip(("clip_l", "clip_g"), encoders):
    pipe.load_textual_inversion(rows[key], token={tokens}, text_encoder=encoder, tokenizer=tokenizer)

"""


def model_card(
    config: TrainConfig, images: int, step: int, samples: list[str], changes: Sequence[SettingChange] = ()
) -> str:
    """The whole README.md of an export. Nothing of the person's machine is in it.

    `changes` are those that were made between two starts of the run: its settings do not hold for all of its steps.
    """
    words = tuple(config.dataset.trigger.split(",")) if config.pivotal.enabled else ()
    vocabulary = Vocabulary.of(words, config.pivotal.tokens)
    parts = [
        _front(config, samples),
        f"# {config.name}\n\nAn SDXL LoRA trained with loratui on {images} pictures, {step} steps.\n",
        _pictures(config, samples),
        _use(config, vocabulary),
        _settings(config, images, step),
        _changed(changes),
    ]
    return "\n".join(part for part in parts if part)


def base_name(config: TrainConfig) -> str:
    """The base model as others may read it: a hub id, or the last part of a local folder."""
    base = config.model.base
    if Path(base).expanduser().is_dir() or base.startswith(("/", "~", ".")):
        return Path(base).name
    return base


def _front(config: TrainConfig, samples: list[str]) -> str:
    """What the hub reads: tags, base model and its licence, and the pictures with their prompts (`widget`)."""
    base = base_name(config)
    lines = ["---", "tags:", "- stable-diffusion-xl", "- text-to-image", "- lora", "- diffusers"]
    if "/" in base:
        lines.append(f"base_model: {base}")
    if base == SDXL:
        lines.append(f"license: {SDXL_LICENSE}")
    lines += [f"instance_prompt: {_quoted(config.dataset.instance_prompt)}", "library_name: diffusers"]
    if samples:
        lines.append("widget:")
    for name in samples:
        lines += [f"- text: {_quoted(_prompt_of(config, name))}", "  output:", f"    url: {name}"]
    return "\n".join([*lines, "---", ""])


def _changed(changes: Sequence[SettingChange]) -> str:
    """Settings that were others in the first steps; of pictures left out, no name is told."""
    lines = [
        "* pictures were left out" if one.key == "dataset.skip" else f"* {one.key}: from {one.old} to {one.new}"
        for one in changes
        if effect_of((one,)) == "training"
    ]
    return "\n".join(["Changed between two starts of the run:", "", *lines, ""]) if lines else ""


def _quoted(text: str) -> str:
    """A YAML scalar: JSON's strings are some of YAML's, and no line end gets out of them."""
    return json.dumps(text)


def _prompt_of(config: TrainConfig, sample: str) -> str:
    prompts = config.sample.prompts or (config.dataset.instance_prompt,)
    index = int(sample.removeprefix("sample-").removesuffix(".png"))
    return prompts[index] if index < len(prompts) else ""


def _pictures(config: TrainConfig, samples: list[str]) -> str:
    rows = [f"![{_plain(_prompt_of(config, name))}]({name})" for name in samples]
    return "\n".join(rows) + "\n" if rows else ""


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter not in "[]()<>`\\\n\r")


def _use(config: TrainConfig, vocabulary: Vocabulary) -> str:
    names = embedding_names(config)
    first = (config.sample.prompts or (config.dataset.instance_prompt,))[0]
    own = dict(zip(vocabulary.words, names.values(), strict=True))
    typed, comfy = first, first
    if own:
        typed = Vocabulary({word: (name,) for word, name in own.items()}).write(first)
        comfy = Vocabulary({word: (f"embedding:{name}",) for word, name in own.items()}).write(first)
    lines = ["## Use", ""]
    if own:
        said = ", ".join(
            f"`{word}` became {len(vocabulary.words[word])} new tokens in `{name}.safetensors`"
            for word, name in own.items()
        )
        lines += [f"Trigger: {said}. The LoRA needs them: load both.", ""]
    else:
        lines += [f"Trigger: `{config.dataset.trigger}`", ""]
    lines += ["### diffusers", "", "```python", _snippet(config, vocabulary, names).rstrip(), "```", ""]
    lora = f"<lora:{config.name}:1>"
    put = f"`{config.name}.safetensors` into `models/Lora`" + (
        f", `{'`, `'.join(f'{n}.safetensors' for n in own.values())}` into `embeddings`" if own else ""
    )
    lines += ["### AUTOMATIC1111, Forge, SD.Next", "", f"Put {put}; prompt: `{_plain_code(typed)} {lora}`", ""]
    put = put.replace("models/Lora", "models/loras").replace("`embeddings`", "`models/embeddings`")
    lines += ["### ComfyUI", "", f"Put {put}; load the LoRA with LoraLoader; prompt: `{_plain_code(comfy)}`", ""]
    if own:
        lines += [
            "The new tokens were trained with the pooled vector read at the end of the text, as these programs do.",
            "",
        ]
    return "\n".join(lines)


def _plain_code(text: str) -> str:
    return text.replace("`", "'")


def _snippet(config: TrainConfig, vocabulary: Vocabulary, names: dict[str, str]) -> str:
    embeddings = _EMBEDDINGS if names else ""
    for word, file in names.items():
        embeddings += _ONE_FILE.format(file=file, tokens=list(vocabulary.words[word]))
    first = (config.sample.prompts or (config.dataset.instance_prompt,))[0]
    own_vae = vae_source(config.model)
    half = {"bf16": "torch.bfloat16", "fp16": "torch.float16", "fp32": "torch.float32"}[config.train.precision]
    # from_single_file knows the argument by this name in every version
    single = base_name(config).endswith(".safetensors")
    way = f"from_single_file(base, torch_dtype={half})" if single else f"from_pretrained(base, dtype={half})"
    load = f"pipe = StableDiffusionXLPipeline.{way}"
    if own_vae:
        shown = own_vae if not Path(own_vae).expanduser().is_dir() else Path(own_vae).name
        load = f'vae = AutoencoderKL.from_pretrained("{shown}", dtype={half})\n' + load.replace(
            "(base,", "(base, vae=vae,"
        )
    return _SNIPPET.format(
        imports="AutoencoderKL, StableDiffusionXLPipeline" if own_vae else "StableDiffusionXLPipeline",
        base=base_name(config),
        load=load + _scheduler(config, single) + '\nif torch.cuda.is_available():\n    pipe.to("cuda")',
        embeddings=embeddings,
        prompt=vocabulary.write(first).replace("\\", "\\\\").replace('"', '\\"'),
        side=config.train.resolution,
        steps=config.sample.steps,
        guidance=config.sample.guidance,
        seed=config.sample.seed,
        clip_skip=f"\n    clip_skip={config.model.clip_skip}," if config.model.clip_skip else "",
    )


def _scheduler(config: TrainConfig, single: bool) -> str:
    """The lines that tell the pipeline what the base model predicts, where loading it alone would not."""
    loss = _loss(config)
    if loss is None or loss.edm or not (loss.by_hand or (single and (loss.prediction != "epsilon" or loss.zero_snr))):
        return ""
    told = {"prediction_type": loss.prediction, "rescale_betas_zero_snr": loss.zero_snr}
    told |= ZERO_SNR if loss.zero_snr else {}
    said = ", ".join(f"{key}={value!r}" for key, value in told.items()).replace("'", '"')
    return f"\npipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, {said})"


def _loss(config: TrainConfig) -> Loss | None:
    """What of the base model decides the loss; None where it is not on this disk any more."""
    try:
        return loss_of(config.model)
    except NotSDXL:
        return None


def _settings(config: TrainConfig, images: int, step: int) -> str:
    train = config.train
    unet_lr, words_lr = learning_rates(config)
    text = config.text_encoder_lora
    rows = [
        (
            "base model",
            {SDXL: SDXL, SMALL: "loratui's small SDXL (sdxl-small)"}.get(config.model.base, base_name(config)),
        ),
        (
            "VAE",
            Path(vae_source(config.model)).name
            if vae_source(config.model).startswith(("/", "~"))
            else vae_source(config.model) or "the base model's",
        ),
        *((("base model predicts", loss.words),) if (loss := _loss(config)) is not None else ()),
        ("pictures", str(images)),
        ("steps", f"{step} of {train.steps}"),
        ("batch x accumulation", f"{train.batch} x {train.accumulation}"),
        ("views per image", f"{views_per_image(step, train.batch * train.accumulation, images):.0f}"),
        ("rank, alpha", f"{train.rank}, {train.alpha or train.rank:g}"),
        ("targets", train.targets + (f" in {', '.join(train.blocks)}" if train.blocks else "")),
        ("optimizer", f"{train.optimizer}, {unet_lr:g} unet, {words_lr:g} words"),
        (
            "text encoder LoRA",
            f"until {text.fraction:g}" if text.enabled else "off",
        ),
        (
            "pivotal tuning",
            f"{config.pivotal.tokens} tokens, pivot at {config.pivotal.fraction:g}"
            if config.pivotal.enabled
            else "off",
        ),
        ("min-SNR gamma", f"{train.min_snr_gamma:g}" if train.min_snr_gamma else "off"),
        (
            "prior preservation",
            f"{config.prior.images} pictures, weight {config.prior.weight:g}" if config.prior.enabled else "off",
        ),
        ("resolution", f"{train.resolution} px"),
        ("precision", train.precision),
        ("seed", str(train.seed)),
    ]
    return "\n".join(["## Training", "", "| setting | value |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows), ""])
