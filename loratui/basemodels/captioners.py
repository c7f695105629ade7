"""What a captioner would download before its first word: from the table of known ones, else from the hub itself."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

from loratui.basemodels.hub import HubSilent, ask
from loratui.terminal.text import safe_text
from trainer.contract.basemodel.names import is_hub_id
from trainer.contract.captioning.known import is_here, known, read_of
from trainer.contract.paths import expanded, is_folder
from trainer.contract.units import in_bytes


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


def download_of(model: str) -> CaptionerDownload | None:
    """What captioning by `model` (a name, a hub id or a folder) would fetch; None for nothing."""
    if is_folder(expanded(model)):
        return None
    if named := known(model):
        return None if named.is_here() else CaptionerDownload(named.repo, int(named.gigabytes * 1e9), named.needs())
    return _of_hub(model) if is_hub_id(model) and not is_here(model) else None


def _of_hub(repo: str) -> CaptionerDownload:
    try:
        files = ask(repo).files
    except HubSilent:
        return CaptionerDownload(repo, None)
    read = [size for name, size in files.items() if any(fnmatch(name, one) for one in read_of(repo))]
    return CaptionerDownload(repo, sum(read))
