"""The files of an export: what each is called, what a stranger learns from it, how a user interface takes it."""

from __future__ import annotations

from dataclasses import dataclass

DIFFUSERS = "pytorch_lora_weights.safetensors"
CARD = "README.md"


@dataclass(frozen=True)
class LoraUse:
    """A program that takes a file: what is typed there, with {file} or {stem}, and where the file goes."""

    program: str
    typed: str
    note: str


@dataclass(frozen=True)
class LoraFile:
    """A file that holds the whole LoRA, in the names of some programs; trainer/export/files.py writes it.

    {name} in `pattern` is the run's. `tells` is said before it goes to the hub: {tensors} are counted in it, {captions}
    are those in its header, if any.
    """

    pattern: str
    tells: str
    uses: tuple[LoraUse, ...] = ()

    def called(self, name: str) -> str:
        """The file's name for a run called `name`."""
        return self.pattern.format(name=name)


KOHYA = LoraFile(
    "{name}.safetensors",
    "the LoRA; its header tells settings{captions}, as user interfaces expect",
    (
        LoraUse("A1111, Forge, SD.Next", "<lora:{stem}:1>", "models/Lora; prompt"),
        LoraUse("ComfyUI", "{file}", "models/loras; Load LoRA"),
    ),
)
FOR_DIFFUSERS = LoraFile(DIFFUSERS, "the LoRA for diffusers; {tensors}, no settings")  # its use is the card's script
LORA_FILES = (KOHYA, FOR_DIFFUSERS)  # what is used first stands first


def lora_file(file: str, name: str) -> LoraFile | None:
    """Which LoRA a file of the run `name` is."""
    return next((one for one in LORA_FILES if one.called(name) == file), None)


def place_of(file: str, name: str) -> int:
    """Where a file stands in a list of an export: the first LoRA, its embeddings, other LoRAs, the card, the rest."""
    first, *others = (one.called(name) for one in LORA_FILES)
    order = (first, f"{name}_emb.safetensors", *others, CARD)
    return order.index(file) if file in order else len(order)
