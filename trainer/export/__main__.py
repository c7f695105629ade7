"""`python -m trainer.export RUN`: the files again, from the newest checkpoint or from any other."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import sys
from pathlib import Path

from trainer.contract.paths import os_sentence
from trainer.contract.run import exits
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.rundir import RunDir, checkpoint_folders

WITHOUT_TOKENS = "the run trained no new tokens (pivotal.enabled is false)"
OTHER_AXIS = "a DoRA along the output axis has no file for the user interfaces, which alone read a bundle"


def main(arguments: list[str]) -> int:
    """Write the files; prints the path of each. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.export", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--checkpoint", type=int, help="step; the newest, or the best of an early end")
    parser.add_argument("--out", type=Path, help="folder; the run's export by default")
    parser.add_argument("--bundle-emb", action="store_true", help="also one file with the embeddings in it")
    asked = parser.parse_args(arguments)
    from trainer.ground.libraries import take_needed

    take_needed()  # before what imports diffusers with all its relatives
    from trainer.checkpoints.snapshot import Damaged
    from trainer.contract.basemodel.inspect import NotSDXL
    from trainer.export.proof import ExportMismatch
    from trainer.export.trained import NothingTrained
    from trainer.model.errors import ModelError

    try:
        _export(RunDir(asked.run.resolve()), asked.checkpoint, asked.out, asked.bundle_emb)
    except ExportMismatch as error:
        print(error, file=sys.stderr)
        return exits.FAILED
    except (NothingTrained, Damaged, NotSDXL, ModelError, OSError, ValueError) as error:
        print(os_sentence(error), file=sys.stderr)
        return exits.USAGE
    return exits.DONE


def _export(run: RunDir, step: int | None, out: Path | None, bundle: bool) -> None:
    from trainer.checkpoints.snapshot import best_of, falls_no_more
    from trainer.contract.run.exports import BUNDLE
    from trainer.contract.settings.config import load_config
    from trainer.data.dataset import DataError, Item, hold_out, read_dataset
    from trainer.export.files import export_run
    from trainer.export.learned import Learned, saved_learned
    from trainer.export.trained import find_checkpoint, open_run

    refuse_links(run)
    snapshot, config = find_checkpoint(run, step), load_config(run.config)
    held = dict(snapshot.held)
    if step is None and falls_no_more(held, config.stop.patience) and best_of(held) in checkpoint_folders(run):
        snapshot = find_checkpoint(run, best_of(held))  # which the run itself exported
    learned: Learned
    if (saved := saved_learned(config, snapshot)) is not None:
        learned, size = saved, saved.layers_per_block
    else:
        trained = open_run(run)
        trained.trainee.restore(snapshot)
        learned, size = trained.trainee, trained.parts.unet.config.layers_per_block
    items: tuple[Item, ...] = ()
    try:
        items, _ = hold_out(read_dataset(config), config)
    except DataError as error:
        print(f"the pictures cannot be read any more, the header names none: {error}", file=sys.stderr)
    if bundle:
        config = config.model_copy(update={"export": config.export.model_copy(update={"bundle_embeddings": True})})
        if not BUNDLE.is_written(config):
            why = OTHER_AXIS if config.pivotal.enabled else WITHOUT_TOKENS
            print(f"no bundle is written: {why}", file=sys.stderr)
    folder = out.resolve() if out else None
    for name in export_run(run, config, learned, items, size, snapshot.step, folder):
        path = Path(name)
        print(path if path.is_absolute() else run.path / path)


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
