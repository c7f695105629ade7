"""How busy, warm and fast the GPU of a run is, as the driver tells (NVML); nothing where there is no driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class GpuReading:
    """Load in per cent, °C, watts now and at most, MHz of the multiprocessors; None for what a GPU does not tell."""

    place: int
    load: int | None = None
    celsius: int | None = None
    watts: float | None = None
    most_watts: float | None = None
    megahertz: int | None = None

    @property
    def words(self) -> str:
        """`GPU 0: 97 % · 71 °C · 412 of 450 W · 1,980 MHz`."""
        watts = "" if self.watts is None else f"{self.watts:.0f} W"
        if self.watts is not None and self.most_watts:
            watts = f"{self.watts:.0f} of {self.most_watts:.0f} W"
        parts = [
            "" if self.load is None else f"{self.load} %",
            "" if self.celsius is None else f"{self.celsius} °C",
            watts,
            "" if self.megahertz is None else f"{self.megahertz:,} MHz",
        ]
        said = " · ".join(part for part in parts if part)
        return f"GPU {self.place}: {said}" if said else ""


def readings(pid: int, nvml: Any = None) -> tuple[GpuReading, ...]:
    """The GPUs on which process `pid` computes, or the only one there is; empty where nothing can be told.

    In a container the driver may know processes by other numbers: then a single GPU is taken for the run's.
    """
    library = nvml or _opened()
    if library is None:
        return ()
    try:
        places = range(library.nvmlDeviceGetCount())
        found = {place: library.nvmlDeviceGetHandleByIndex(place) for place in places}
        own = {place: one for place, one in found.items() if pid in _processes(library, one)}
        own = own or (found if len(found) == 1 else {})
        return tuple(_reading(library, place, one) for place, one in own.items())
    except library.NVMLError:
        return ()


@cache
def _opened() -> Any:
    """NVML, or None without its package or a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _processes(nvml: Any, handle: Any) -> set[int]:
    try:
        return {one.pid for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    except nvml.NVMLError:
        return set()


def _reading(nvml: Any, place: int, handle: Any) -> GpuReading:
    def told(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except nvml.NVMLError:  # not every GPU tells everything
            return None

    load = told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    celsius = told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
    milliwatts = told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    most = told(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    megahertz = told(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM))
    watts, most_watts = (None if one is None else one / 1000 for one in (milliwatts, most))
    return GpuReading(place, load, celsius, watts, most_watts, megahertz)
