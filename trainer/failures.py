"""What went wrong, in words a person can act on: the kind, a sentence, and what to change."""

from __future__ import annotations

import sys
from typing import Any

from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.loras.start import NoStart
from trainer.contract.paths import os_sentence
from trainer.contract.run.disk import is_full
from trainer.data.listing import DataError

Explained = tuple[str, str, list[str]]

_MEMORY = [
    "set train.gradient_checkpointing to blocks",
    "halve train.batch and double train.accumulation: the same training in less memory",
    "lower train.resolution or train.rank",
]

_ROOM = "free some space, then 'loratui resume'"

# how torch says it where it has no class of its own for it: the CPU's allocator, cuBLAS and cuDNN, a GPU's own calls
_NO_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
    # oneDNN has one sentence for whatever keeps it from setting up; shapes that fit the model leave memory alone
    "could not create a primitive",
    "could not create a memory",
)


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or in RAM."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def details(error: BaseException) -> dict[str, Any]:
    """What the `error` event says beside the words: `step`, `pictures` and `cause` where there is one at fault."""
    if isinstance(error, DataError):  # first: it may come before torch, which the others load
        return {"pictures": list(error.files)}
    from trainer.step.not_finite.error import NotFinite

    if not isinstance(error, NotFinite):
        return {}
    found = error.cause
    cause = {"kind": found.kind, "words": found.words, "pictures": list(found.pictures)}
    step = {} if error.step is None else {"step": error.step}
    return {**step, "pictures": list(error.pictures), "cause": cause}


def is_told(kind: str, error: BaseException) -> bool:
    """Whether the sentence says it all, so that nobody needs to see where in the program it happened."""
    world = sys.modules.get("trainer.ground.world")
    gone = world is not None and isinstance(error, world.PeerGone)
    return gone or kind in ("data", "usage", "disk", "moved")


def explain(error: BaseException) -> Explained:
    """Kind (oom, nan, data, usage, disk, moved, signal, exception), message and advice of what ended a run."""
    if isinstance(error, DataError):
        return "data", str(error), ["repair or skip the pictures named, then start again"]
    from trainer.checkpoints.snapshot import CannotSave, OtherRun
    from trainer.ground.full_disk import NotSaved
    from trainer.ground.tensor_files import OtherTensors
    from trainer.ground.whereabouts import FolderGone
    from trainer.ground.world import OtherShare, PeerGone, Uneven
    from trainer.inputs import SettingsError
    from trainer.model.adapters import UnknownBlock
    from trainer.model.download import NotFetched
    from trainer.model.errors import ModelError
    from trainer.step.not_finite.error import NotFinite
    from trainer.step.optimizer import NoOptimizer

    match error:
        case _ if is_memory(error):
            return "oom", "out of memory", _MEMORY
        case NotFinite():
            return "nan", str(error), error.advice
        case PeerGone():
            return (
                "exception",
                str(error),
                ["start it again as before, on every machine: it resumes from its newest checkpoint"],
            )
        case OtherShare():
            return "data", str(error), ["make the copies of the other machines the same, then start again"]
        case OtherRun() | OtherTensors():
            return "data", str(error), ["start a new run, or put back what was changed"]
        case NotSDXL() | NoStart() | ModelError() | UnknownBlock() | Uneven() | NoOptimizer() | SettingsError():
            return "usage", str(error), ["correct the setting and start again"]
        case CannotSave() | NotSaved():
            return "disk", str(error), [_ROOM]
        case FolderGone():
            advice = ["'loratui resume' with its new place takes it up"] if error.now else ["start a new run"]
            return "moved", str(error), advice
        case NotFetched():
            return "disk" if error.full else "usage", str(error), error.advice
        case _ if is_full(error):
            assert isinstance(error, OSError)
            return "disk", f"the disk is full: {error.filename or 'no room is left'}", [_ROOM]
        case KeyboardInterrupt():
            return "signal", "interrupted before the first step", []
        case _:
            known = isinstance(error, OSError) and error.errno is not None
            where = os_sentence(error) if known else f"{type(error).__name__}: {error}"
            return "exception", where, ["the whole story is in trainer.log"]
