"""The model card: what was trained on what, with which words, and how to use the files in each program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.contract.basemodel.inspect import NotSDXL, loss_of
from trainer.contract.basemodel.loss import Loss
from trainer.contract.run.changes import SettingChange, effect_of
from trainer.contract.run.exports import (
    BUNDLE,
    FOR_DIFFUSERS,
    KOHYA,
    PARTS,
    base_name,
    dora_readers,
    embedding_names,
    public_place,
)
from trainer.contract.run.interface_prompts import (
    a1111_prompt,
    comfyui_prompt,
    invokeai_prompt,
    is_invokeai_name,
    swarmui_prompt,
)
from trainer.contract.settings.arithmetic import learning_rates, views_per_image
from trainer.contract.settings.config import SDXL, SMALL, TrainConfig, vae_source
from trainer.contract.settings.prompts import sample_pictures
from trainer.contract.settings.taught import taught
from trainer.contract.units import plural
from trainer.export.header import quantized_words
from trainer.export.quoting import code, front_matter, markdown
from trainer.export.script import first_prompt, script
from trainer.model.tokens import Vocabulary

SDXL_LICENSE = "openrail++"  # its card: CreativeML Open RAIL++-M, which binds what is derived from it
POOLED = (
    "The new tokens were trained with the pooled vector read at the end of the text, as AUTOMATIC1111, Forge and "
    "ComfyUI read it. SD.Next and InvokeAI leave it to transformers, which reads it at "
    "the last new token: their pictures differ a little."
)
LONG = (
    "It was trained with captions of up to {read}, as AUTOMATIC1111, Forge and ComfyUI read long prompts, here as many "
    "for a short one too. diffusers alone cuts a prompt at 75 tokens; `loratui generate` does not."
)


def model_card(
    config: TrainConfig, images: int, step: int, samples: list[str], changes: Sequence[SettingChange] = ()
) -> str:
    """The whole README.md of an export. Nothing of the person's machine is in it.

    `images`: how many pictures it was trained on; 0 where they are gone and nobody can tell.
    `changes` are those that were made between two starts of the run: its settings do not hold for all of its steps.
    """
    vocabulary = Vocabulary.counted(config.token_counts)
    pictures = f" on {plural(images, 'picture')}" if images else ""
    parts = [
        _front(config, samples),
        f"# {markdown(config.name)}\n\nAn SDXL LoRA trained with loratui{pictures}, {plural(step, 'step')}.\n",
        _pictures(config, samples),
        _use(config, vocabulary),
        _settings(config, images, step),
        _changed(changes),
    ]
    return "\n".join(part for part in parts if part)


def _front(config: TrainConfig, samples: list[str]) -> str:
    """What the hub reads: tags, base model and its licence, and the pictures with their prompts (`widget`)."""
    front = front_of(config)
    if samples:
        front["widget"] = [{"text": _prompt_of(config, name), "output": {"url": name}} for name in samples]
    return front_matter(front)


def front_of(config: TrainConfig) -> dict[str, object]:
    """The same without pictures, as values."""
    base = base_name(config)
    for_diffusers = FOR_DIFFUSERS.is_written(config)
    tags = ["stable-diffusion-xl", "text-to-image", "lora", *(["diffusers"] if for_diffusers else [])]
    front: dict[str, object] = {"tags": tags}
    if "/" in base:
        front["base_model"] = base
    if base == SDXL:
        front["license"] = SDXL_LICENSE
    front["instance_prompt"] = config.dataset.instance_prompt
    if for_diffusers:
        front["library_name"] = "diffusers"
    return front


def _changed(changes: Sequence[SettingChange]) -> str:
    """Settings that were others in the first steps; of pictures left out, no name is told."""
    lines = [
        "* pictures were left out"
        if one.key == "dataset.skip"
        else f"* {markdown(f'{one.key}: from {one.old} to {one.new}')}"
        for one in changes
        if effect_of((one,)) == "training"
    ]
    return "\n".join(["Changed between two starts of the run:", "", *lines, ""]) if lines else ""


def _prompt_of(config: TrainConfig, sample: str) -> str:
    pictures = sample_pictures(config)
    index = int(sample.removeprefix("sample-").removesuffix(".png"))
    return pictures[index].prompt.words if index < len(pictures) else ""


def _pictures(config: TrainConfig, samples: list[str]) -> str:
    rows = [f"![{markdown(_prompt_of(config, name))}]({name})" for name in samples]
    return "\n".join(rows) + "\n" if rows else ""


def _use(config: TrainConfig, vocabulary: Vocabulary) -> str:
    names = embedding_names(config)
    lines = ["## Use", ""]
    if names:
        said = ", ".join(
            f"{code(word)} became {plural(len(vocabulary.words[word]), 'new token')} in {code(f'{name}.safetensors')}"
            for word, name in names.items()
        )
        lines += [f"Trigger: {said}. The LoRA needs them: load both.", ""]
    else:
        lines += [f"Trigger: {', '.join(map(code, config.triggers))}", ""]
    if config.concepts:
        lines += ["Each concept and what it was shown as:", ""]
        lines += [f"* {code(one.trigger)}: {code(one.prompt)}" for one in taught(config)] + [""]
    if config.train.dora:
        axis = config.train.dora_axis
        lines += [f"This is a DoRA along the {axis} axis. Programs that compute it: {dora_readers(axis)}.", ""]
    if FOR_DIFFUSERS.is_written(config):
        lines += ["### diffusers", "", "```python", script(config, vocabulary).rstrip(), "```", ""]
    if KOHYA.is_written(config):
        lines += interfaces(config, names)
    if config.caption.chunks > 1:
        lines += [LONG.format(read=config.caption.length_words), ""]
    return "\n".join([*lines, POOLED, ""] if names else lines)


def interfaces(config: TrainConfig, names: dict[str, str]) -> list[str]:
    """Where the files go in each user interface, and what is typed there."""
    prompt, lora = first_prompt(config), KOHYA.called(config.name)
    files = ", ".join(code(f"{name}.safetensors") for name in names.values())

    def put(loras: str, embeddings: str) -> str:
        return f"Put {code(lora)} into `{loras}`" + (f", {files} into `{embeddings}`" if files else "")

    imported = f"Import {code(lora)}" + (f" and {files}" if files else "")
    tag = f"<lora:{config.name}:1>"
    unfound = [one for one in names.values() if not is_invokeai_name(one)]
    renamed = f"; give {', '.join(map(code, unfound))} a name of Latin letters there" if unfound else ""
    sections = {
        "AUTOMATIC1111, Forge, SD.Next": f"{put('models/Lora', 'embeddings')}; prompt: "
        + code(f"{a1111_prompt(prompt, names)} {tag}"),
        "ComfyUI": f"{put('models/loras', 'models/embeddings')}; load the LoRA with LoraLoader; prompt: "
        + code(comfyui_prompt(prompt, names)),
        "InvokeAI": f"{imported} in the model manager{renamed}; add the LoRA; prompt: "
        + code(invokeai_prompt(prompt, names)),
        "SwarmUI": f"{put('Models/Lora', 'Models/Embeddings')}; prompt: "
        + code(f"{swarmui_prompt(prompt, names)} {tag}"),
    }
    if BUNDLE.is_written(config):
        bundle = BUNDLE.called(config.name)
        sections["AUTOMATIC1111, SD.Next, with one file"] = (
            f"{code(bundle)} into `models/Lora` holds the embeddings too: the others are not needed beside it; prompt: "
            + code(f"{a1111_prompt(prompt, names)} <lora:{config.name}_bundle:1>")
        )
    if parts := [one for one in PARTS if one.is_written(config)]:
        said = " and ".join(f"{code(one.called(config.name))} ({one.block})" for one in parts)
        sections["Content and style apart"] = f"{said}: each can be loaded without the other, at a strength of its own."
    return [line for name, words in sections.items() for line in (f"### {name}", "", words, "")]


def _mix(config: TrainConfig) -> str:
    """Of each concept its repeats and, where they are not 1, its weight."""
    each = [
        f"{one.trigger} x {one.repeats}" + (f" (loss x {one.loss_weight:g})" if one.loss_weight != 1 else "")
        for one in taught(config)
    ]
    return "; ".join(each)


def _loss(config: TrainConfig) -> Loss | None:
    """What of the base model decides the loss; None where it is not on this disk any more."""
    try:
        return loss_of(config.model)
    except NotSDXL:
        return None


def _settings(config: TrainConfig, images: int, step: int) -> str:
    train = config.train
    unet_lr, words_lr = learning_rates(config)
    batch = train.batch * train.accumulation
    text, own = config.text_encoder_lora, config.adapter.words
    rows = [
        (
            "base model",
            {SDXL: SDXL, SMALL: "loratui's small SDXL (sdxl-small)"}.get(config.model.base, base_name(config)),
        ),
        *((("trained on", quantized),) if (quantized := quantized_words(config)) else ()),
        ("VAE", public_place(vae)[0] if (vae := vae_source(config.model)) else "the base model's"),
        *((("base model predicts", loss.words),) if (loss := _loss(config)) is not None else ()),
        *((("pictures", str(images)),) if images else ()),
        *((("concepts", _mix(config)),) if config.concepts else ()),
        ("steps", f"{step} of {train.steps}"),
        ("batch x accumulation", f"{train.batch} x {train.accumulation}"),
        *((("views per image", f"{views_per_image(step, batch, images):.0f}"),) if images else ()),
        *((("began from", Path(train.start_from).name),) if train.start_from else ()),
        *((("tags", config.caption.tags_words),) if config.caption.varies else ()),
        *((("captions", f"up to {config.caption.length_words}"),) if config.caption.chunks > 1 else ()),
        ("rank, alpha", f"{train.rank}, {train.alpha or train.rank:g}"),
        *((("adapter", own),) if own else ()),
        ("targets", train.targets + (f" in {', '.join(train.blocks)}" if train.blocks else "")),
        ("DoRA", f"along the {train.dora_axis} axis" if train.dora else "off"),
        ("optimizer", f"{train.optimizer}, {unet_lr:g} unet, {words_lr:g} words"),
        (
            "text encoder LoRA",
            f"until {text.fraction:g}" if text.enabled else "off",
        ),
        (
            "pivotal tuning",
            f"{plural(' + '.join(map(str, config.token_counts.values())), 'token')}, "
            f"pivot at {config.pivotal.fraction:g}"
            if config.pivotal.enabled
            else "off",
        ),
        ("weight average", f"over {train.ema:g} of the run (EMA)" if train.ema else "off"),
        ("min-SNR gamma", f"{train.min_snr_gamma:g}" if train.min_snr_gamma else "off"),
        (
            "prior preservation",
            f"{plural(config.prior.images, 'picture')}, weight {config.prior.weight:g}"
            if config.prior.enabled
            else "off",
        ),
        ("resolution", f"{train.resolution} px"),
        ("precision", train.precision),
        ("seed", str(train.seed)),
    ]
    lines = [f"| {markdown(name)} | {markdown(value)} |" for name, value in rows]
    return "\n".join(["## Training", "", "| setting | value |", "|---|---|", *lines, ""])
