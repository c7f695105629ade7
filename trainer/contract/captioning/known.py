"""The captioners that have a name: where each comes from, how much of it is fetched, what it needs; torch is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainer.contract.basemodel.hub_cache import repo_folder
from trainer.contract.documents.files import read_json
from trainer.contract.paths import is_file
from trainer.contract.settings.kinds import CHUNK
from trainer.contract.units import in_bytes

MOST = CHUNK  # of 77; the first and the last are the model's own
AUTO = "auto"
READ = ("*.json", "*.txt", "*.jinja", "*.safetensors")  # of a hub repository: no pickle and no .py is ever fetched
TAGS, ONNX = "selected_tags.csv", "model.onnx"
TAGGER_READ = (TAGS, ONNX)
INDEX = "model.safetensors.index.json"
_TAGGER = re.compile(r"/wd-[\w.-]*tagger")  # how the taggers of that family are called on the hub
SPARE = 1.25  # memory over the size of the weights: pictures, cache and what CUDA itself takes; inferred, not measured


@dataclass(frozen=True)
class KnownCaptioner:
    """A captioner by its name. `revision`: the commit that holds safetensors; `extra`: of loratui, that it needs."""

    name: str
    repo: str
    gigabytes: float  # of the files that are read, as the hub lists them
    how: str
    gpu: bool = False  # too slow on a CPU to be proposed there
    revision: str | None = None
    extra: str = ""

    @property
    def memory(self) -> int:
        """Bytes of GPU memory that should be free for it, with its weights in 16 bits."""
        return int(self.gigabytes * 1e9 * SPARE)

    @property
    def read(self) -> tuple[str, ...]:
        """The files of its repository that are fetched."""
        return read_of(self.repo)

    def is_here(self) -> bool:
        """Whether all its weights lie in the hub's cache."""
        return is_here(self.repo)

    def where(self) -> str:
        """Whether it is here, or what would be fetched, in words."""
        if self.is_here():
            return "on this disk"
        return f"{in_bytes(self.gigabytes * 1e9)} to download"

    def needs(self) -> str:
        """What it cannot do without, in words; empty where any machine does."""
        if self.extra:
            return f"pip install 'loratui[{self.extra}]'"
        return f"a GPU with {in_bytes(self.memory)} free" if self.gpu else ""


KNOWN = {  # in the order in which they are offered
    one.name: one
    for one in (
        KnownCaptioner("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", 8.9, "follows instructions, best of these", True),
        KnownCaptioner("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", 4.3, "the same at half the size", True),
        KnownCaptioner("wd-tagger", "SmilingWolf/wd-swinv2-tagger-v3", 0.5, "tags, for drawn pictures", extra="tagger"),
        KnownCaptioner("joycaption", "fancyfeast/llama-joycaption-beta-one-hf-llava", 17.0, "wordy, uncensored", True),
        KnownCaptioner("florence-2", "florence-community/Florence-2-base", 0.5, "a sentence or two, on a CPU too"),
        # main holds pickles only; this commit is the hub's own conversion of it (refs/pr of SFconvertbot)
        KnownCaptioner(
            "blip",
            "Salesforce/blip-image-captioning-base",
            1.0,
            "one short sentence, on a CPU too",
            revision="9cfcdbcaccbcadb2b53b36d4b50042c4eeaa0c25",
        ),
    )
}
PROPOSED = ("qwen3-vl-4b", "qwen3-vl-2b")  # where a GPU has room; the first that fits
WITHOUT_GPU = "florence-2"


def suited(free: int) -> str:
    """The captioner to propose with so many bytes of GPU memory free, 0 without a GPU."""
    return next((name for name in PROPOSED if KNOWN[name].memory <= free), WITHOUT_GPU)


def known(model: str) -> KnownCaptioner | None:
    """The captioner that goes by this name or hub id."""
    return KNOWN.get(model) or next((one for one in KNOWN.values() if one.repo == model), None)


def read_of(repo: str) -> tuple[str, ...]:
    """Which files of a hub repository are fetched: a tagger's weights are ONNX, all others safetensors."""
    return TAGGER_READ if _TAGGER.search(repo) else READ


def is_here(repo: str) -> bool:
    """Whether all weights of a repository lie in the hub's cache, in some revision."""
    return any(is_whole(one) for one in (repo_folder(repo) / "snapshots").glob("*"))


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds the weights of a captioner: every file that its index names, or the one that there is."""
    if is_file(folder / TAGS):
        return is_file(folder / ONNX)
    parts = (read_json(folder / INDEX, dict).value or {}).get("weight_map")
    if isinstance(parts, dict):
        return all(isinstance(one, str) and is_file(folder / one) for one in parts.values())
    return any(is_file(one) for one in folder.glob("*.safetensors"))
