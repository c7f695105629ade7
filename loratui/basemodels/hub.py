"""What the hub says of a model: its files, licence and gate; asked with a time limit, kept for when it is silent."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.run.rundir import cache_folder

PATIENCE = 6.0  # seconds that the hub may take to answer
LONGEST = 80  # letters of a licence's name that are kept
_refused: dict[tuple[str, str], str] = {}  # repository and revision -> why
_silent: dict[tuple[str, str], str] = {}  # of those that the hub did not answer about when it was last asked
_asked: set[tuple[str, str]] = set()  # by this process


@dataclass(frozen=True)
class HubFacts:
    """What the hub said."""

    files: dict[str, int]  # name -> bytes
    licence: str
    gated: bool
    commit: str = ""  # the one that these files are of


class HubSilent(Exception):
    """The hub did not say; the sentence says why."""


class HubRefusal(HubSilent):
    """The hub said no: a run would get the same answer."""


def ask(repo: str, patience: float = PATIENCE, revision: str = "") -> HubFacts:
    """Ask the hub about a revision of owner/name ("": main), and keep the answer.

    Raises HubSilent with a sentence, HubRefusal where it is a no; never waits long.
    """
    _refused.pop((repo, revision), None)
    _silent.pop((repo, revision), None)
    _asked.add((repo, revision))
    try:
        return _ask(repo, patience, revision)
    except HubRefusal as error:
        _refused[repo, revision] = str(error)
        raise
    except HubSilent as error:
        _silent[repo, revision] = str(error)
        raise


def ask_all(wanted: Sequence[tuple[str, str]], one: bool = False) -> bool:
    """Ask about each repository and revision until the hub is silent; returns whether more is known now.

    The rest would wait as long for the same silence, and count as silent too. `one`: an answer about the first is
    enough, which tells whether the hub can be reached.
    """
    learnt = False
    for asked in wanted:
        _silent.pop(asked, None)
    for place, (repo, revision) in enumerate(wanted):
        try:
            ask(repo, revision=revision)
        except HubRefusal:
            if one:
                return learnt
            continue  # it is remembered as long as this process lives, and said with the model
        except HubSilent as error:
            _silent.update(dict.fromkeys(wanted[place:], str(error)))
            return True
        learnt = True
        if one:
            break
    return learnt


def not_fetched(repo: str, revision: str = "", instead: str = "") -> str:
    """Why a repository that is not wholly on this disk cannot be fetched, as this process last heard.

    Empty where it can, as far as is known. It is the one judge of that: of base models, VAEs and captioners. With
    `instead`, what one can take in its place, it says what to do too.
    """
    if no := refused(repo, revision):
        return f"'{repo}': {no}{f'; or {instead}' if instead else ''}"
    if why := silent(repo, revision):
        do = f"; {to_be_heard(why)} and try again, or {instead}" if instead else ""
        return f"'{repo}' is not completely on this disk, and {why}{do}"
    return ""


def to_be_heard(why: str) -> str:
    """What brings the hub back, by `silent`'s words."""
    return "unset HF_HUB_OFFLINE" if "HF_HUB_OFFLINE" in why else "connect this machine to the internet"


def refused(repo: str, revision: str = "") -> str:
    """Why the hub said no when it was last asked by this process; empty if it did not."""
    return _refused.get((repo, revision), "")


def silent(repo: str, revision: str = "") -> str:
    """Why the hub did not answer when it was last asked by this process; empty if it did, or was not asked."""
    return _silent.get((repo, revision), "").partition(":")[0]  # what is not known for that is said elsewhere


def was_asked(repo: str, revision: str = "") -> bool:
    """Whether this process has asked about it."""
    return (repo, revision) in _asked


def _ask(repo: str, patience: float, revision: str) -> HubFacts:
    from huggingface_hub import HfApi, errors

    try:
        # the library reads the address when it is first imported, which may be long ago
        api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
        info = api.model_info(repo, revision=revision or None, files_metadata=True, timeout=patience)
    except errors.GatedRepoError:
        raise HubRefusal("it is gated, and shows nothing before its terms are accepted") from None
    except errors.RevisionNotFoundError:
        raise HubRefusal("it has no revision as the settings name it (model.revision, model.vae_revision)") from None
    except errors.RepositoryNotFoundError:
        raise HubRefusal("the hub has no such model, or it is private: hf auth login") from None
    except errors.OfflineModeIsEnabled:
        raise HubSilent("HF_HUB_OFFLINE is set, so the hub was not asked") from None
    except Exception:  # whatever the network does
        raise HubSilent("the hub cannot be reached: size, licence and gate are not known") from None
    card: Any = info.card_data or {}
    name = card.get("license_name") or card.get("license") or ""
    files = {one.rfilename: int(one.size or 0) for one in info.siblings or []}
    found = HubFacts(files, str(name)[:LONGEST], bool(info.gated), str(info.sha or ""))
    _keep(repo, found, revision)
    return found


def remembered(repo: str, revision: str = "") -> HubFacts | None:
    """What the hub said the last time; None if it was never asked."""
    raw = read_json(_note(repo, revision), dict).value or {}
    files = raw.get("files")
    if not isinstance(files, dict) or not all(isinstance(size, int) for size in files.values()):
        return None
    told = (str(raw.get("licence", ""))[:LONGEST], bool(raw.get("gated")), str(raw.get("commit", "")))
    return HubFacts(files, *told)


def _keep(repo: str, told: HubFacts, revision: str = "") -> None:
    try:
        make_private(_note(repo, revision).parent)
        write_atomic(_note(repo, revision), json.dumps(asdict(told)))
    except OSError:
        return  # it is asked again the next time


def _note(repo: str, revision: str) -> Path:
    name = f"{repo}@{revision}" if revision else repo
    return cache_folder() / "hub" / f"{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}.json"
