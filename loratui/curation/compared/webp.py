"""How coarsely a lossy WebP was saved, from its own header: among copies it says what a JPEG's table says."""

from __future__ import annotations

from itertools import pairwise
from typing import IO

HEAD = 4096  # bytes: in a file with a long colour profile the picture begins later, and nothing is told
SEGMENTS = 4
FRACTIONS = 3  # numbers of 8 bits by which the map of segments is coded
# the format's step for coefficients at some of its 128 levels, RFC 6386, section 14.1; between them it is even, to one
STEPS = ((0, 4), (54, 58), (83, 116), (102, 173), (116, 229), (127, 284))
# its transform is twice an orthonormal one, which JPEG's is: half the step is the same loss
OF_JPEG = 0.5


def webp_quantiser(file: IO[bytes]) -> float | None:
    """As a JPEG's table: 15 is WebP's quality 75, 142 its quality 0; None for a lossless one and what is no WebP.

    Where a picture has parts of different quality it is their mean. The file stays where it was read to.
    """
    place = file.tell()
    file.seek(0)
    raw = file.read(HEAD)
    file.seek(place)
    start = raw.find(b"VP8 ", 12)
    frame = raw[start + 8 :] if start > 0 and raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else b""
    if len(frame) < 40 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    levels = _levels(_Bits(frame[10:]))
    return OF_JPEG * sum(map(_step, levels)) / len(levels)


def _levels(bits: _Bits) -> list[int]:
    """The level of each segment, or the one of the whole; in the order of RFC 6386, section 19.2."""
    bits.take(2)
    parts: list[int] = []
    absolute = 0
    if bits.take(1):
        mapped, given = bits.take(1), bits.take(1)
        if given:
            absolute = bits.take(1)
            parts = [bits.signed(7) for _ in range(SEGMENTS)]
            for _ in range(SEGMENTS):
                bits.signed(6)
        if mapped:
            for _ in range(FRACTIONS):
                if bits.take(1):
                    bits.take(8)
    bits.take(1 + 6 + 3)
    if bits.take(1) and bits.take(1):
        for _ in range(2 * SEGMENTS):
            bits.signed(6)
    bits.take(2)
    whole = bits.take(7)
    return [one if absolute else whole + one for one in parts] or [whole]


def _step(level: int) -> float:
    level = min(max(level, 0), STEPS[-1][0])
    for (low, first), (high, last) in pairwise(STEPS):
        if level <= high:
            return first + (last - first) * (level - low) / (high - low)
    return float(STEPS[-1][1])


class _Bits:
    """Even bits out of the format's arithmetic coding (RFC 6386, section 7); zeros behind the end."""

    def __init__(self, raw: bytes) -> None:
        self._value, self._bits = int.from_bytes(raw[:HEAD], "big"), 8 * len(raw[:HEAD])
        self._range = 255

    def take(self, count: int) -> int:
        """A number of `count` bits."""
        found = 0
        for _ in range(count):
            found = 2 * found + self._bit()
        return found

    def signed(self, count: int) -> int:
        """A number with a sign behind it, where one is given; else 0."""
        if not self.take(1):
            return 0
        value = self.take(count)
        return -value if self.take(1) else value

    def _bit(self) -> int:
        split = 1 + (self._range - 1) // 2
        shift = max(self._bits - 8, 0)
        bit = int(self._value >= split << shift)
        if bit:
            self._value -= split << shift
            self._range -= split
        else:
            self._range = split
        while self._range < 128:
            self._range *= 2
            self._bits -= 1
        return bit
