"""`python -m trainer.merging A B --out C`: one LoRA of two, by learned factors (ZipLoRA), by weights, cut to a rank."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract.paths import os_words
from trainer.contract.run import exits
from trainer.contract.units import plural

if TYPE_CHECKING:
    from trainer.contract.settings.config import TrainConfig
    from trainer.contract.settings.model import Model
    from trainer.merging.layers import Factors
    from trainer.merging.sources import Source

SEED = 42


def main(arguments: list[str]) -> int:
    """Write the files; prints the path of each. Returns the exit code."""
    asked = _parser().parse_args(arguments)
    from safetensors import SafetensorError

    from trainer.contract.basemodel.inspect import NotSDXL
    from trainer.export.proof import ExportMismatch
    from trainer.model.errors import ModelError

    try:
        _merge(asked)
    except ExportMismatch as error:
        print(error, file=sys.stderr)
        return exits.FAILED
    except (NotSDXL, ModelError, SafetensorError, OSError, ValueError) as error:
        print(_words(error), file=sys.stderr)
        return exits.USAGE
    return exits.DONE


def _words(error: Exception) -> str:
    """A sentence; the system's own reasons in plain words."""
    if isinstance(error, OSError) and error.strerror:
        where = Path(str(error.filename or "--out"))
        return f"{where.name}: {os_words(error, where)}; nothing was written"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.merging", description=__doc__)
    parser.add_argument("loras", nargs=2, metavar="LORA", help="a run's folder, a LoRA file, or a folder with one")
    parser.add_argument(
        "--out", type=Path, required=True, help="a folder that is not there yet; its name is the merge's"
    )
    parser.add_argument("--learned", action="store_true", help="factors learned for each column (ZipLoRA); the default")
    parser.add_argument("--weights", nargs=2, type=float, metavar="W", help="how strongly each counts, nothing learned")
    parser.add_argument("--rank", type=int, help="cut to it; without --learned or --weights: of the plain sum")
    parser.add_argument("--steps", type=int, help="of learning")
    parser.add_argument("--seed", type=int, default=SEED, help="of learning")
    parser.add_argument("--prompts", nargs=2, default=["", ""], metavar="P", help="what each shows, in its own words")
    parser.add_argument("--base", default="", help="the base model that the merge is for")
    return parser


def _merge(asked: argparse.Namespace) -> None:
    from trainer.contract.basemodel.unet_names import unet_of
    from trainer.merging.sources import NotMerged, left_out, model_of, read_source, run_config, told_apart

    _refuse(asked)
    configs = tuple(run_config(one) for one in asked.loras)
    titles = tuple(
        config.name if config else Path(place).name for place, config in zip(asked.loras, configs, strict=True)
    )
    model = model_of(configs, titles, asked.base)
    first, second = (
        read_source(place, model, config, prompt)
        for place, config, prompt in zip(asked.loras, configs, asked.prompts, strict=True)
    )
    if first.lora.path.resolve() == second.lora.path.resolve():
        raise NotMerged(f"{first.title} is named twice: name two; 'loratui generate' with --scale draws one stronger")
    *both, said = told_apart(first, second)
    sources = (both[0], both[1])
    said += [one for source in sources for one in left_out(source)]
    quantized = [one.config for one in sources if one.config is not None and one.config.model.quantize != "off"]
    said += [
        f"{one.name} was trained on the base model in {one.model.quantize}, and is merged on the whole one"
        for one in quantized
    ]
    for one in said:
        print(one, file=sys.stderr)
    config = _config(asked.out.resolve().name, model, sources)
    unet = unet_of(model)
    if unet is None:
        raise NotMerged("the layers of the base model are not known before it is downloaded: choose one of this disk")
    if asked.weights or (asked.rank and not asked.learned):
        layers, how = _weighted(sources, tuple(asked.weights or (1.0, 1.0)))
    else:
        layers, how = _learned(asked, config, sources)
    if asked.rank:
        from trainer.merging.layers import cut

        layers, kept = cut(layers, asked.rank)
        how += f" Cut to rank {asked.rank} by singular values: {kept:.1%} of its norm is kept."
    from trainer.merging.files import Merge, fits, write_merge

    if not fits(layers, config):
        raise NotMerged(
            f"numbers of the merge are not finite or too large for {config.export.precision}: take smaller --weights; "
            "where they are small, one of the LoRAs is damaged"
        )
    merge = Merge(config, sources, layers, how, said)
    print(how, file=sys.stderr)
    for path in write_merge(asked.out.resolve(), merge, unet["layers_per_block"]):
        print(path)


