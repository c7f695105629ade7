"""What a driver tells of the run's GPU; without one there is nothing to show and no error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loratui.runs.gpu_readings import GpuReading, readings


class Nvml:
    """The part of NVML's Python interface that is asked, in its units: mW, MHz, °C; `-` is not supported."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM = 0, 1

    class NVMLError(Exception):
        pass

    def __init__(self, *gpus: tuple[set[int], Any, Any, Any, Any, Any]) -> None:
        self._gpus = gpus

    def _told(self, place: int, what: int) -> Any:
        if self._gpus[place][what] == "-":
            raise self.NVMLError
        return self._gpus[place][what]

    def nvmlDeviceGetCount(self) -> int:
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, place: int) -> int:
        return place

    def nvmlDeviceGetComputeRunningProcesses(self, place: int) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in self._told(place, 0)]

    def nvmlDeviceGetUtilizationRates(self, place: int) -> Any:
        return SimpleNamespace(gpu=self._told(place, 1))

    def nvmlDeviceGetTemperature(self, place: int, sensor: int) -> Any:
        return self._told(place, 2)

    def nvmlDeviceGetPowerUsage(self, place: int) -> Any:
        return self._told(place, 3)

    def nvmlDeviceGetEnforcedPowerLimit(self, place: int) -> Any:
        return self._told(place, 4)

    def nvmlDeviceGetClockInfo(self, place: int, domain: int) -> Any:
        return self._told(place, 5)


FIRST = ({7}, 3, 40, 50_000, 450_000, 210)
SECOND = ({8, 9}, 97, 71, 412_300, 450_000, 1980)


def test_the_gpu_of_the_process_is_told() -> None:
    (one,) = readings(9, Nvml(FIRST, SECOND))
    assert one.words == "GPU 1: 97 % · 71 °C · 412 of 450 W · 1,980 MHz"
    assert readings(1, Nvml(FIRST, SECOND)) == ()
    assert len(readings(9, Nvml(({9}, *FIRST[1:]), SECOND))) == 2


@pytest.mark.parametrize("known", [set(), "-"])
def test_a_single_gpu_is_taken_where_processes_are_not_known(known: Any) -> None:
    (one,) = readings(1, Nvml((known, 50, "-", 100_000, "-", "-")))
    assert one == GpuReading(0, load=50, watts=100.0) and one.words == "GPU 0: 50 % · 100 W"
    assert GpuReading(0).words == ""


def test_without_a_driver_there_is_nothing() -> None:
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert readings(1) == ()
    else:
        pytest.skip("there is a driver here")
