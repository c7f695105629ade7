"""What the hub says of a model: its files, licence and gate; asked with a time limit, kept for when it is silent."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.pictures.sources import cache_folder
from trainer.contract.run.rundir import make_private, write_atomic

PATIENCE = 6.0  # seconds that the hub may take to answer
LONGEST = 80  # letters of a licence's name that are kept


@dataclass(frozen=True)
class HubFacts:
    """What the hub said."""

    files: dict[str, int]  # name -> bytes
    licence: str
    gated: bool


class HubSilent(Exception):
    """The hub did not say; the sentence says why."""


def ask(repo: str, patience: float = PATIENCE) -> HubFacts:
    """Ask the hub about owner/name, and keep the answer. Raises HubSilent with a sentence; never waits long."""
    from huggingface_hub import HfApi, errors

    try:
        # the library reads the address when it is first imported, which may be long ago
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
        info = api.model_info(repo, files_metadata=True, timeout=patience)
    except errors.GatedRepoError:
        raise HubSilent("it is gated, and shows nothing before its terms are accepted") from None
    except errors.RepositoryNotFoundError:
        raise HubSilent("the hub has no such model, or it is private: hf auth login") from None
    except errors.OfflineModeIsEnabled:
        raise HubSilent("HF_HUB_OFFLINE is set, so the hub was not asked") from None
    except Exception:  # whatever the network does
        raise HubSilent("the hub cannot be reached: size, licence and gate are not known") from None
    card: Any = info.card_data or {}
    name = card.get("license_name") or card.get("license") or ""
    files = {one.rfilename: int(one.size or 0) for one in info.siblings or []}
    found = HubFacts(files, str(name)[:LONGEST], bool(info.gated))
    _keep(repo, found)
    return found


def remembered(repo: str) -> HubFacts | None:
    """What the hub said the last time; None if it was never asked."""
    try:
        raw = json.loads(_note(repo).read_bytes())
        files = {str(name): int(size) for name, size in raw["files"].items()}
        return HubFacts(files, str(raw["licence"])[:LONGEST], bool(raw["gated"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(repo: str, told: HubFacts) -> None:
    try:
        make_private(_note(repo).parent)
        write_atomic(_note(repo), json.dumps({"files": told.files, "licence": told.licence, "gated": told.gated}))
    except OSError:
        return  # it is asked again the next time


def _note(repo: str) -> Path:
    return cache_folder() / "hub" / f"{hashlib.blake2b(repo.encode(), digest_size=16).hexdigest()}.json"
