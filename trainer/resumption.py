"""Whether a checkpoint is of this very run, but for what a person changed between the two starts."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.checkpoints.snapshot import Snapshot, check_identity
from trainer.contract.basemodel.digests import base_digests
from trainer.contract.run.changes import SettingChange, changes_between, left_out, settings_at
from trainer.contract.settings.config import TrainConfig, flat, nested
from trainer.data.dataset import Item
from trainer.step.trainee import run_identity


def config_at(snapshot: Snapshot, config: TrainConfig, record: Sequence[SettingChange]) -> TrainConfig:
    """`config` with every setting that may differ from the checkpoint as it was there."""
    return TrainConfig.model_validate(nested(flat(config) | settings_at(snapshot.identity["settings"], config, record)))


def changed_since(
    snapshot: Snapshot, config: TrainConfig, record: Sequence[SettingChange]
) -> tuple[SettingChange, ...]:
    """What is another than in the checkpoint, and may be."""
    skipped = sorted(left_out(config, record) & set(snapshot.identity["pictures"]))
    left = (SettingChange("dataset.skip", [], skipped),) if skipped else ()
    return changes_between(config_at(snapshot, config, record), config) + left


def check_inputs(
    snapshot: Snapshot, config: TrainConfig, items: tuple[Item, ...], record: Sequence[SettingChange]
) -> None:
    """Compare what is known before any weight is loaded. Raises OtherRun with every difference."""
    before = config_at(snapshot, config, record)
    known = run_identity(before, items, (), base_digests(before))
    known["pictures"] |= _left_out(snapshot, config, record)
    check_identity(snapshot, known, only=("settings", "pictures", *(f"base.{name}" for name in known["base"])))


def check_run(
    snapshot: Snapshot,
    config: TrainConfig,
    items: tuple[Item, ...],
    class_items: tuple[Item, ...],
    base: dict[str, str],
    record: Sequence[SettingChange],
) -> None:
    """Compare everything; `base` has the digests of the loaded model. Raises OtherRun with every difference."""
    before = config_at(snapshot, config, record)
    if base_digests(before) != base_digests(config):  # read in another precision: the files are compared in the old one
        base = base | base_digests(before)
    known = run_identity(before, items, class_items, base)
    known["pictures"] |= _left_out(snapshot, config, record)
    check_identity(snapshot, known)


def _left_out(snapshot: Snapshot, config: TrainConfig, record: Sequence[SettingChange]) -> dict[str, str]:
    names = left_out(config, record)
    return {name: digest for name, digest in snapshot.identity["pictures"].items() if name in names}
