"""What a base model is and where: on this disk or on the hub, how large, under which licence, behind a gate or not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from loratui.basemodels.hub import HubFacts, ask_all, not_fetched, refused, remembered, was_asked
from trainer.contract.basemodel.families import pipeline_kind
from trainer.contract.basemodel.folder import PARTS
from trainer.contract.basemodel.headers import BadHeader, read_header
from trainer.contract.basemodel.hub_cache import (
    base_files,
    cached_base,
    cached_vae,
    hub_cache,
    lacking,
    part_files,
    repo_folder,
    snapshot,
)
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base, small_model
from trainer.contract.basemodel.loss import Loss
from trainer.contract.basemodel.names import is_hub_id, one_file
from trainer.contract.documents.files import read_json
from trainer.contract.paths import can_see, expanded, is_file, is_folder
from trainer.contract.plan.model_shape import SDXL_PARAMETERS
from trainer.contract.settings.config import SMALL, vae_source
from trainer.contract.settings.model import SDXL, Model

SPARE = 1 << 30  # bytes that the trainer wants free beside a download (trainer/model/download.py)
Kind = Literal["shipped", "hub", "folder", "file", "nothing"]
LICENCE = re.compile(r"^license(?:_name)?:\s*['\"]?([^\s'\"#][^'\"\n#]*)", re.MULTILINE)
LICENCES = 2000  # characters of a model card that are searched for its licence


@dataclass(frozen=True)
class BaseModelNeed:
    """What a run reads of its base model, as its settings say."""

    vae: str = "auto"  # as model.vae has it
    half: bool = True
    revision: str = ""  # as model.revision has it
    vae_revision: str = ""  # as model.vae_revision has it

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> BaseModelNeed:
        """That of settings by their dotted keys."""
        half = values["train.precision"] != "fp32"
        return cls(
            str(values["model.vae"]),
            half,
            str(values["model.revision"]),
            str(values["model.vae_revision"]),
        )

    def vae_of(self, base: str) -> str:
        """The VAE in place of that of `base`; empty: its own."""
        return vae_source(Model(base=base or SMALL, vae=self.vae or "auto"))


@dataclass(frozen=True)
class BaseModelFacts:
    """All that can be said of a model without loading it. Its texts are others': never trusted."""

    value: str  # as model.base has it
    kind: Kind
    here: bool = False  # whole, on this disk
    place: Path | None = None
    size: int = 0  # bytes on this disk
    download: int = 0  # bytes that are still to be fetched
    counted: bool = True  # as the hub lists them, not reckoned from SDXL's size
    begun: bool = False  # some of it is on this disk
    licence: str = ""
    gated: bool | None = None  # None: not asked
    trouble: str = ""  # why it cannot be trained on; empty if it can
    loss: Loss | None = None  # what of it decides the loss; None where nobody knows yet
    commit: str = ""  # of the hub: the one that a start would use; empty where nobody knows yet


def look(value: str, need: BaseModelNeed) -> BaseModelFacts:
    """Look at a base model on this disk, and at what the hub said of it before. Never asks the network."""
    found = _look(value, need)
    try:
        return replace(found, loss=inspect_base(value, need.revision).loss)
    except NotSDXL as error:
        return replace(found, here=False, trouble=str(error))


def look_vae(base: str, need: BaseModelNeed) -> BaseModelFacts | None:
    """The VAE that stands in for that of `base`, if it is one of the hub."""
    vae = need.vae_of(base)
    if not vae or not is_hub_id(vae):
        return None
    return _of_hub(
        vae,
        cached_vae(vae, need.vae_revision),
        lambda names: part_files(names, "", half=False),
        SDXL_PARAMETERS["vae"] * 4,  # its owner has it in fp32 only
        need.vae_revision,
    )


def ask_missing(values: Mapping[str, Any], again: bool = False) -> bool:
    """Ask the hub about the base model and VAE of these settings, if they would be downloaded: once a process.

    What it said another day is known, but not whether it can be reached now. `again`: also where this process has
    asked before. Returns whether more is known now. Waits for the hub, but not long: for a thread, or a command.
    """
    base, need = str(values["model.base"]), BaseModelNeed.of(values)
    found = [one for one in (look(base, need), look_vae(base, need)) if one is not None]
    wanted = []
    for one in found:
        revision = need.revision if one.value == base else need.vae_revision
        new = again or not was_asked(one.value, revision)
        if one.kind == "hub" and not one.here and new and (again or not one.trouble):
            wanted.append((one.value, revision))
    return ask_all(wanted)


