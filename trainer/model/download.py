"""Brings a base model from the hub onto this disk before it is loaded: only the files that are read, with progress."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trainer.contract.basemodel.hub_cache import base_files, cached_base, cached_vae, hub_cache, part_files, snapshot
from trainer.contract.basemodel.names import is_hub_id, one_file
from trainer.contract.settings.config import SMALL, TrainConfig, vae_source
from trainer.contract.units import in_bytes
from trainer.ground.error_line import first_line

Progress = Callable[[int, int], None]  # bytes done, bytes in all

PACE = 0.5  # seconds between two words of progress
WORKERS = 4  # files at a time: SDXL has four large ones
PATIENCE = 20.0  # seconds that the hub may take to say what a model consists of
SPARE = 1 << 30  # bytes that stay free: a run writes beside its model


class NotFetched(ValueError):
    """A model of the hub cannot be had; the message says why, `advice` what to do, `full` that the disk is."""

    def __init__(self, message: str, advice: list[str], full: bool = False) -> None:
        super().__init__(message)
        self.advice, self.full = advice, full


@dataclass(frozen=True)
class WantedFiles:
    """A model of the hub, and which of its files are needed."""

    repo: str
    pick: Callable[[list[str]], list[str]]
    revision: str = ""  # a commit, branch or tag; empty: main


@dataclass(frozen=True)
class Missing:
    """The files of a model that are still to be fetched."""

    repo: str
    revision: str
    names: list[str]  # of all its files that are needed, those on the disk too
    bytes: int  # of those that are not


def wanted(config: TrainConfig) -> list[WantedFiles]:
    """What of the hub's models a configuration needs and the hub's cache has not; nothing is asked of the network."""
    base, vae, revision = config.model.base, vae_source(config.model), config.model.revision
    vae_revision = config.model.vae_revision
    half = config.train.precision != "fp32"
    found = []
    if base != SMALL and is_hub_id(base) and cached_base(base, not vae, revision) is None:
        found.append(WantedFiles(base, lambda names: base_files(names, half, not vae), revision))
    if vae and is_hub_id(vae) and cached_vae(vae, vae_revision) is None:
        found.append(WantedFiles(vae, lambda names: part_files(names, "", half=False), vae_revision))
    return found


def bring(config: TrainConfig, progress: Progress) -> None:
    """Download what is missing, told in bytes at most twice a second; whole files of an earlier start are kept.

    The network is asked for nothing where all is there. The token is the hub's own business (environment or
    `hf auth login`). Raises NotFetched, and whatever `progress` raises, within one piece of a file.
    """
    models = [_look(one) for one in wanted(config)]
    if not models:
        return
    total = sum(one.bytes for one in models)
    _room(total)
    progress(0, total)
    teller = _Teller(progress, total)
    for one in models:
        _fetch(one, teller)


def _look(model: WantedFiles) -> Missing:
    from huggingface_hub import HfApi

    with _explained(model.repo):
        info = HfApi().model_info(model.repo, revision=model.revision or None, files_metadata=True, timeout=PATIENCE)
    sizes = {one.rfilename: one.size or 0 for one in info.siblings or []}
    names = model.pick(list(sizes))
    if not any(name.endswith(".safetensors") for name in names):
        what = one_file(model.repo, list(sizes))
        raise NotFetched(f"'{model.repo}' {what}", ["or choose a model in diffusers' layout"])
    there = snapshot(model.repo, model.revision)
    current = there is not None and there.name == info.sha
    absent = [name for name in names if not (current and there is not None and (there / name).is_file())]
    return Missing(model.repo, model.revision, names, sum(sizes[name] for name in absent))


def _room(needed: int) -> None:
    place = hub_cache()
    there = next(one for one in (place, *place.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    if needed and needed + SPARE > free:
        raise NotFetched(
            f"the base model needs {in_bytes(needed)} of download, and {in_bytes(free)} are free in {there}",
            ["make room there, or set HF_HOME to a folder on a larger disk"],
            full=True,
        )


def _fetch(model: Missing, teller: _Teller) -> None:
    from huggingface_hub import snapshot_download

    with _explained(model.repo):
        snapshot_download(
            model.repo,
            revision=model.revision or None,
            allow_patterns=model.names,
            max_workers=WORKERS,
            tqdm_class=_bar_class(teller),
        )
    teller.finished(model.bytes)


class _Teller:
    """Adds up what the bars say and tells it at its pace; what it raises once, it raises in every thread."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._before, self._told = 0, float("-inf")
        self._lock = threading.Lock()
        self._raised: BaseException | None = None

    def at(self, done: int) -> None:
        """So much of the present model is there."""
        with self._lock:
            if self._raised is not None:
                raise self._raised
            if time.monotonic() - self._told < PACE:
                return
            self._tell(self._before + done)

    def finished(self, size: int) -> None:
        """A whole model is there."""
        with self._lock:
            self._before += size
            self._tell(self._before)

    def _tell(self, done: int) -> None:
        self._told = time.monotonic()
        try:
            self._progress(min(done, self._total), self._total)
        except BaseException as error:
            self._raised = error
            raise


