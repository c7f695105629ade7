"""A full-size SDXL on a machine without a GPU: how long that takes, in the first line of a plan."""

from __future__ import annotations

from loratui.planning.hardware import Machine
from loratui.planning.past_runs import Correction
from loratui.terminal.text import plural
from loratui.terminal.units import in_time
from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.plan.estimate import Estimate
from trainer.contract.settings.config import TrainConfig

FULL_SIZE = 512  # px that a base model was made for, from which on a CPU takes minutes for a step


def without_gpu(config: TrainConfig, need: Estimate | None, machine: Machine | None, known: Correction) -> str:
    """Why this run cannot be called ready here, in a sentence; empty where it trains on a GPU, or is small.

    How long is what runs on this machine took, else the arithmetic of a step at the speed of a matrix product here,
    which no training reaches.
    """
    if need is None or machine is None or machine.device != "cpu" or not full_size(config):
        return ""
    why = "train.device is cpu" if config.train.device == "cpu" else "No GPU here"
    steps = f"{plural(config.train.steps, 'step')} of a full-size SDXL"
    if known.seconds is not None:
        return f"{why}: {steps} take about {in_time(known.seconds * config.train.steps)}, as runs here took."
    if not machine.flops:
        return f"{why}: {steps} take days on a CPU."
    least = least_on_cpu(config, need, machine)
    return f"{why}: {steps} take about {in_time(least)} at the very least, by the arithmetic of a step."


def least_on_cpu(config: TrainConfig, need: Estimate | None, machine: Machine | None) -> float:
    """The seconds of a full-size run without a GPU, at the speed of a matrix product; 0 where it is not known."""
    if need is None or machine is None or machine.device != "cpu" or not machine.flops or not full_size(config):
        return 0.0
    return need.step_flop / machine.flops * config.train.steps


def full_size(config: TrainConfig) -> bool:
    """Whether the base model is one that wants a GPU."""
    try:
        return base_of(config.model).native >= FULL_SIZE
    except NotSDXL:
        return False  # said as an error