def _look(value: str, need: BaseModelNeed) -> BaseModelFacts:
    path = expanded(value)
    if value == SMALL:
        return BaseModelFacts(
            value, "shipped", True, small_model(), _size(small_model()), licence="Apache-2.0", gated=False
        )
    if is_folder(path):
        return BaseModelFacts(
            value, "folder", True, path, _size(path), licence=_licence(path / "README.md"), gated=False
        )
    if is_file(path):
        return BaseModelFacts(value, "file", True, path, path.stat().st_size, licence=_of_file(path), gated=False)
    if not is_hub_id(value):
        return BaseModelFacts(value, "nothing")
    own_vae = not need.vae_of(value)
    parts = [one for one in SDXL_PARAMETERS if one != "vae" or own_vae]
    return _of_hub(
        value,
        cached_base(value, own_vae, need.revision),
        lambda names: base_files(names, need.half, own_vae),
        sum(SDXL_PARAMETERS[one] * (2 if need.half and one != "vae" else 4) for one in parts),
        need.revision,
    )


def _of_hub(
    repo: str, whole: Path | None, pick: Callable[[list[str]], list[str]], about: int, revision: str = ""
) -> BaseModelFacts:
    told, there = remembered(repo, revision), snapshot(repo, revision)
    if whole is not None:
        card = _licence(whole / "README.md") or (told.licence if told else "")
        gated = told.gated if told else None
        return BaseModelFacts(repo, "hub", True, whole, _size(whole), licence=card, gated=gated, commit=whole.name)
    begun = there is not None and any(is_file(one) for one in there.rglob("*.safetensors"))
    found = BaseModelFacts(repo, "hub", False, there, 0, about, counted=False, begun=begun)
    if refused(repo, revision):
        return replace(found, trouble=not_fetched(repo, revision))
    return found if told is None else with_hub_facts(found, told, pick)


def with_hub_facts(known: BaseModelFacts, told: HubFacts, pick: Callable[[list[str]], list[str]]) -> BaseModelFacts:
    """What the hub said, put to what is known: bytes still to be fetched, licence, gate."""
    names = pick(list(told.files))
    found = replace(known, licence=told.licence, gated=told.gated, commit=told.commit)
    if not any(name.endswith(".safetensors") for name in names):
        return replace(found, download=0, trouble=f"'{known.value}' {one_file(known.value, list(told.files))}")
    absent = [name for name in names if known.place is None or not is_file(known.place / name)]
    return replace(found, download=sum(told.files[name] for name in absent), counted=True)


def free_for_models() -> int:
    """Free bytes on the disk of the hub's cache."""
    there = next(one for one in (hub_cache(), *hub_cache().absolute().parents) if can_see(one))
    return shutil.disk_usage(there).free


def cached_models() -> Iterator[tuple[str, bool]]:
    """The SDXL models in the hub's cache, by name, and whether each is whole."""
    try:
        folders = sorted(one.name for one in hub_cache().iterdir() if one.name.startswith("models--"))
    except OSError:
        return
    for name in folders:
        owner, _, model = name.removeprefix("models--").partition("--")
        repo = f"{owner}/{model}"
        there = snapshot(repo)
        if there is None or repo_folder(repo).name != name:
            continue
        family = (read_json(there / "model_index.json", dict).value or {}).get("_class_name")
        if family is None:
            continue
        if not pipeline_kind(str(family)):
            yield repo, not lacking(there, with_vae=repo != SDXL)


def _size(folder: Path) -> int:
    """Bytes of the parts of a model in diffusers' layout, or of a part by itself; of nothing else that lies there."""
    parts = [folder / one for one in PARTS if is_folder(folder / one)]
    return sum(one.stat().st_size for place in parts or [folder] for one in place.glob("*") if is_file(one))


def _licence(card: Path) -> str:
    """The licence in the front matter of a model card; empty if there is none."""
    try:
        with card.open("rb") as file:
            text = file.read(LICENCES).decode("utf-8", "replace")
    except OSError:
        return ""
    if not text.startswith("---"):
        return ""
    found = LICENCE.findall(text[3:].partition("\n---")[0])
    return next((one.strip() for one in reversed(found)), "")


def _of_file(path: Path) -> str:
    try:
        return read_header(path).words.get("modelspec.license", "")
    except BadHeader:
        return ""
