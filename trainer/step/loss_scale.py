"""The scale of fp16's loss, kept on the device: halved by a step that overflows, doubled after many calm ones."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from trainer.checkpoints.snapshot import LossScale
from trainer.step.flat_group import FlatGroup

FIRST_SCALE = 2.0**16  # as torch's GradScaler starts
SCALE_PATIENCE = 2000  # steps without overflow before it is doubled


class LossScaler:
    """Scales the loss and the gradients of fp16. In another precision it does nothing."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._used = dtype == torch.float16
        self._scale = torch.tensor(FIRST_SCALE, device=device)
        self._calm = torch.zeros((), dtype=torch.int64, device=device)

    def saved(self) -> LossScale | None:
        """What a checkpoint keeps; None in another precision."""
        return LossScale(float(self._scale), int(self._calm)) if self._used else None

    def restore(self, saved: LossScale | None) -> None:
        """Go on from `saved`; with None, as where the checkpoint was trained in another precision, anew."""
        if saved is not None and self._used:
            self._scale.fill_(saved.scale)
            self._calm.fill_(saved.calm)

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """What the backward pass begins with."""
        return loss * self._scale if self._used else loss

    def unscale(self, groups: Iterable[FlatGroup]) -> None:
        """Bring the gradients back."""
        for group in groups if self._used else ():
            group.grad.div_(self._scale)

    def overflowed(self, loss: torch.Tensor, sound: torch.Tensor, finite: torch.Tensor) -> torch.Tensor | None:
        """Whether a step of a `sound` run was not `finite` by the scale alone, as its loss was: a 0-d bool.

        None in another precision, where no step is forgiven so.
        """
        return sound & ~finite & torch.isfinite(loss) & (self._scale > 1.0) if self._used else None

    def update(self, applied: torch.Tensor, overflowed: torch.Tensor) -> None:
        """After a step in fp16; of the two 0-d bools at most one is true."""
        self._calm.copy_(torch.where(overflowed, 0, self._calm + applied))
        grown = applied & (self._calm % SCALE_PATIENCE == 0)
        # in place: a recorded pass reads it where it is
        self._scale.mul_(torch.where(overflowed, 0.5, torch.where(grown, 2.0, 1.0)))
