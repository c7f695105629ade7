"""What a folder is that is given as a base model, told by its files' names, headers and configurations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.families import other_inputs, pipeline_kind
from trainer.contract.basemodel.fit import beside, misfit, parts_misfit
from trainer.contract.basemodel.headers import START, BadHeader, Shapes, joined_shapes, not_weights, read_header
from trainer.contract.basemodel.hub_cache import TOKENIZERS
from trainer.contract.basemodel.loss import Loss, of_scheduler
from trainer.contract.basemodel.schedulers import scheduler_trouble
from trainer.contract.basemodel.weights import part_weights
from trainer.contract.documents.files import LIMIT
from trainer.contract.documents.parsers import parse_json
from trainer.contract.documents.regular import read_bytes
from trainer.contract.paths import can_see, is_file, is_folder, os_words

WEIGHTED = ("unet", "text_encoder", "text_encoder_2", "vae")
PARTS = (*WEIGHTED, *TOKENIZERS, "scheduler")
SHOWN = 3  # file names in a sentence


class BadFolder(ValueError):
    """The folder is no SDXL model that can be trained; the message goes on after the folder's name."""


@dataclass(frozen=True)
class Folder:
    """An SDXL model in diffusers' layout that can be loaded."""

    path: Path
    unet: dict[str, Any]
    vae: dict[str, Any]
    has_vae: bool  # the weights of its own VAE
    loss: Loss
    beside: tuple[str, ...]  # tensors that are passed over


def read_folder(path: Path, name: str, vae_needed: bool = True) -> Folder:
    """Look at a folder without loading a tensor; `name` is what the model is called. Raises BadFolder."""
    index = _index(path)
    if kind := pipeline_kind(str(index.get("_class_name"))):
        raise BadFolder(f"is {kind}, not a StableDiffusionXLPipeline; loratui trains SDXL base models only")
    if index.get("requires_aesthetics_score") or [None, None] in (index.get("text_encoder"), index.get("tokenizer")):
        raise BadFolder("is the SDXL refiner, which has one text encoder; loratui trains the base model")
    _all_there(path, vae_needed)
    configs = {part: read_config(path, f"{part}/config.json") for part in WEIGHTED}
    scheduler = read_config(path, "scheduler/scheduler_config.json")
    _inputs(configs["unet"])
    has_vae = vae_needed or not part_weights(path / "vae", "vae", half=True).missing
    shapes = {part: folder_shapes(path, part) for part in WEIGHTED if part != "vae" or has_vae}
    _inputs({}, shapes["unet"])
    for part, found in shapes.items():
        if said := misfit(part, configs[part], found):
            raise BadFolder(f"cannot be loaded: its {part} does not fit its configuration: {said}")
    if said := parts_misfit(configs):
        raise BadFolder(f"has parts that do not belong together: {said}")
    extra = [f"{part}: {one}" for part, found in shapes.items() for one in beside(part, configs[part], found)]
    loss = of_scheduler(_scheduler(index, scheduler), "scheduler/scheduler_config.json", name, configs["unet"])
    return Folder(path, configs["unet"], configs["vae"], has_vae, loss, tuple(extra))


def folder_shapes(path: Path, part: str) -> Shapes:
    """The tensors of the weights that are read of a part; empty where there are none."""
    found = part_weights(path / part, part, half=True)
    return {} if found.missing else joined_shapes(path / part / one for one in found.files)


def read_config(path: Path, name: str) -> dict[str, Any]:
    """A JSON object of a model. Raises BadFolder."""
    raw = read_bytes(path / name, LIMIT)
    if raw.absent:
        raise BadFolder(f"is not complete: {name} is missing")
    if raw.value is None:
        raise BadFolder(f"cannot be read: {name}: {raw.reason}")
    if what := not_weights(raw.value[:START]):
        raise BadFolder(f"is damaged: {name}: {what}")
    found = parse_json(raw.value, dict)
    if found.value is None:
        raise BadFolder(f"is damaged: {name}: {found.reason}; download it again")
    return found.value


