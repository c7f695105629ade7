"""The memory that a run would have here: of the GPU, or of the machine where there is none; and who holds how much."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import time
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from loratui.terminal.units import GIB, MIB
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_atomic
from trainer.contract.plan.memory import Device
from trainer.contract.run.rundir import cache_folder

Asked = Literal["auto", "cuda", "cpu"]  # as train.device says it

HOLDERS = ["nvidia-smi", "--query-compute-apps=pid,name,used_memory", "--format=csv,noheader"]
TIMES = 6  # a product of matrices is measured
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class MemoryHolder:
    """A process that holds memory of the GPU. Its name is another program's: not trusted."""

    pid: int
    name: str
    bytes: int


@dataclass(frozen=True)
class Machine:
    """What there is to train on; sizes in bytes, 0 where the system does not tell."""

    device: Device
    name: str  # of the GPU; "the CPU" where there is none; not trusted
    total: int
    free: int
    holders: tuple[MemoryHolder, ...] = ()
    flops: float = 0.0  # that the CPU reached in a matrix product; 0: not measured
    ram_free: int = 0  # bytes of RAM that are free beside a GPU; 0: not known
    elsewhere: bool = False  # a node of a cluster: what this machine has says nothing of it

    @property
    def memory(self) -> str:
        """What the memory is called."""
        return "GPU memory" if self.device == "cuda" else "RAM"


def look(device: Asked = "auto") -> Machine:
    """The machine as it is now. It asks nvidia-smi, which may take seconds: never call it while painting."""
    gpu = usable_gpu(device)
    return replace(ram(), flops=cpu_flops()) if gpu is None else replace(gpu, ram_free=ram().free)


def usable_gpu(device: Asked = "auto") -> Machine | None:
    """The GPU that torch would take; None on a CPU. It asks nvidia-smi, as `look` does."""
    return first_gpu() if device != "cpu" and _torch_takes_gpus() else None


def asked_for(gigabytes: float) -> Machine:
    """A GPU with so much memory, all of it free: to plan for another machine. A card of "24 GB" has 24 GiB."""
    size = round(gigabytes * GIB)
    return Machine("cuda", f"a GPU with {gigabytes:g} GB", size, size)


def elsewhere(device: Asked = "auto") -> Machine:
    """A node of a cluster: nobody here knows what it has, so nothing is held against it."""
    return Machine("cpu" if device == "cpu" else "cuda", "a node of the cluster", 0, 0, elsewhere=True)


def ram(cgroup: Path = CGROUP) -> Machine:
    """The machine's own memory, or what a container may use of it, as the files in `cgroup` tell."""
    try:
        told = dict(re.findall(r"^(\w+):\s+(\d+) kB$", MEMINFO.read_text(), re.MULTILINE))
    except OSError:
        told = {}
    total, free = (1024 * int(told.get(key, 0)) for key in ("MemTotal", "MemAvailable"))
    limit, used = (_number(cgroup / name) for name in ("memory.max", "memory.current"))
    if limit and limit < total:
        total, free = limit, min(free, max(0, limit - (used or 0)))
    return Machine("cpu", "the CPU", total, free)


def read_gpu(line: str, holders: str = "") -> Machine | None:
    """A line of `gpus` ("name, driver, total MiB, free MiB") and nvidia-smi's list of processes."""
    words = [word.strip() for word in line.rsplit(",", 3)]
    sizes = [re.fullmatch(r"(\d+) MiB", word) for word in words[2:]]
    if len(sizes) != 2 or sizes[0] is None or sizes[1] is None:
        return None
    total, free = (int(one[1]) * MIB for one in sizes if one)
    found = [re.fullmatch(r"(\d+), (.*), (\d+) MiB", row.strip()) for row in holders.splitlines()]
    people = [MemoryHolder(int(one[1]), Path(one[2]).name or one[2], int(one[3]) * MIB) for one in found if one]
    return Machine("cuda", words[0], total, free, tuple(sorted(people, key=lambda one: -one.bytes)))


def gpus() -> list[str]:
    """The names of the GPUs that nvidia-smi lists, with their memory; empty without it."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in found.stdout.splitlines() if line.strip()] if found.returncode == 0 else []


def first_gpu() -> Machine | None:
    """The GPU that torch takes first: that of CUDA_VISIBLE_DEVICES where it is given as a number."""
    lines = gpus()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = chosen.partition(",")[0].strip() if chosen is not None else "0"
    place = int(first) if first.isdigit() else 0
    if first in ("", "-1") or place >= len(lines):
        return None
    try:
        asked = [*HOLDERS, f"--id={place}"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    return read_gpu(lines[place], told)


@cache
def cpu_flops(size: int = 1024) -> float:
    """What a product of two matrices reaches here, in FLOP/s of fp32: more than any training does. Takes 0.3 s once.

    It is kept for all programs on this machine: two plans of the same run, made under another load, say the same time.
    """
    kept, cores = cache_folder() / f"cpu-{size}.json", os.cpu_count()
    known = read_json(kept, dict).value or {}
    speed = known.get("flops")
    if known.get("cores") == cores and isinstance(speed, float) and speed > 0:
        return speed  # else there is none yet, or it is of another machine with the same home
    import numpy

    one = numpy.ones((size, size), dtype=numpy.float32)
    least = math.inf
    for _ in range(TIMES):  # the first one starts threads, and others may have to wait
        began = time.perf_counter()
        one @ one
        least = min(least, time.perf_counter() - began)
    found = 2.0 * size**3 / max(1e-6, least)
    with contextlib.suppress(OSError):
        make_private(kept.parent)
        write_atomic(kept, json.dumps({"cores": cores, "flops": found}))
    return found


def _torch_takes_gpus() -> bool:
    """Whether the torch that is installed was built for GPUs; one that is not there is not held against it."""
    try:
        return "+cpu" not in metadata.version("torch")
    except metadata.PackageNotFoundError:
        return True


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max": no limit
        return None