def _refuse(asked: argparse.Namespace) -> None:
    """What is wrong with the words themselves. Raises NotMerged."""
    from trainer.contract.settings.config import NAME
    from trainer.merging.sources import NotMerged

    out = asked.out.resolve()
    if not NAME.fullmatch(out.name):
        raise NotMerged(f"--out: '{out.name}' becomes the LoRA's name: only letters, digits, '-' and '_' (at most 64)")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise NotMerged(f"--out: '{out.name}' is there already: name a folder that is not")
    _refuse_place(out)
    if asked.weights and not all(map(math.isfinite, asked.weights)):
        raise NotMerged("--weights: two finite numbers, such as 0.8 0.6")
    if asked.weights and not any(asked.weights):
        raise NotMerged("--weights 0 0: nothing of either would be left")
    if asked.weights and asked.learned:
        raise NotMerged("--weights and --learned are two ways to merge: take one of them")
    if asked.rank is not None and asked.rank < 1:
        raise NotMerged("--rank: 1 or more")
    if asked.steps is not None and asked.steps < 1:
        raise NotMerged("--steps: 1 or more")


def _refuse_place(out: Path) -> None:
    """Whether something can be written beside `out`, before the work is done. Raises NotMerged."""
    from trainer.contract.entries import folder_aside
    from trainer.merging.sources import NotMerged

    place = next(one for one in out.parents if one.exists())
    try:
        with folder_aside(place / out.name):
            pass
    except OSError as error:
        raise NotMerged(
            f"--out: nothing can be written in '{place}': {os_words(error, place / out.name)}; name another folder"
        ) from None


def _config(name: str, model: Model, sources: tuple[Source, Source]) -> TrainConfig:
    """The settings of the merge: those of the first run, as far as files and pictures need them."""
    from trainer.merging.sources import without_run

    config = next((one.config for one in sources if one.config is not None), None) or without_run(model, name)
    embedded = [word for one in sources for word in one.rows]
    words = embedded or [word for one in sources for word in one.words]
    prompt = ", ".join(one.prompts[0] for one in sources if one.prompts) or "a picture"
    parts = {
        "dataset": {"trigger": ",".join(dict.fromkeys(words)), "instance_prompt": prompt, "class_word": ""},
        "pivotal": {"enabled": bool(embedded)},
        "train": {"dora": False, "blocks": (), "start_from": ""},
        "export": {"bundle_embeddings": False},
        "sample": {"prompts": (), "count": 1},
    }
    changed = {part: getattr(config, part).model_copy(update=values) for part, values in parts.items()}
    return config.model_copy(update={"name": name, "model": model, "concepts": (), **changed})


def _weighted(sources: tuple[Source, Source], weights: tuple[float, ...]) -> tuple[dict[str, Factors], str]:
    from trainer.merging.layers import added, read_layers

    first, second = (
        {path: one.weighted(weight) for path, one in read_layers(source.lora).items()}
        for source, weight in zip(sources, weights, strict=True)
    )
    terms = " and ".join(f"{weight:g} x {one.title}" for weight, one in zip(weights, sources, strict=True))
    return added(first, second), f"The sum of {terms}."


def _learned(
    asked: argparse.Namespace, config: TrainConfig, sources: tuple[Source, Source]
) -> tuple[dict[str, Factors], str]:
    from trainer.merging.sources import NotMerged

    for one in sources:
        if one.lora.text:
            raise NotMerged(
                f"{one.title} has a LoRA on the text encoders, for which no factors are learned: merge with "
                "--weights 1 1"
            )
        if not one.prompts:
            raise NotMerged(f"nothing says what {one.title} shows: write a prompt of each with --prompts")
    from trainer.ground.libraries import take_needed

    take_needed()
    import torch

    from trainer.merging.layers import read_layers
    from trainer.merging.learned import STEPS, learn
    from trainer.model.download import bring
    from trainer.model.parts import load_parts, pick_device

    torch.set_num_threads(config.train.cpu_threads)
    bring(config, lambda done, total: _say("bringing the base model", done * 100 // max(total, 1), 100))
    parts = load_parts(config, pick_device(config))
    first, second = (read_layers(one.lora) for one in sources)
    steps = asked.steps or STEPS
    found = learn(parts, config, sources, (first, second), steps, asked.seed, _say)
    how = (
        f"A factor for each column of both (ZipLoRA), learned in {plural(steps, 'step')}, seed {asked.seed}: the mean "
        f"squared difference from each LoRA alone, both together, went from {found.before:.3g} to {found.after:.3g}."
    )
    return found.layers, how


def _say(what: str, done: int, total: int) -> None:
    """How far it is: a line that the next one replaces."""
    print(f"{what}: {done} of {total}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
