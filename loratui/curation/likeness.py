"""Groups of what is alike: by the mean over a group's members, never by one member alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray


def groups(rows: ndarray, apart: float) -> list[list[int]]:
    """The places of the rows (each of length 1) that are alike, in the order of the first of each.

    A row joins the group that it is nearest to on average, if 1 - cosine is below `apart`. Were one member enough, a
    chain of small steps would join what has nothing in common.
    """
    import numpy as np

    sums, counts = np.empty_like(rows), np.zeros(len(rows), np.float32)
    members: list[list[int]] = []
    for place, row in enumerate(rows):
        distances = 1 - sums[: len(members)] @ row / np.maximum(counts[: len(members)], 1)
        best = int(np.argmin(distances)) if len(members) else 0
        if not members or distances[best] >= apart:
            sums[len(members)], counts[len(members)] = row, 1
            members.append([place])
        else:
            sums[best] += row
            counts[best] += 1
            members[best].append(place)
    return members


def of_length_one(packed: list[bytes], kind: str) -> ndarray:
    """Packed rows of numbers of `kind` ("uint8", "int8") as rows of length 1."""
    import numpy as np

    rows = np.array([np.frombuffer(one, kind) for one in packed], np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows
