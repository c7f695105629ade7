"""The files of an export: what each is called and when it is written, what it tells a stranger, how it is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer.contract.paths import can_see, expanded
from trainer.contract.run.interface_prompts import a1111_prompt, comfyui_prompt, invokeai_prompt, swarmui_prompt
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import file_word

# a revision of a model in the cache of huggingface_hub
SNAPSHOT = re.compile(r"(?:^|/)models--(?P<owner>[^/]+?)--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40})$")
# in a folder of its own, where ComfyUI does not find it: it would load half of it without a word
DIFFUSERS = "diffusers/pytorch_lora_weights.safetensors"
OLD_DIFFUSERS = "pytorch_lora_weights.safetensors"  # where it lay before
CARD = "README.md"

B_LORA = {"content": "up_blocks.0.attentions.0", "style": "up_blocks.0.attentions.1"}  # Frenkel et al. 2024
# they leave out dora_scale without a word: they read lora_down, lora_up and alpha alone (trainer/export/readers.py)
WITHOUT_DORA = ("kohya's scripts", "stable-diffusion.cpp")


@dataclass(frozen=True)
class Use:
    """A way to use a file: the program, what is typed there, and where the file goes or what the text is for.

    `typed` holds {file}, {stem}, {path} and {script} (the model card's), or makes a prompt out of one and the
    embeddings' names by their triggers.
    """

    program: str
    typed: str | Callable[[str, Mapping[str, str]], str]
    note: str


@dataclass(frozen=True)
class ExportFile:
    """A file of an export; trainer/export/files.py writes it.

    In `pattern`, its path there, {name} is the run's, {word} empty or an identifier's with an underscore, {number} a
    picture's. In `tells`, said before it goes to the hub, {tensors} are counted, {captions} those in its header.
    """

    pattern: str
    tells: str
    uses: tuple[Use, ...] = ()
    when: Callable[[TrainConfig], bool] = lambda config: True
    axis: Literal["", "input", "output"] = ""  # the only one along which it may hold a DoRA; else it is not written
    form: Literal["", "kohya", "diffusers"] = ""  # the names in it, of a file with the LoRA
    readers: tuple[str, ...] = ()  # of a whole LoRA: the programs that make of it the weights that were trained
    whom: str = ""  # the same in short
    block: str = ""  # the only one that is in it
    bundles: bool = False  # the embeddings are in it too
    formerly: str = ""  # where it lay before
    size: str = ""  # about, in words; empty: the LoRA's
    many: str = ""  # what several of them are called

    def called(self, name: str, word: str = "") -> str:
        """Its path in the export of a run called `name`."""
        return self.pattern.format(name=name, word=word)

    def is_at(self, path: str, name: str) -> bool:
        """Whether this file of the run `name` may lie at `path`, which is relative to the export."""
        expression = re.escape(self.pattern)
        for field, said in (("word", r"(?:[\w-]+_)?"), ("number", r"\d{1,4}"), ("name", re.escape(name))):
            expression = expression.replace(rf"\{{{field}\}}", said)
        return path == self.formerly or re.fullmatch(expression, path) is not None

    def is_written(self, config: TrainConfig) -> bool:
        """Whether the settings lead to it."""
        return self.when(config) and (not config.train.dora or self.axis in ("", config.train.dora_axis))


_TELLS = "the LoRA; its header holds settings{captions}, as user interfaces expect"
_LORA = (
    Use("A1111, Forge, SD.Next", "<lora:{stem}:1>", "models/Lora; prompt"),
    Use("ComfyUI", "{file}", "models/loras; Load LoRA"),
)
_BESIDE = (Use("beside the LoRA", "{path}", "trigger and picture, in A1111, Forge, InvokeAI, SwarmUI"),)

KOHYA = ExportFile(
    "{name}.safetensors",
    _TELLS,
    _LORA,
    axis="input",
    form="kohya",
    readers=("ComfyUI", "AUTOMATIC1111", "Forge", "SD.Next", "InvokeAI", "SwarmUI"),
    whom="the user interfaces",
)
EMBEDDINGS = ExportFile(
    "{name}_{word}emb.safetensors",
    "the trained words; its header holds name, hint and base model",
    (
        Use("A1111, Forge, SD.Next", a1111_prompt, "embeddings; prompt"),
        Use("ComfyUI", comfyui_prompt, "models/embeddings; prompt"),
        Use("InvokeAI", invokeai_prompt, "import it; prompt"),
        Use("SwarmUI", swarmui_prompt, "Models/Embeddings; prompt"),
    ),
    when=lambda config: config.pivotal.enabled,
    size="a few kB",
    many="embeddings",
)
BUNDLE = ExportFile(  # as OneTrainer makes it
    "{name}_bundle.safetensors",
    _TELLS,
    (Use("A1111, SD.Next", "<lora:{stem}:1>", "models/Lora; the embeddings are in it"),),
    when=lambda config: config.export.bundle_embeddings and config.pivotal.enabled,
    axis="input",
    form="kohya",
    bundles=True,
)
PARTS = tuple(  # of a B-LoRA, trained in the blocks of content and style alone
    ExportFile(
        f"{{name}}_{part}.safetensors",
        _TELLS,
        _LORA,
        when=lambda config: set(config.train.blocks) == set(B_LORA.values()),
        axis="input",
        form="kohya",
        block=block,
    )
    for part, block in B_LORA.items()
)
FOR_DIFFUSERS = ExportFile(
    DIFFUSERS,
    "the LoRA for diffusers; {tensors}, no settings",
    (Use("diffusers", "{script}", "the whole script, with the folder"),),
    when=lambda config: config.adapter.kind == "lora",
    axis="output",
    form="diffusers",
    # SD.Next computes this axis as well, but not under these names (058a7f0, modules/lora/lora_load.py)
    readers=("diffusers", "PEFT"),
    whom="diffusers",
    formerly=OLD_DIFFUSERS,
)
MODEL_CARD = ExportFile(
    CARD,
    "the model card: settings, prompts, use; a script with its name",
    (Use("model card", "{path}", "goes with the files"),),
    size="the model card",
)
WORDS = ExportFile("{name}.json", "trigger and hint, as user interfaces read them", _BESIDE, axis="input")
PICTURE = ExportFile("{name}.png", "a validation picture; pixels only", _BESIDE, axis="input")
SAMPLE = ExportFile("sample-{number}.png", PICTURE.tells)

FILES = (KOHYA, EMBEDDINGS, BUNDLE, *PARTS, FOR_DIFFUSERS, MODEL_CARD)  # what is used first stands first
BESIDE = (WORDS, PICTURE, SAMPLE)  # they follow by their names
PICTURES = (PICTURE, SAMPLE)
AGAIN = tuple(one for one in FILES if one.form and not one.readers)  # what is in a whole LoRA too
INNER = tuple(sorted({one.pattern.rpartition("/")[0] for one in FILES} - {""}))  # the folders in an export


def file_at(path: str, name: str) -> ExportFile | None:
    """What lies at `path` in the export of the run `name`; None for what no export writes."""
    return next((one for one in (*FILES, *BESIDE) if one.is_at(path, name)), None)


def place_of(path: str, name: str, files: tuple[ExportFile, ...] = FILES) -> int:
    """Where a file stands in a list: as `files` do, and all others after them."""
    order = [place for one in files for place in (one.called(name), one.formerly) if place]
    return order.index(path) if path in order else len(order)


def lora_files(config: TrainConfig) -> tuple[ExportFile, ...]:
    """The whole LoRAs that are written: of a DoRA only the one that is computed rightly along its axis."""
    return tuple(one for one in FILES if one.readers and one.is_written(config))


def lora_sizes(config: TrainConfig) -> dict[str, float]:
    """Of each file with a LoRA that is written, by its path: how much of the whole LoRA is in it.

    The layers of a B-LoRA's two blocks are alike, so each of its parts holds as much as the other.
    """
    share = {one: 1 / len(PARTS) if one.block else 1.0 for one in FILES if one.form}
    return {path: share[one] for one in share for path in paths_of(one, config)}


def paths_of(file: ExportFile, config: TrainConfig) -> tuple[str, ...]:
    """Where `file` is written: nowhere, at one path, or at one for each identifier."""
    if not file.is_written(config):
        return ()
    words = _words(config).values() if "{word}" in file.pattern else ("",)
    return tuple(file.called(config.name, word) for word in words)


def embedding_names(config: TrainConfig) -> dict[str, str]:
    """The embeddings file (without ending) of each identifier: NAME_emb, or NAME_IDENTIFIER_emb for several."""
    if not EMBEDDINGS.is_written(config):
        return {}
    names = {word: EMBEDDINGS.called(config.name, said) for word, said in _words(config).items()}
    return {word: name.removesuffix(".safetensors") for word, name in names.items()}


def _words(config: TrainConfig) -> dict[str, str]:
    """What {word} is of each identifier: nothing for a single one."""
    words = config.triggers
    return {word: f"{file_word(word)}_" if len(words) > 1 else "" for word in words}


def base_name(config: TrainConfig) -> str:
    """The base model as others may read it: a hub id, also of a folder in a hub's cache; else a path's last part."""
    return public_place(config.model.base)[0]


def public_place(place: str, revision: str = "") -> tuple[str, str]:
    """A model of the hub or of this disk as others may read it, and its `revision`: the commit in a hub's cache.

    A path is its last part, of which nothing more is known.
    """
    if not can_see(expanded(place)) and not place.startswith(("/", "~", ".")):
        return place, revision
    if found := SNAPSHOT.search(Path(place).as_posix()):
        return f"{found['owner']}/{found['name']}", found["commit"]
    return Path(place).name, ""


def dora_readers(axis: str) -> str:
    """Which programs compute a DoRA along `axis` ("input" or "output"), and which do not: two halves of a sentence."""
    good = [reader for one in FILES if one.axis in ("", axis) for reader in one.readers]
    bad = [reader for one in FILES if one.axis not in ("", axis) for reader in one.readers]
    return f"{', '.join(good)}; not {', '.join((*bad, *WITHOUT_DORA))}"