def _bar_class(teller: _Teller) -> Any:
    """A progress bar that draws nothing; the hub has one for bytes received and one for bytes written."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *values: Any, **options: Any) -> None:
            super().__init__(*values, **{**options, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            drawn = super().update(n)
            if self.unit == "B":
                teller.at(int(self.n))
            return drawn

    return Bar


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Turns what the hub's library raises into NotFetched."""
    try:
        yield
    except Exception as error:
        if (said := explain(error, repo)) is None:
            raise
        raise said from None


def explain(error: Exception, repo: str) -> NotFetched | None:
    """What an error of the hub's library means for a person; None for one that is not the hub's."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{repo}"
    match error:
        case errors.GatedRepoError():
            return NotFetched(
                f"'{repo}' is gated: its owner wants the terms accepted by each person",
                [f"accept them on {page}, then log in here: hf auth login", "or choose a model without a gate"],
            )
        case errors.RevisionNotFoundError():
            return NotFetched(
                f"'{repo}' has no revision as the settings name it",
                [
                    f"look at the commits on {page}, and correct model.revision, or of the VAE model.vae_revision; "
                    "empty is the newest"
                ],
            )
        case errors.RepositoryNotFoundError():
            return NotFetched(
                f"the hub has no model '{repo}', or it is private and you are not logged in",
                ["look at the spelling of model.base", "for a private one: hf auth login"],
            )
        case errors.OfflineModeIsEnabled():
            return NotFetched(
                f"'{repo}' is not completely on this disk, and HF_HUB_OFFLINE forbids fetching it",
                ["unset HF_HUB_OFFLINE, or give the path of a folder or a .safetensors file"],
            )
        case errors.HFValidationError():
            return NotFetched(f"'{repo}' cannot be a model of the hub: {first_line(error)}", ["correct model.base"])
        case errors.LocalEntryNotFoundError() | ConnectionError():
            return _unreachable(repo)
        case OSError(errno=28 | 122):  # ENOSPC, EDQUOT
            return NotFetched(
                f"the disk is full: '{repo}' did not fit into {hub_cache()}",
                ["free some space, or set HF_HOME to a folder on a larger disk; whole files are kept"],
                full=True,
            )
        case errors.HfHubHTTPError():
            code = error.response.status_code
            if code in (401, 403):
                return NotFetched(f"the hub refuses '{repo}' to your login ({code})", ["log in again: hf auth login"])
            return NotFetched(
                f"the hub answered {code} for '{repo}': {first_line(error, 160)}",
                ["start it again in a few minutes: whole files are kept"],
            )
        case _:
            # httpx's own errors, under whichever name the hub's library has it: cut off, timed out, no such host
            return _unreachable(repo) if type(error).__module__.startswith("httpx") else None


def _unreachable(repo: str) -> NotFetched:
    return NotFetched(
        f"'{repo}' is not completely on this disk, and the hub cannot be reached",
        [
            "start it again once the network is back: whole files are kept",
            "or give the path of a folder or a .safetensors file that is here",
        ],
    )
