"""What a file or folder is that is no SDXL base model, told by the names of its tensors or of its pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.sgm import PREFIXES
from trainer.contract.units import plural

ONTO = "which is used on top of a base model; give the model that it was trained on"
# pipelines whose unet, encoders and VAE are those of an SDXL base model
BASES = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLPAGPipeline")
PIPELINES = {
    "StableDiffusionXLInpaintPipeline": "an SDXL inpainting model",
    "StableDiffusionXLPAGInpaintPipeline": "an SDXL inpainting model",
    "StableDiffusionXLInstructPix2PixPipeline": "an SDXL edit model (InstructPix2Pix)",
    "StableDiffusionXLControlNetPipeline": "SDXL with a ControlNet",
    "StableDiffusionXLAdapterPipeline": "SDXL with a T2I adapter",
    "StableDiffusionPipeline": "Stable Diffusion 1.5 or 2",
    "StableDiffusionInpaintPipeline": "Stable Diffusion 1.5 or 2 for inpainting",
    "StableDiffusionInstructPix2PixPipeline": "Stable Diffusion 1.5 for edits (InstructPix2Pix)",
    "LatentConsistencyModelPipeline": "a latent consistency model of Stable Diffusion 1.5",
    "StableDiffusion3Pipeline": "Stable Diffusion 3",
    "StableCascadeCombinedPipeline": "Stable Cascade",
    "StableCascadeDecoderPipeline": "Stable Cascade",
    "StableCascadePriorPipeline": "Stable Cascade",
    "KolorsPipeline": "Kolors",
    "LuminaPipeline": "Lumina",
    "Lumina2Pipeline": "Lumina",
    "ZImagePipeline": "Z-Image",
    "AuraFlowPipeline": "AuraFlow",
    "HunyuanDiTPipeline": "Hunyuan-DiT",
    "QwenImagePipeline": "Qwen-Image",
    "SanaPipeline": "Sana",
    "ChromaPipeline": "Chroma",
}
BEGINNINGS = {
    "Flux": "Flux",
    "PixArt": "PixArt",
    "Wan": "Wan",
    "Kandinsky": "Kandinsky",
    "StableVideo": "a video model",
}


@dataclass(frozen=True)
class Kind:
    """A kind of file: `marks` are looked for anywhere in the names, `starts` at their beginning."""

    what: str
    marks: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()

    def fits(self, names: Shapes) -> bool:
        """Whether one of the names has one of the marks."""
        return any(mark in name for mark in self.marks for name in names) or any(
            name.startswith(self.starts) for name in names
        )


# the first that fits is said: what is certain by one name stands above what others have as well
KINDS = (
    Kind(
        f"a LoRA or a relative of it, {ONTO}",
        ("lora_down", "lora_up", "lora_A.", "lora_B.", ".lora.", "lora_linear_layer", "lokr_w", "hada_w", "oft_blocks"),
        ("lora_unet_", "lora_te", "lora_transformer_", "lycoris_"),
    ),
    Kind("a ControlNet, not a base model", ("input_hint_block.", "controlnet_"), ("control_model.",)),
    Kind("a T2I adapter, not a base model", (), ("adapter.body.", "adapter.conv_in.")),
    Kind(f"an IP-Adapter, {ONTO}", ("to_k_ip.",), ("ip_adapter.", "image_proj.")),
    Kind("a motion module of AnimateDiff, not a base model", ("motion_modules.",)),
    Kind("an embedding, not a base model", ("emb_params", "string_to_param")),
    Kind("a video model, not SDXL", ("time_mixer", "time_stack", "temporal_transformer")),
    Kind("Stable Diffusion 3, not SDXL", ("joint_blocks.",)),
    Kind("Chroma, not SDXL", ("distilled_guidance_layer.",)),
    Kind("Flux or a relative of it, not SDXL", ("double_blocks.", "single_transformer_blocks.")),
    Kind("AuraFlow, not SDXL", ("double_layers.",)),
    Kind("Lumina or Z-Image, not SDXL", ("cap_embedder.",)),
    Kind("Stable Cascade, not SDXL", ("clip_txt_mapper.", "channelwise.", "effnet_mapper.")),
    Kind("Qwen-Image or a relative of it, not SDXL", ("transformer_blocks.0.img_mlp", "transformer_blocks.0.txt_mlp")),
    Kind("Hunyuan-DiT, not SDXL", ("mlp_t5.",)),
    Kind("Wan or another video model, not SDXL", ("blocks.0.self_attn.q.", "blocks.0.cross_attn.q.")),
    Kind("PixArt or another diffusion transformer, not SDXL", ("x_embedder.proj.", "y_embedder.y_proj")),
    Kind("Kolors, not SDXL", ("encoder_hid_proj.",)),
    Kind("the SDXL refiner; loratui trains the base model", (), ("conditioner.embedders.0.model.",)),
    Kind("Stable Diffusion 2, not SDXL", (), ("cond_stage_model.model.",)),
    Kind("Stable Diffusion 1.5 or a relative of it, not SDXL", (), ("cond_stage_model.",)),
    Kind("a hypernetwork, not a base model", (".linear.0.weight",), ()),
    Kind("an upscaler, not a base model", ("RDB_trunk", ".rdb1.", ".RDB1."), ("model.0.", "conv_first.")),
)
_TEXT_STARTS = ("text_model.encoder.", "transformer.resblocks.", "token_embedding.", "encoder.block.", "shared.")


def file_kind(names: Shapes) -> str:
    """What a file with these names is, if it is not an SDXL base model; empty if it has all parts of one.

    Tensors beside those of a whole SDXL change nothing: only what is there of the parts decides.
    """
    has = {part: any(name.startswith(prefix) for name in names) for part, prefix in PREFIXES.items()}
    whole = has["unet"] and has["text_encoder"] and has["text_encoder_2"]
    if whole and f"{PREFIXES['unet']}input_blocks.0.0.weight" in names:
        return other_inputs(names[f"{PREFIXES['unet']}input_blocks.0.0.weight"])
    if set(names) <= {"clip_l", "clip_g"} and names:
        return "an embedding, not a base model"
    if found := next((kind.what for kind in KINDS if kind.fits(names)), ""):
        return found
    if has["unet"]:
        lacks = [part for part in ("text_encoder", "text_encoder_2") if not has[part]]
        if not lacks:
            return "a checkpoint whose unet is not whole: it has no input_blocks.0.0.weight; download it again"
        said = "both text encoders" if len(lacks) == 2 else "one of the text encoders"
        return f"a checkpoint without {said}; take the full version of the model"
    return _one_part(names)


def other_inputs(conv_in: tuple[int, ...]) -> str:
    """What a unet with such a first convolution is, if it is not that of a base model."""
    takes = conv_in[1] if len(conv_in) > 1 else 0
    if takes == 4:
        return ""
    kind = {9: "an inpainting model", 8: "an edit model (InstructPix2Pix)"}.get(takes, "another kind of model")
    return f"{kind} (its unet takes {plural(takes, 'channel')}, not 4); loratui trains the base model"


def pipeline_kind(family: str) -> str:
    """What a folder of the pipeline `family` is; empty for one that is a plain SDXL."""
    if family in BASES:
        return ""
    start = next((one for one in BEGINNINGS if family.startswith(one)), "")
    known = PIPELINES.get(family) or BEGINNINGS.get(start)
    return f"{known} ({family})" if known else f"a {family}"


def _one_part(names: Shapes) -> str:
    if any(name.startswith(("unet.", "text_encoder.")) for name in names):
        return "a model in diffusers' names in one file; give the folder that it was made from"
    if any(name.startswith("down_blocks.") for name in names):
        of = "SDXL's unet" if any(name.startswith("add_embedding.") for name in names) else "a unet"
        return f"{of} by itself in diffusers' names; give the folder that it came from"
    if is_vae(names):
        return "a VAE by itself; it can be model.vae, beside a base model"
    if any(re.match(r"(model\.)?layers\.\d+\.(self_attn|attention)\.", name) for name in names):
        return "a language model, not a base model"
    if any(name.startswith(_TEXT_STARTS) for name in names):
        return "a text encoder by itself, not a base model"
    return "no model that loratui knows: it has no unet in the layout of a single SDXL checkpoint"


def is_vae(names: Shapes) -> bool:
    """Whether these are the tensors of a VAE, by any of the names that one goes by."""
    starts = ("encoder.conv_in.", "decoder.conv_in.", "encoder.down", "decoder.up")
    return any(name.removeprefix(PREFIXES["vae"]).removeprefix("vae.").startswith(starts) for name in names)