def part_troubles(place: Path, part: str) -> tuple[list[str], list[str]]:
    """What of the weights of one part ("" for one by itself) is missing, and what is damaged; of all that is read."""
    missing: list[str] = []
    damaged: list[str] = []
    before = f"{part}/" if part else ""
    for half in (True, False):
        weights = part_weights(place, part, half)
        for name in weights.missing:
            link = " (a link that leads nowhere)" if (place / name).is_symlink() else ""
            missing.append(f"{before}{name}{link}")
        for name in set(weights.files) - set(weights.missing):
            try:
                if coarse := read_header(place / name).coarse:
                    damaged.append(f"{before}{name}: it holds {coarse} numbers, too coarse to train on")
            except BadHeader as error:
                damaged.append(f"{before}{name}: {error}")
    return list(dict.fromkeys(missing)), list(dict.fromkeys(damaged))


def missing_words(missing: list[str]) -> str:
    """ "a, b and 3 more missing", with what is read and how a link is mended."""
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    said = f"{', '.join(missing[:SHOWN])}{more} missing"
    if any("leads nowhere" in one for one in missing):
        return f"{said}; copy the folder with the files that its links stand for (cp -rL)"
    return f"{said} (only safetensors are read)"


def damaged_words(damaged: list[str]) -> str:
    """What is to be said of files that are there and cannot be read."""
    if any("too coarse" in one for one in damaged):
        return f"cannot be used; take its fp16 or bf16 version: {'; '.join(damaged[:SHOWN])}"
    again = "" if any("git lfs pull" in one for one in damaged) else "; download it again"
    return f"is damaged{again}: {'; '.join(damaged[:SHOWN])}"


def _index(path: Path) -> dict[str, Any]:
    if can_see(path / "model_index.json"):
        return read_config(path, "model_index.json")
    try:
        below = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise BadFolder(f"cannot be read: {os_words(error)}") from None
    said = "is not an SDXL model in diffusers' layout: model_index.json is missing"
    if inner := [one.name for one in below if is_file(one / "model_index.json")]:
        raise BadFolder(f"{said}; give the folder inside it: '{path / inner[0]}'")
    if is_file(path.parent / "model_index.json"):
        raise BadFolder(f"is one part of a model; give the folder above it: '{path.parent}'")
    if files := [one.name for one in below if one.suffix.lower() == ".safetensors"]:
        raise BadFolder(f"{said}; to train on a single checkpoint give the file: '{path / files[0]}'")
    raise BadFolder(said)


def _all_there(path: Path, vae_needed: bool) -> None:
    """Raises BadFolder with all that is missing or damaged."""
    missing = [part for part in PARTS if not is_folder(path / part)]
    damaged: list[str] = []
    for part in WEIGHTED:
        if part not in missing and (part != "vae" or vae_needed):
            lacks, bad = part_troubles(path / part, part)
            missing += lacks
            damaged += bad
    for part in TOKENIZERS:
        if part not in missing:
            lacks, bad = _tokenizer(path / part)
            missing += lacks
            damaged += bad
    if missing:
        raise BadFolder(f"is not complete: {missing_words(missing)}")
    if damaged:
        raise BadFolder(damaged_words(damaged))


def _tokenizer(place: Path) -> tuple[list[str], list[str]]:
    names = ["tokenizer.json"] if is_file(place / "tokenizer.json") else ["vocab.json", "merges.txt"]
    missing = [f"{place.name}/{name}" for name in names if not is_file(place / name)]
    damaged = []
    for name in names:
        try:
            with (place / name).open("rb") as file:
                what = not_weights(file.read(START))
        except OSError as error:
            what = "" if f"{place.name}/{name}" in missing else f"it cannot be read: {os_words(error)}"
        damaged += [f"{place.name}/{name}: {what}"] if what else []
    return missing, damaged


def _inputs(unet: dict[str, Any], shapes: Shapes | None = None) -> None:
    """Raises BadFolder where the unet is that of another kind of model, as configuration or weights have it."""
    if shapes is not None:
        conv_in = shapes.get("conv_in.weight", (0, 4))
    else:
        takes = unet.get("in_channels", 4)
        conv_in = (0, takes if isinstance(takes, int) else 0)
    if kind := other_inputs(conv_in):
        raise BadFolder(f"is {kind}")
    if shapes is None and unet.get("addition_embed_type") != "text_time":
        raise BadFolder("has a unet without SDXL's conditioning (addition_embed_type is not text_time)")


def _scheduler(index: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The scheduler's configuration, with the class that is really made. Raises BadFolder."""
    named = index.get("scheduler")
    family = str(named[-1]) if isinstance(named, list) and named else str(config.get("_class_name"))
    if trouble := scheduler_trouble(family, str(config.get("prediction_type", "epsilon"))):
        raise BadFolder(trouble)
    return config | {"_class_name": family}
