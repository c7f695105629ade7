"""The script of the model card: diffusers with the files of an export, as the run drew its own pictures."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

from trainer.contract.basemodel.hub_cache import cached_vae
from trainer.contract.basemodel.inspect import NotSDXL, base_of, loss_of, small_model
from trainer.contract.basemodel.names import is_hub_id
from trainer.contract.basemodel.weights import part_weights
from trainer.contract.paths import expanded, is_file
from trainer.contract.run.exports import DIFFUSERS, base_name, embedding_names, public_place
from trainer.contract.settings.config import SMALL, TrainConfig, vae_source
from trainer.contract.settings.prompts import sample_prompts
from trainer.export.quoting import python
from trainer.model.errors import ModelError
from trainer.model.parts import DTYPES
from trainer.model.scheduler import load_scheduler
from trainer.model.tokens import Vocabulary

_SCRIPT = """\
import torch
{imports}

repository = ""  # where these files are on the hub, such as "you/{name}"; empty: they lie in `files`
files = "."  # the folder of this card


def found(name):
    return hf_hub_download(repository, name) if repository else f"{{files}}/{{name}}"


{load}
if torch.cuda.is_available():
    pipe.to("cuda")
{embeddings}pipe.load_lora_weights(load_file(found({lora})))

picture = pipe(
    {prompt},
    height={height},
    width={width},
    num_inference_steps={steps},
    guidance_scale={guidance:g},{negative}{clip_skip}
    generator=torch.Generator().manual_seed({seed}),
).images[0]
picture.save("picture.png")
"""

_POOLED = """\
# read the pooled vector at the end of the text: SDXL's configuration names another token, and then
# transformers reads it at the last new one
encoders = ((pipe.text_encoder, pipe.tokenizer), (pipe.text_encoder_2, pipe.tokenizer_2))
for encoder, tokenizer in encoders:
    for module in encoder.modules():
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = tokenizer.eos_token_id

"""

_ROWS = """\
rows = load_file(found({file}))
for key, (encoder, tokenizer) in zip(("clip_l", "clip_g"), encoders):
    pipe.load_textual_inversion(rows[key], token={tokens}, text_encoder=encoder, tokenizer=tokenizer)

"""


def script(config: TrainConfig, vocabulary: Vocabulary) -> str:
    """The whole script; nothing has to be changed in it where the base model is of the hub or ships with loratui."""
    imports, load = _loading(config)
    first = sample_prompts(config)[0]
    seed, negative = config.sample.seed if first.seed is None else first.seed, first.negative
    names = embedding_names(config)
    embeddings = _POOLED if names else ""
    for word, file in names.items():
        embeddings += _ROWS.format(file=python(f"{file}.safetensors"), tokens=python(list(vocabulary.words[word])))
    return _SCRIPT.format(
        imports="\n".join(imports),
        name=config.name,
        load=load,
        embeddings=embeddings,
        lora=python(DIFFUSERS),
        prompt=python(vocabulary.write(first.words)),
        negative=f"\n    negative_prompt={python(vocabulary.write(negative))}," if negative else "",
        width=first.width,
        height=first.height,
        steps=config.sample.steps,
        guidance=config.sample.guidance,
        seed=seed,
        clip_skip=f"\n    clip_skip={config.model.clip_skip}," if config.model.clip_skip else "",
    )


def first_prompt(config: TrainConfig) -> str:
    """The prompt that the examples show."""
    return sample_prompts(config)[0].words


def is_small(config: TrainConfig) -> bool:
    """Whether the base model is the one that ships with loratui."""
    base = config.model.base
    return base == SMALL or expanded(base).absolute() == small_model().absolute()


def _loading(config: TrainConfig) -> tuple[list[str], str]:
    """The imports, and the lines that load the pipeline in the run's precision and variant."""
    classes, lines = ["StableDiffusionXLPipeline"], []
    half = f"torch_dtype={DTYPES[config.train.precision]}"  # diffusers knows it by this name in every version
    own_vae = vae_source(config.model)
    if own_vae:
        classes.insert(0, "AutoencoderKL")
        here = expanded(own_vae)
        shown, revision = public_place(own_vae, config.model.vae_revision)
        folder = cached_vae(own_vae, config.model.vae_revision) if is_hub_id(own_vae) else here
        way = "single_file" if is_file(here) else "pretrained"
        variant = "" if is_file(here) else _variant(config, folder, "")
        pin = _pin(shown, revision)
        lines.append(f"vae = AutoencoderKL.from_{way}({python(shown)}, {half}{variant}{pin})")
    vae = "vae=vae, " if own_vae else ""
    if base_name(config).endswith(".safetensors"):
        lines.append(f"pipe = StableDiffusionXLPipeline.from_single_file(base, {vae}{half})")
    else:
        try:
            folder = base_of(config.model).folder
        except NotSDXL:
            folder = None
        unet = folder / "unet" if folder is not None else None
        pin = _pin(*public_place(config.model.base, config.model.revision))
        loaded = f"from_pretrained(base, {vae}{half}{_variant(config, unet, 'unet')}{pin})"
        lines.append(f"pipe = StableDiffusionXLPipeline.{loaded}")
    if scheduler := _scheduler(config):
        name, line = scheduler
        classes += [name] if name else []
        lines.append(f"{line}  # as the model was trained")
    imports = [
        f"from diffusers import {', '.join(sorted(classes))}",
        "from huggingface_hub import hf_hub_download",
        "from safetensors.torch import load_file",
    ]
    base = f"base = {python(base_name(config))}"
    if is_small(config):
        imports.append("from trainer.contract.basemodel.inspect import small_model")
        base = "base = str(small_model())  # it ships with loratui"
    elif not is_hub_id(base_name(config)):
        base += "  # what the run was given on its own disk: put the path here"
    return imports, "\n".join([base, *lines])


def _pin(model: str, revision: str) -> str:
    """The argument that takes the commit of a model of the hub that the run took."""
    return f", revision={python(revision)}" if revision and is_hub_id(model) else ""


def _variant(config: TrainConfig, folder: Path | None, part: str) -> str:
    """The argument that reads those of a folder's weights that the run read."""
    half = config.train.precision != "fp32"
    variant = "" if folder is None else part_weights(folder, part, half).variant
    return f", variant={python(variant)}" if variant else ""


def _scheduler(config: TrainConfig) -> tuple[str, str] | None:
    """The class to import and the line that sets the scheduler where loading the base alone would not; None if it does.

    Of a single file diffusers guesses SDXL's own. A folder and the hub bring theirs, which a person may have overruled.
    """
    path = expanded(config.model.base)
    try:
        loss = loss_of(config.model)
        if not is_file(path):
            told = loss.scheduler if loss is not None else {}
            said = ", ".join(f"{key}={python(value)}" for key, value in told.items())
            return (
                ("", f"pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, {said})")
                if told
                else None
            )
        scheduler, _ = load_scheduler(str(path), config.model)
    except (NotSDXL, ModelError, ValueError, OSError):  # changed since the run read it: no reason to lose the export
        return None
    known = signature(type(scheduler).__init__).parameters
    values = {key: one for key, one in scheduler.config.items() if key in known and one is not None}
    plain = values.get("prediction_type", "epsilon") == "epsilon" and not values.get("rescale_betas_zero_snr")
    name = type(scheduler).__name__
    return None if plain and not name.startswith("EDM") else (name, f"pipe.scheduler = {name}(**{python(values)})")
