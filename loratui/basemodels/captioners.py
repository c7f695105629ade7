"""What a captioner would download before its first word, and whether it can: by the table, and by the hub itself."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

from loratui.basemodels.hub import HubSilent, ask, ask_all, not_fetched, silent
from loratui.terminal.text import safe_text
from trainer.contract.basemodel.names import is_hub_id
from trainer.contract.captioning.known import KNOWN, KnownCaptioner, is_here, known, read_of
from trainer.contract.paths import expanded, is_folder
from trainer.contract.units import in_bytes

ON_DISK = "take a model that is on this disk, or the folder of one"
BY_OPTION = "take what is here: --model takes another model or a folder on this disk, --endpoint a server of yours"


@dataclass(frozen=True)
class CaptionerDownload:
    """A repository that is not on this disk; `needs`: what the captioner cannot do without."""

    repo: str
    bytes: int | None  # None where the hub did not say
    needs: str = ""

    @property
    def words(self) -> str:
        """One sentence: what, how much, and what it needs."""
        size = "of a size that the hub did not tell" if self.bytes is None else f"about {in_bytes(self.bytes)}"
        needs = f"; it needs {self.needs}" if self.needs else ""
        return f"{safe_text(self.repo, 80)} is downloaded first, {size}{needs}"

    @property
    def trouble(self) -> str:
        """Why it cannot be fetched, as the hub was last heard, and what to do; empty where it can."""
        return safe_text(not_fetched(self.repo, instead=BY_OPTION))


def hub_silence() -> str:
    """Why no captioner can be fetched now, asked anew; empty where the hub answers or every captioner is here.

    Waits for the hub, but not long: for a thread, or a command.
    """
    absent = [(one.repo, "") for one in KNOWN.values() if not one.is_here()]
    ask_all(absent, one=True)
    return next((why for one in absent if (why := silent(*one))), "")


def trouble_of(one: KnownCaptioner) -> str:
    """Why a captioner can neither be read from this disk nor fetched, and what to do; empty where it can."""
    return "" if one.is_here() else not_fetched(one.repo, instead=ON_DISK)


def download_of(model: str) -> CaptionerDownload | None:
    """What captioning by `model` (a name, a hub id or a folder) would fetch, asked of the hub; None for nothing."""
    if is_folder(expanded(model)):
        return None
    if named := known(model):
        if named.is_here():
            return None
        ask_all([(named.repo, "")])
        return CaptionerDownload(named.repo, int(named.gigabytes * 1e9), named.needs())
    return _of_hub(model) if is_hub_id(model) and not is_here(model) else None


def _of_hub(repo: str) -> CaptionerDownload:
    try:
        files = ask(repo).files
    except HubSilent:
        return CaptionerDownload(repo, None)
    read = [size for name, size in files.items() if any(fnmatch(name, one) for one in read_of(repo))]
    return CaptionerDownload(repo, sum(read))
