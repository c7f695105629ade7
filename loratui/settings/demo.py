"""What the demo is made of: the concepts that ship with the package, and the answers that a person would give."""

from __future__ import annotations

from pathlib import Path

from loratui.settings.answers import Answers, AnswersError
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.paths import is_folder
from trainer.contract.pictures.formats import ENDINGS

PRESET = "demo"
SMALL_SIZE: dict[str, object] = {  # what makes a run of any kind one that a machine without a GPU does in minutes
    "model.base": "sdxl-small",
    "model.vae": "auto",
    "train.resolution": 64,
    "train.precision": "fp32",
    "train.gradient_checkpointing": "off",
}
FIRST = "mascot"  # taken unless another is asked for
# a style is asked for in other words than a thing; the cross is in none of its pictures
STYLES = {"sunset": ("a star in the style of TOK", "a cross in the style of TOK", "a heart in the style of TOK")}


def concepts() -> dict[str, Path]:
    """The folders of pictures that ship with the package, by name; none of them was in the small model's training."""
    root = small_model().parent / "concepts"
    folders = sorted(one for one in root.iterdir() if is_folder(one)) if is_folder(root) else []
    return {one.name: one for one in folders if any(file.suffix in ENDINGS for file in one.iterdir())}


def demo_answers(name: str | None = None) -> Answers:
    """The answers that a person would give for one of the shipped concepts. Raises AnswersError."""
    known = concepts()
    if not known:
        raise AnswersError(["the demo's pictures are missing from this installation; install loratui again"])
    if name is not None and name not in known:
        raise AnswersError([f"--concept {name}: there is no such concept; there are {', '.join(known)}"])
    chosen = name or (FIRST if FIRST in known else next(iter(known)))
    values: dict[str, object] = {"name": chosen, "dataset.path": str(known[chosen])}
    if chosen in STYLES:
        values |= {"kind": "style", "sample.prompts": STYLES[chosen]}
    return Answers(PRESET, values, {}, "demo")
