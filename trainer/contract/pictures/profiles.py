"""ICC profiles made from what formats say of their colours in numbers: primaries, white point and transfer curve."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray

Point = tuple[float, float]  # CIE 1931 x and y

D65: Point = (0.3127, 0.3290)
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
D50_XYZ = (0.9642, 1.0, 0.8249)  # of the profile connection space, ICC.1:2022
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1, as a parametric curve of type 3


class NotUnderstood(ValueError):
    """Colours are stated in a way that no profile can be made of; the text says what is wrong, without a file name."""


@dataclass(frozen=True)
class Primaries:
    """Where red, green, blue and white lie."""

    red: Point
    green: Point
    blue: Point
    white: Point = D65


SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))  # Adobe RGB (1998) Color Image Encoding
ADOBE_GAMMA = 563 / 256
DISPLAY_P3 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT601 = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
CODED = {  # ITU-T H.273, table 2: "colour primaries"
    1: ("BT.709", SRGB),
    5: ("BT.470 BG", Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))),
    6: ("BT.601", BT601),
    7: ("SMPTE 240M", BT601),
    9: ("BT.2020", Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ("DCI P3", Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", DISPLAY_P3),
}
# H.273, table 3: "transfer characteristics". The curves of cameras (1, 6, 14, 15) are shown as sRGB is: their pictures
# are made to be looked at on such a screen.
LIKE_SRGB = frozenset({1, 2, 6, 13, 14, 15})
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
HDR = {16: "PQ", 18: "HLG"}
UNSPECIFIED = 2


def coded_profile(primaries: int, transfer: int) -> tuple[str, bytes]:
    """Name and profile of H.273's numbers, as in PNG's cICP and in AVIF. Raises NotUnderstood (HDR among them)."""
    if transfer in HDR:
        raise NotUnderstood(f"its colours are HDR ({HDR[transfer]})")
    name, place = CODED.get(1 if primaries == UNSPECIFIED else primaries, ("", None))
    if place is None or (transfer not in LIKE_SRGB and transfer not in GAMMAS):
        raise NotUnderstood(f"its colours are coded as {primaries}/{transfer}, which is not known here")
    return name, matrix_profile(name, place, GAMMAS.get(transfer))


def matrix_profile(name: str, primaries: Primaries, gamma: float | None) -> bytes:
    """An ICC profile of version 4; `gamma` None is sRGB's curve. Raises NotUnderstood for what no colours are."""
    if gamma is not None and not 0.1 <= gamma <= 10:
        raise NotUnderstood(f"its gamma of {gamma:g} is not possible")
    curve = _parametric(3, SRGB_CURVE) if gamma is None else _parametric(0, (gamma,))
    columns = _columns(primaries).T
    tags = [(b"desc", _text(name)), (b"cprt", _text("none")), (b"wtpt", _xyz(D50_XYZ))]
    tags += [(key, _xyz(column)) for key, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)]
    tags += [(key, curve) for key in (b"rTRC", b"gTRC", b"bTRC")]
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for key, data in tags:
        table += key + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I4sI", start + len(body), b"\0" * 4, 0x04200000) + b"mntrRGB XYZ " + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + b"".join(map(_fixed, D50_XYZ))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _columns(primaries: Primaries) -> ndarray:
    """The matrix from linear RGB to XYZ under D50, Bradford-adapted (Lindbloom, "RGB/XYZ Matrices")."""
    import numpy as np

    points = (primaries.red, primaries.green, primaries.blue, primaries.white)
    if any(y <= 0 for _, y in points):
        raise NotUnderstood("its primaries are not colours")
    *corners, white = (np.array((x / y, 1.0, (1 - x - y) / y)) for x, y in points)
    matrix = np.stack(corners, axis=1)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise NotUnderstood("its primaries span no colours")
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = np.array(BRADFORD)
    scale = np.diag((cones @ np.array(D50_XYZ)) / (cones @ white))
    adapted: ndarray = np.linalg.inv(cones) @ scale @ cones @ matrix
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 100:
        raise NotUnderstood("its primaries are not colours")
    return adapted


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: tuple[float, float, float] | ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(one)) for one in values)


def _parametric(kind: int, values: tuple[float, ...]) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, values))


def _text(words: str) -> bytes:
    raw = words.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(raw), 28) + raw
