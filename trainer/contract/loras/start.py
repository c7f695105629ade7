"""A run that begins from a LoRA: where its files lie, which settings they decide, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.basemodel.layers import ATTENTION, lora_paths
from trainer.contract.basemodel.tensors import wanted_tensors
from trainer.contract.basemodel.unet_names import unet_of, within
from trainer.contract.loras.lora_file import FileRows, LoraFile, NotALora, OtherKind, read_lora, rows_of
from trainer.contract.paths import expanded, is_file, is_folder
from trainer.contract.run.exports import DIFFUSERS, OLD_DIFFUSERS
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY, TrainConfig
from trainer.contract.settings.model import Model
from trainer.contract.settings.triggers import file_word, split_triggers
from trainer.contract.units import plural

KEY = "train.start_from"
EMBEDDINGS = "emb.safetensors"  # how files of embeddings end, ours and those of diffusers' script
LEFT_ASIDE = ("_bundle", "_content", "_style")  # beside a whole LoRA: the same again, or a part of it
MOST = 200  # files of a folder that are looked at


class NoStart(ValueError):
    """What `train.start_from` names is nothing that a run can begin from; `str()` is a sentence."""


@dataclass(frozen=True)
class Start:
    """What a run begins from."""

    lora: LoraFile
    rows: Mapping[str, FileRows]  # by trigger; a trigger without any begins as a new one does
    spare: tuple[str, ...]  # names of embeddings that belong to no trigger

    @property
    def targets(self) -> str:
        """Which layers it changes, as `train.targets` calls them."""
        own = tuple(f".{one}" for one in ATTENTION)
        return "attention" if all(path.endswith(own) for path in self.lora.unet) else "all-linear"

    @property
    def axis(self) -> str:
        """Of its DoRA; empty where it is a plain LoRA."""
        return next((one.axis for one in self.lora.unet.values() if one.axis), "")


def find_start(place: str, model: Model, trigger: str) -> Start:
    """The LoRA and the embeddings that `place` means: a file, a folder with them, or a run. Raises NoStart."""
    try:
        unet = unet_of(model)
    except NotSDXL as error:
        raise NoStart(f"the base model is not known: {error}") from None
    if unet is None:
        raise NoStart("the layers of the base model are not known before it is downloaded: choose one of this disk")
    path = _lora_path(expanded(place), unet)
    try:
        lora = read_lora(path, unet)
    except NotALora as error:
        raise NoStart(f"'{path.name}': {error}") from None
    rows, spare = _rows(lora, split_triggers(trigger))
    return Start(lora, rows, spare)


def start_values(place: str, model: Model, trigger: str) -> dict[str, Any]:
    """What a start decides where nobody chose otherwise: rank, alpha, targets, blocks, DoRA, tokens; by dotted key.

    Nothing for a place that cannot be begun from: `start_refusals` says why.
    """
    try:
        start = find_start(place, model, trigger)
    except NoStart:
        return {}
    layers = start.lora.unet or start.lora.text
    scales = {one.scale for one in layers.values()}
    values: dict[str, Any] = {"train.rank": start.lora.rank, "train.targets": start.targets}
    values["train.alpha"] = start.lora.rank * scales.pop() if len(scales) == 1 else 0.0
    if values["train.alpha"] == values["train.rank"]:
        values["train.alpha"] = 0.0  # as it is written where it is the rank
    values["train.blocks"] = _blocks(start, model)
    values["train.dora"] = bool(start.axis)
    if start.axis:
        values["train.dora_axis"] = start.axis
    if start.rows:
        counts = {word: one.count for word, one in start.rows.items()}
        values["pivotal.tokens"] = max(counts.values())
        if len({*counts.values()}) > 1:
            values["pivotal.tokens_each"] = "; ".join(f"{word} = {count}" for word, count in counts.items())
    return values


def decided_by_start(values: Mapping[str, Any]) -> dict[str, Any]:
    """`start_values` of settings by dotted key, as a person and a preset have them; empty where they begin anew."""
    place = str(values.get(KEY) or "")
    if not place:
        return {}
    told = {name: values.get(f"model.{name}", BY_KEY[f"model.{name}"].default) for name in ("base", "revision")}
    beside = (one.get("trigger", "") for one in values.get("concepts", ()))
    trigger = ",".join(filter(None, (str(values.get("dataset.trigger", BY_KEY["dataset.trigger"].default)), *beside)))
    return start_values(place, Model.model_construct(**told), trigger)


def start_refusals(config: TrainConfig) -> list[str]:
    """Why a new run cannot begin from what it names, a sentence each; nothing where it begins from nothing."""
    place = config.train.start_from
    if not place:
        return []
    try:
        start = find_start(place, config.model, config.every_trigger)
    except NoStart as error:
        return [f"{KEY}: {error}"]
    found = [f"{KEY}: {one}" for one in other_sizes(start.lora, config.model)]
    rank = config.train.rank
    if start.lora.rank > rank:
        found.append(f"train.rank is {rank}, but the LoRA has {start.lora.rank}: set it to that or more")
    if start.axis and not config.train.dora:
        found.append(f"train.dora is off, but the LoRA is a DoRA: set it to on, and train.dora_axis to {start.axis}")
    elif start.axis and start.axis != config.train.dora_axis:
        found.append(f"train.dora_axis is {config.train.dora_axis}, but the lengths of the LoRA lie along {start.axis}")
    have = {word: one.count for word, one in start.rows.items()}
    wrong = {word: count for word, count in have.items() if config.token_counts.get(word, count) != count}
    if wrong:
        each = "; ".join(f"{word} = {count}" for word, count in wrong.items())
        said = " and ".join(str(one) for one in sorted(set(wrong.values())))
        more = f": set pivotal.tokens_each to '{each}'" if len(config.triggers) > 1 else ""
        found.append(f"pivotal.tokens is {config.pivotal.tokens}, but the embeddings have {said}{more}")
    return found


def start_notes(config: TrainConfig) -> list[str]:
    """What a run leaves of its start, and what begins anew beside it, as sentences."""
    if not config.train.start_from:
        return []
    try:
        start = find_start(config.train.start_from, config.model, config.every_trigger)
    except NoStart:
        return []  # said as an error elsewhere
    wanted, lora = set(_trained(config)), start.lora
    found = []
    if aside := [*lora.passed, *(path for path in lora.unet if path not in wanted)]:
        found.append(f"{plural(len(aside), 'layer')} that this run does not train, such as {aside[0]}: not taken over")
    if lora.text and not config.text_encoder_lora.enabled:
        found.append(
            f"{plural(len(lora.text), 'layer')} on the text encoders: text_encoder_lora.enabled takes them over"
        )
    if new := len(wanted - set(lora.unet)):
        found.append(f"no LoRA on {new} of the {plural(len(wanted), 'layer')} that this run trains: these begin anew")
    if start.rows and not config.pivotal.enabled:
        found.append("embeddings, which need pivotal tuning: not taken over")
    if start.spare:
        found.append(f"embeddings that belong to none of the triggers ({', '.join(start.spare)}): not taken over")
    if config.pivotal.enabled and not start.rows:
        found.append("no embeddings for the trigger: its new tokens begin as usual")
    return [f"{KEY}: '{lora.path.name}' has {one}" for one in found]


def _trained(config: TrainConfig) -> list[str]:
    """The unet's layers that the run trains."""
    unet = unet_of(config.model)
    paths = lora_paths(unet, config.train.targets) if unet else []
    blocks = config.train.blocks
    return [one for one in paths if not blocks or any(within(one, block) for block in blocks)]


