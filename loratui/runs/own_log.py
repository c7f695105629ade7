"""What the last trainer of a run wrote into trainer.log, without what those before it did: a start has its own view."""

from __future__ import annotations

from trainer.contract.documents.files import read_json
from trainer.contract.run.rundir import RunDir

WINDOW = 1 << 14  # bytes


def own_log(run: RunDir, window: int = WINDOW) -> str:
    """The end of it, `window` bytes at most. Raises OSError."""
    words = read_json(run.claim, dict, root=run.path).value or {}
    begun = words.get("log")  # of one that was started by hand nothing is known
    with run.log.open("rb") as file:
        size = file.seek(0, 2)
        first = begun if isinstance(begun, int) and 0 <= begun <= size else 0
        file.seek(max(first, size - window))
        return file.read().decode("utf-8", "replace")
