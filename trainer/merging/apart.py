"""`python -m trainer.merging.apart --content A --style B PROMPT`: what one LoRA shows, as another one paints.

B-LoRA (Frenkel et al. 2024): of SDXL's blocks one holds the content of a picture and one its style, so that a LoRA
trained in these two alone can be used by halves.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.basemodel.unet_names import within
from trainer.contract.paths import os_sentence
from trainer.contract.run import exits
from trainer.contract.run.exports import B_LORA
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.model import Model
from trainer.contract.settings.sample_prompts import read_sample_prompt
from trainer.ground.libraries import take_needed
from trainer.merging.layers import insert, read_layers
from trainer.merging.sources import (
    NotMerged,
    Source,
    insert_words,
    model_of,
    read_source,
    run_config,
    told_apart,
    without_run,
)
from trainer.model.download import bring
from trainer.model.errors import ModelError
from trainer.model.parts import fix_pooling, load_parts, pick_device
from trainer.samples.generate import add_options, draw

PLACE = Path("generated")  # of files, beside which nothing is written


def main(arguments: list[str]) -> int:
    """Make the pictures; prints the path of each. Returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        _generate(asked)
    except (NotSDXL, ModelError, SafetensorError, OSError, ValueError) as error:
        print(os_sentence(error), file=sys.stderr)
        return exits.USAGE
    return exits.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.merging.apart", description=__doc__)
    for part, block in B_LORA.items():
        parser.add_argument(f"--{part}", help=f"a run, a LoRA file or a folder with one: {block} is taken of it")
    parser.add_argument("--model", default="", help="the base model, where none of them is a run")
    add_options(parser)
    return parser


@dataclass(frozen=True)
class _Half:
    """What is taken of one LoRA."""

    part: str
    source: Source
    place: str

    @property
    def block(self) -> str:
        """The only one that it is taken from."""
        return B_LORA[self.part]


def _halves(asked: argparse.Namespace) -> tuple[list[_Half], Model, list[str]]:
    """What is drawn with, the base model under it, and what a person has to know of it. Raises NotMerged."""
    given = {part: getattr(asked, part) for part in B_LORA if getattr(asked, part)}
    if not given:
        raise NotMerged("name a LoRA with --content, with --style, or both")
    configs = [run_config(place) for place in given.values()]
    titles = [one.name if one else Path(place).name for one, place in zip(configs, given.values(), strict=True)]
    model = model_of(tuple(configs), tuple(titles), asked.model, "--model")
    sources = [read_source(place, model, one) for one, place in zip(configs, given.values(), strict=True)]
    said: list[str] = []
    if len(sources) == 2 and sources[0].lora.path != sources[1].lora.path:
        *sources, said = told_apart(*sources)
    found = [_Half(part, one, given[part]) for part, one in zip(given, sources, strict=True)]
    return found, model, said + [one for half in found for one in _checked(half)]


def _checked(half: _Half) -> list[str]:
    """What else of a LoRA is not taken, as a sentence. Raises NotMerged where the wanted half is not in it."""
    title, part, paths = half.source.title, half.part, half.source.lora.layers
    if not any(within(path, half.block) for path in paths):
        raise NotMerged(
            f"{title} changes nothing in {half.block}, where SDXL has the {part}: train a LoRA in both blocks with "
            "--preset b-lora"
        )
    if all(any(within(path, block) for block in B_LORA.values()) for path in paths):
        return []
    return [f"of {title} the {part} alone is taken: it changes other blocks too, where the two are not apart"]


def _generate(asked: argparse.Namespace) -> None:
    halves, model, said = _halves(asked)
    for one in said:
        print(one, file=sys.stderr)
    take_needed()
    import torch

    run = next((half for half in halves if half.source.config is not None), None)
    config = (run and run.source.config) or without_run(model)
    config = config.model_copy(update={"model": model})
    torch.set_num_threads(config.train.cpu_threads)
    bring(config, lambda done, total: None)
    parts, prompt = load_parts(config, pick_device(config)), read_sample_prompt(asked.prompt)
    parts.place_unet()
    folder = RunDir(Path(run.place).resolve()) if run is not None else None
    place, root = (folder.generated, folder.path) if folder is not None else (PLACE, None)
    if asked.base:  # before anything is put into it
        assert parts.text_encoders is not None
        fix_pooling(parts.text_encoders, parts.tokenizers)
        draw(asked, place, root, config, parts, prompt, str, "-base")
    vocabulary = insert_words(parts, tuple({half.source.lora.path: half.source for half in halves}.values()))
    for half in halves:
        own = {path: one for path, one in read_layers(half.source.lora).items() if within(path, half.block)}
        insert(parts, {path: one.weighted(asked.scale) for path, one in own.items()})
    draw(asked, place, root, config, parts, prompt, vocabulary.write)


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