def other_sizes(lora: LoraFile, model: Model) -> list[str]:
    """Sizes in a file that are not those of the base model, as sentences."""
    unet = unet_of(model)
    wanted = (wanted_tensors("unet", unet) if unet else None) or {}
    for path, one in lora.unet.items():
        shape = wanted.get(f"{path}.weight")
        if shape is not None and shape != (one.outputs, one.inputs):
            sizes = f"{one.inputs} to {one.outputs} in place of {shape[1]} to {shape[0]}"
            return [f"'{lora.path.name}' was made for another base model: {path} goes from {sizes}"]
    return []


def every_rows(lora: LoraFile) -> dict[str, FileRows]:
    """The embeddings that belong to a LoRA whose triggers nobody knows, by their names: bundled, or called as it is.

    Beside diffusers' file, which has no name of its own, they are all that lie there.
    """
    stem, beside = lora.path.stem.removesuffix("_bundle"), _beside(lora.path)
    if lora.path.name != OLD_DIFFUSERS:
        beside = {name: one for name, one in beside.items() if name.startswith(f"{stem}_")}
    return {**beside, **lora.rows}


def _lora_path(path: Path, unet: dict[str, Any]) -> Path:
    if is_file(path):
        return path
    if not is_folder(path):
        raise NoStart(f"'{path.name}' is not there: name a LoRA, a folder with one, or a run's folder")
    run = RunDir(path)
    if is_file(run.config):
        if not is_folder(run.export):
            raise NoStart(f"the run '{path.name}' has no files yet: 'loratui export' writes them")
        path = run.export
    found = _whole(path, unet)
    if not found:
        raise NoStart(_other_kind(path, unet) or f"there is no LoRA in '{path.name}'")
    if len(found) > 1:
        names = ", ".join(one.name for one in found[:4])
        raise NoStart(f"'{path.name}' has {len(found)} LoRAs ({names}): name one of them")
    return found[0]


