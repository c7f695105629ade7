"""`python -m trainer.samples.generate RUN PROMPT`: pictures with the LoRA and the embeddings that a run made."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract.entries import make_private
from trainer.contract.paths import os_sentence
from trainer.contract.run import exits
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.sample_prompts import SamplePrompt, read_sample_prompt

if TYPE_CHECKING:
    from trainer.contract.settings.config import TrainConfig
    from trainer.model.parts import Parts


def main(arguments: list[str]) -> int:
    """Make the pictures; prints the path of each. Returns the exit code."""
    asked = _parser().parse_args(arguments)
    from trainer.ground.libraries import take_needed

    take_needed()  # before what imports diffusers with all its relatives
    from trainer.checkpoints.snapshot import Damaged
    from trainer.contract.basemodel.inspect import NotSDXL
    from trainer.export.trained import NothingTrained
    from trainer.model.errors import ModelError

    try:
        _generate(asked)
    except (NothingTrained, Damaged, NotSDXL, ModelError, OSError, ValueError) as error:
        print(os_sentence(error), file=sys.stderr)
        return exits.USAGE
    return exits.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.samples.generate", description=__doc__)
    parser.add_argument("run", type=Path)
    add_options(parser)
    parser.add_argument("--checkpoint", type=int, help="step of a checkpoint, in place of the exported files")
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is drawn and how, whatever it is drawn with."""
    parser.add_argument("prompt", help="as one of sample.prompts: --n, --d, --w and --h may stand in it")
    parser.add_argument("--negative", help="what no picture should show; the prompt's own --n by default")
    parser.add_argument(
        "--seed", type=int, help="first noise; the prompt's own --d or the run's sample seed by default"
    )
    parser.add_argument("--steps", type=int, help="denoising steps; the run's by default")
    parser.add_argument("--guidance", type=float, help="guidance; the run's by default")
    parser.add_argument("--scale", type=float, default=1.0, help="how strongly the LoRA counts")
    parser.add_argument("--count", type=int, default=1, help="pictures, each with the next seed")
    parser.add_argument("--out", type=Path, help="a .png file (for one picture) or a folder")
    parser.add_argument("--base", action="store_true", help="the base model's picture of the same noise beside each")


def _generate(asked: argparse.Namespace) -> None:
    from trainer.export.trained import find_checkpoint, load_exported, open_run, set_scale

    run, prompt = RunDir(asked.run.resolve()), read_sample_prompt(asked.prompt)
    refuse_links(run)
    trained = open_run(run)
    if asked.base:  # before anything is loaded into it
        draw(asked, run.generated, run.path, trained.config, trained.parts, prompt, str, "-base")
    if asked.checkpoint is None:
        load_exported(run, trained)
    else:
        trained.trainee.restore(find_checkpoint(run, asked.checkpoint))
    set_scale(trained.trainee, asked.scale)
    write = trained.trainee.vocabulary.write
    draw(asked, run.generated, run.path, trained.config, trained.parts, prompt, write)


def draw(
    asked: argparse.Namespace,
    place: Path,
    root: Path | None,
    config: TrainConfig,
    parts: Parts,
    asked_for: SamplePrompt,
    write: Callable[[str], str],
    ending: str = "",
) -> None:
    """A picture for each seed, into `place` where no other is asked for, with the path of each said.

    `write` puts the new tokens into a prompt; for the base model's, with an `ending`, it leaves the trigger as plain
    words. `root`: no name from there down to `place` may be a link.
    """
    import torch

    from trainer.contract.settings.prompts import settled
    from trainer.data.images import save_picture
    from trainer.model.prompts import encode
    from trainer.samples.drawing import make_picture, negative_prompt

    prompt = settled(asked_for, config)
    first = next(one for one in (asked.seed, prompt.seed, config.sample.seed) if one is not None)
    unwanted = prompt.negative if asked.negative is None else asked.negative
    with torch.no_grad():
        encoded = encode(parts, [write(prompt.words)])
        negative = negative_prompt(parts, write(unwanted), lambda words: encode(parts, [words]))
    steps = asked.steps or config.sample.steps
    guidance = config.sample.guidance if asked.guidance is None else asked.guidance
    for seed in range(first, first + asked.count):
        size, tiles = (prompt.width, prompt.height), config.sample.tiles
        picture = make_picture(parts, encoded, negative, size, steps, guidance, seed, tiles)
        path, within = _path(asked, place, root, prompt.words, f"{seed}{ending}")
        save_picture(picture, path, root=within)
        print(path, flush=True)


def _path(asked: argparse.Namespace, place: Path, inside: Path | None, shown: str, ending: str) -> tuple[Path, Path]:
    """Where a picture goes, and the folder from which on no name may be a link."""
    if asked.out is not None and asked.out.suffix.lower() == ".png" and asked.count == 1 and not asked.base:
        asked.out.resolve().parent.mkdir(parents=True, exist_ok=True)
        return Path(asked.out), asked.out.parent
    folder: Path = asked.out or place
    root = folder if asked.out or inside is None else inside
    make_private(folder, None if root == folder else root)
    words = "".join(letter if letter.isalnum() else "-" for letter in shown)[:48].strip("-")
    return folder / f"{words or 'picture'}-{ending}.png", root


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
