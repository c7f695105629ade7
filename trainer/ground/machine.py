"""What the machine is and how full it is, for the log."""

from __future__ import annotations

import importlib.metadata
import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("loratui", "torch", "diffusers", "transformers", "accelerate", "peft", "safetensors")


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy on `device` of a tensor on the CPU, for which the host does not wait."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def versions() -> dict[str, str]:
    """Versions of what decides a result, without importing any of it."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def gpu_name() -> str | None:
    """The name of the first GPU, or None."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def gpu_memory() -> int | None:
    """Bytes of memory of the first GPU, or None."""
    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None


def free_memory(device: torch.device) -> int:
    """Bytes that are free where `device` computes; of RAM, what the system could give without the disk's cache."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_now(device: torch.device, peak: RamPeak | None = None) -> dict[str, Any]:
    """`vram`: bytes that torch holds on the GPU (None on the CPU); `rss`: bytes of this process in RAM.

    `vram_peak`: the most since the process began, also between two steps: what has to fit. `rss_peak`: what `peak` has
    counted, None without one.
    """
    gpu = device.type == "cuda"
    return {
        "vram": torch.cuda.memory_reserved(device) if gpu else None,
        "rss": resident(),
        "vram_peak": torch.cuda.max_memory_reserved(device) if gpu else None,
        "rss_peak": None if peak is None else peak.most(),
    }


@dataclass(frozen=True)
class RamPeak:
    """The most RAM that this process has held since it was made, less the files that the system can take back.

    While a model is read its files count as well, 5 GB for a moment: with them the peak of a run is that of loading.
    """

    weights: int  # bytes that stay in the files of the base model, where they have the precision of the training

    @classmethod
    def begin(cls) -> RamPeak | None:
        """Have the system count from here on; None where it does not."""
        try:
            with Path("/proc/self/clear_refs").open("w") as file:
                file.write("5")  # proc(5): the "high water mark" begins anew
            return cls(_mapped(Path("/proc/self/smaps").read_text(errors="replace")))
        except OSError:
            return None

    def most(self) -> int | None:
        """Bytes; None where the system does not tell."""
        try:
            told = Path("/proc/self/status").read_text()
        except OSError:
            return None
        found = [re.search(rf"^{name}:\s+(\d+) kB$", told, re.MULTILINE) for name in ("VmHWM", "RssFile")]
        if not (found[0] and found[1]):
            return None
        return 1024 * int(found[0][1]) - max(0, 1024 * int(found[1][1]) - self.weights)


def _mapped(told: str) -> int:
    """Bytes in RAM of the files of which nothing is run: weights, not libraries."""
    found: dict[str, int] = {}
    run, path = set(), ""
    for line in told.splitlines():
        if head := re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ (\d+)\s*(.*)$", line):
            path = head[3] if head[2] != "0" else ""
            run |= {path} if "x" in head[1] else set()
        elif path and (held := re.match(r"Rss:\s+(\d+) kB$", line)):
            found[path] = found.get(path, 0) + 1024 * int(held[1])
    return sum(size for path, size in found.items() if path not in run)


def resident() -> int:
    """Bytes of this process in RAM, or its peak where the system does not tell the present."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")
