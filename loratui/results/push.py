"""Sends a parcel to the hub: private unless asked otherwise, with HF_TOKEN or the hub's own login, and no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loratui.errors import Refusal
from loratui.results.parcel import Parcel, card_for
from loratui.terminal.text import safe_text
from trainer.contract.run import exits
from trainer.contract.run.exports import CARD

Tell = Callable[[int, int, str], None]  # bytes done, bytes in all, what is going on
NO_LOGIN = "not logged in to the hub: 'hf auth login', or set HF_TOKEN; a token with the right to write is needed"
OFFLINE = "the hub cannot be reached; look at the network (and at HF_HUB_OFFLINE), then push again"


def push(parcel: Parcel, repository: str, public: bool, update: bool, tell: Tell) -> str:
    """Make the repository, send the files, and return the link. Nothing but the parcel's files is read.

    `update`: the repository may be there already; files of the same names are replaced in one commit. Raises Refusal.
    """
    if parcel.problems:
        raise Refusal(list(parcel.problems))
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    token = get_token()
    if token is None:
        raise Refusal(NO_LOGIN)
    # the library reads the address when it is first imported, which may be long ago
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token, library_name="loratui")
    tell(0, parcel.size, "making the repository")
    with _told(repository, token):
        made = _repository(api, repository, public, update)
    try:
        operations, done = [], 0
        for one in parcel.files:
            tell(done, parcel.size, one.name)
            with _told(made, token):
                data = card_for(one.path, made) if one.name == CARD else str(one.path)
                operation = CommitOperationAdd(path_in_repo=one.name, path_or_fileobj=data)
                api.preupload_lfs_files(made, additions=[operation])
            operations.append(operation)
            done += one.size
        tell(done, parcel.size, "the commit")
        with _told(made, token):
            found = api.create_commit(made, operations=operations, commit_message="LoRA trained with loratui")
    except Refusal as refusal:
        left = f"the repository {safe_text(made)} is there, without these files; push again with --update"
        raise Refusal([*refusal.messages, left], refusal.code) from None
    return safe_text(found.repo_url if found.repo_url else f"{api.endpoint}/{made}")


def _repository(api: Any, repository: str, public: bool, update: bool) -> str:
    """The full name of a repository that is new, or ours to update."""
    from huggingface_hub import errors

    try:
        return str(api.create_repo(repository, repo_type="model", private=not public, exist_ok=False).repo_id)
    except errors.HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 409:
            raise
    if not update:
        shown = safe_text(repository)
        raise Refusal(f"{shown} is on the hub already: choose another --repo, or replace its files with --update")
    full = repository if "/" in repository else f"{api.whoami()['name']}/{repository}"
    if not public and not api.repo_info(full, repo_type="model").private:
        raise Refusal(f"{safe_text(full)} is public on the hub: say so with --public, or make it private there first")
    return full


@contextmanager
def _told(repository: str, token: str) -> Iterator[None]:
    """Turns what the hub and the network answer into sentences, none of which holds the token."""
    from huggingface_hub import errors

    shown = safe_text(repository)
    try:
        yield
    except Refusal:
        raise
    except errors.GatedRepoError:
        raise Refusal(f"{shown} is gated: its terms have to be accepted on its page of the hub first") from None
    except errors.OfflineModeIsEnabled:
        raise Refusal(OFFLINE) from None
    except errors.HfHubHTTPError as error:
        raise Refusal(_sentence(error, shown, token)) from None
    except KeyboardInterrupt:
        raise Refusal("stopped; nothing was committed", exits.STOPPED) from None
    except Exception as error:  # whatever the network and its libraries raise
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore"):
            raise Refusal(f"{OFFLINE} ({type(error).__name__})") from None
        raise Refusal(f"the upload failed: {_clean(error, token)}") from None


def _sentence(error: Any, shown: str, token: str) -> str:
    code = error.response.status_code if error.response is not None else 0
    where = "HF_TOKEN" if os.environ.get("HF_TOKEN") else "the hub's login"
    match code:
        case 401:
            return f"the hub does not accept the token of {where}: it is wrong or expired; 'hf auth login' again"
        case 403:
            return f"the token of {where} may not write to {shown}: take one with the right to write, or another --repo"
        case 404:
            return f"the hub has no place for {shown}: is the owner's name right?"
        case 413 | 507:
            return f"the hub has no room for {shown}: {_clean(error, token)}"
        case 429:
            return "the hub asks you to wait: too many requests; push again in a few minutes"
    return f"the hub answered {code or 'nothing'}: {_clean(error, token)}"


def _clean(error: Any, token: str) -> str:
    words = str(getattr(error, "server_message", None) or error).replace(token, "***")
    return safe_text(words.splitlines()[0] if words else type(error).__name__, 200)