def _whole(folder: Path, unet: dict[str, Any]) -> list[Path]:
    """The LoRAs of a folder; the one of diffusers only where there is no other, for it holds the same."""
    files = sorted(one for one in folder.glob("*.safetensors") if is_file(one))[:MOST]
    found = [one for one in files if _is_lora(one, unet)]
    own = [one for one in found if one.name != OLD_DIFFUSERS]
    again = {f"{one.stem}{end}" for one in own for end in LEFT_ASIDE}
    whole = [one for one in own if one.stem not in again]
    if whole:
        return whole
    inner = folder / DIFFUSERS
    return found or ([inner] if is_file(inner) and _is_lora(inner, unet) else [])


def _other_kind(folder: Path, unet: dict[str, Any]) -> str:
    """What a folder without a LoRA has in its place, as a sentence; empty where it has nothing of that."""
    for one in sorted(folder.glob("*.safetensors"))[:MOST]:
        try:
            if is_file(one):
                read_lora(one, unet)
        except OtherKind as error:
            return f"'{one.name}': {error}"
        except NotALora:
            continue
    return ""


def _is_lora(path: Path, unet: dict[str, Any]) -> bool:
    try:
        return bool(read_lora(path, unet).layers)
    except NotALora:
        return False


def _rows(lora: LoraFile, triggers: tuple[str, ...]) -> tuple[dict[str, FileRows], tuple[str, ...]]:
    """The embeddings beside the LoRA (or bundled in it) by trigger, and the names of those that are left."""
    there = {**_beside(lora.path), **lora.rows}
    stem, found = lora.path.stem.removesuffix("_bundle"), {}
    for word in triggers:
        names = [f"{stem}_{file_word(word)}_emb", f"{file_word(word)}_emb", file_word(word)]
        if name := next((one for one in names if one in there), None):
            found[word] = there.pop(name)
    if not found and len(triggers) == 1 and (own := _only(there, stem)):
        found[triggers[0]] = there.pop(own)
    return found, tuple(sorted(there))


def _only(there: Mapping[str, FileRows], stem: str) -> str | None:
    """The embeddings of a LoRA with one identifier: of its own name, or the only ones."""
    return f"{stem}_emb" if f"{stem}_emb" in there else next(iter(there)) if len(there) == 1 else None


def _beside(lora: Path) -> dict[str, FileRows]:
    """Files of embeddings in the LoRA's folder, and above a folder for diffusers; by name without ending."""
    folders = [lora.parent, *([lora.parent.parent] if lora.name == OLD_DIFFUSERS else [])]
    files = [one for folder in folders for one in sorted(folder.glob(f"*{EMBEDDINGS}"))[:MOST] if is_file(one)]
    return {one.stem: rows for one in files if (rows := rows_of(one)) is not None}


def _blocks(start: Start, model: Model) -> tuple[str, ...]:
    """The blocks that it changes, where they are not all of them."""
    unet = unet_of(model)
    every = {_block(one) for one in lora_paths(unet, "attention")} if unet else set()
    own = {_block(one) for one in start.lora.unet}
    return () if own >= every else tuple(sorted(own))


def _block(path: str) -> str:
    place, _, rest = path.partition(".attentions.")
    return f"{place}.attentions.{rest.partition('.')[0]}"
