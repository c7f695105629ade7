"""What nvidia-smi and the system say of memory, as they really write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.planning.hardware import MIB, Machine, MemoryHolder, asked_for, first_gpu, look, ram, read_gpu
from loratui.planning.plan import make_plan
from loratui.planning.ram import ram_trouble
from loratui.settings.answers import Answers
from loratui.settings.resolve import resolve
from trainer.contract.plan.estimate import estimate
from trainer.contract.settings.config import TrainConfig

LINE = "NVIDIA GeForce RTX 4090, 550.54.14, 24564 MiB, 18000 MiB"
APPS = "4242, /usr/bin/python3, 5800 MiB\n77, /opt/Blender, a b/blender, 120 MiB\n9, [N/A], [N/A]\n\n"


def test_a_gpu_is_read_with_who_holds_its_memory() -> None:
    found = read_gpu(LINE, APPS)
    assert found is not None
    assert (found.name, found.total, found.free) == ("NVIDIA GeForce RTX 4090", 24564 * MIB, 18000 * MIB)
    assert found.holders == (MemoryHolder(4242, "python3", 5800 * MIB), MemoryHolder(77, "blender", 120 * MIB))


@pytest.mark.parametrize(
    "line", ["", "No devices were found", "A, B, [N/A], [N/A]", "NVIDIA GB10, 580.1, [N/A], 1 MiB"]
)
def test_a_gpu_that_does_not_tell_its_memory_is_not_made_up(line: str) -> None:
    assert read_gpu(line) is None


def test_without_a_gpu_the_machines_own_memory_counts() -> None:
    found = look("cpu")
    assert found.device == "cpu" and found.memory == "RAM"
    assert 0 < found.free <= found.total


def test_nvidia_smi_is_asked_for_the_gpu_that_torch_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called nvidia-smi stands first on the path: the real calls, answered as the real one answers."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text(
        '#!/bin/sh\ncase "$1" in\n'
        f'  --query-gpu*) echo "{LINE}"; echo "NVIDIA L4, 550.54.14, 23034 MiB, 22000 MiB";;\n'
        '  *) for last; do :; done; [ "$last" = --id=1 ] && echo "7, python, 300 MiB";;\n'
        "esac\n"
    )
    smi.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    second = first_gpu()
    assert (
        second is not None and second.name == "NVIDIA L4" and second.holders == (MemoryHolder(7, "python", 300 * MIB),)
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert first_gpu() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    first = first_gpu()
    assert first is not None and first.name == "NVIDIA GeForce RTX 4090" and not first.holders


def test_a_container_has_no_more_than_its_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("200000000\n")
    (tmp_path / "memory.current").write_text("150000000\n")
    assert (ram(tmp_path).total, ram(tmp_path).free) == (200_000_000, 50_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert ram(tmp_path).total > 200_000_000


def test_another_machine_can_be_planned_for() -> None:
    """A card that is sold as one of 24 GB has 24 GiB."""
    card = asked_for(24)
    assert (card.total, card.free, card.device) == (25_769_803_776, 25_769_803_776, "cuda")


def test_ram_beside_a_gpu_is_judged_with_what_to_do(tmp_path: Path) -> None:
    """One judgement: the plan's warning is what doctor says, and nothing is said where nobody knows."""
    wanted = estimate(TrainConfig(), 1).ram
    assert ram_trouble(wanted, wanted) == ram_trouble(wanted, 0) == ram_trouble(0, 1) == ""
    said = ram_trouble(wanted, wanted - 1)
    assert "5.7 GB of RAM" in said and "smaller rank" in said
    resolved = resolve(Answers("object", {"dataset.path": str(tmp_path)}))
    for free, short in ((wanted - 1, True), (wanted, False), (0, False)):
        card = Machine("cuda", "a GPU", 24 * 10**9, 24 * 10**9, ram_free=free)
        plan = make_plan(resolved, runs=tmp_path, machine=card)
        assert (said in plan.warnings) == short and plan.verdict is not None and plan.verdict.fits
        (row,) = [row for one in plan.sections for row in one.rows if row.label == "RAM beside it"]
        assert ("GB free" in row.note) == bool(free)
