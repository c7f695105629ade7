"""Each size of a picture is made once: counted, for no wall time is asserted."""

from __future__ import annotations

import gc
import shutil
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageFile

from loratui.curation import sizes as measuring_sizes
from loratui.curation.checks import damage
from loratui.curation.checks import measure as measuring
from loratui.curation.checks.files import open_picture
from loratui.curation.checks.measure import measure
from loratui.curation.people import faces, identity
from loratui.curation.pixels import opencv
from loratui.curation.resampling import bicubic, lanczos, resampled
from loratui.curation.scan import ScanSettings, scan
from loratui.curation.sizes import Sizes, median, percentiles, steps_between, within
from tests.loratui.curation.conftest import PHOTOS, needs_photos, scene
from trainer.contract.pictures.flatten import ORIENTATION, upright

SIZE = (2000, 1500)


@pytest.fixture
def resized(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The size (width, height) of each picture that is resized, by either library or by products."""
    sources: list[tuple[int, ...]] = []
    cv2, resize = opencv(), Image.Image.resize
    other = cv2.resize

    def by_opencv(pixels: np.ndarray, *words: Any, **named: Any) -> Any:
        sources.append(pixels.shape[1::-1])
        return other(pixels, *words, **named)

    def by_pillow(self: Image.Image, size: tuple[int, int], *words: Any, **named: Any) -> Image.Image:
        if tuple(size) != self.size:
            sources.append(self.size)
        return resize(self, size, *words, **named)

    def by_products(pixels: np.ndarray, *words: Any) -> Any:
        sources.append(pixels.shape[1::-1])
        return resampled(pixels, *words)

    monkeypatch.setattr(measuring_sizes, "resampled", by_products)
    monkeypatch.setattr(cv2, "resize", by_opencv)
    monkeypatch.setattr(Image.Image, "resize", by_pillow)
    return sources


def test_a_picture_is_resized_as_a_whole_twice(tmp_path: Path, resized: list[tuple[int, ...]]) -> None:
    scene(3).resize(SIZE).save(tmp_path / "a.jpg", quality=95)
    resized.clear()
    measured = measure("a.jpg", tmp_path / "a.jpg", "#ffffff", True)
    assert measured.hashes and measured.look and measured.grey and measured.faces is not None
    assert resized.count(SIZE) == 2  # in colours to 1024 px, in grey to a megapixel
    assert len(resized) <= 12


@pytest.mark.parametrize(
    ("mine", "pillows"), [(lanczos, Image.Resampling.LANCZOS), (bicubic, Image.Resampling.BICUBIC)]
)
@pytest.mark.parametrize("size", [(64, 48), (100, 33), (31, 77), (200, 150), (129, 97), (1, 1)])
def test_products_resample_as_pillow_does(mine: Any, pillows: Any, size: tuple[int, int]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (97, 129)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(levels).resize(size, pillows))
    ours = resampled(levels, size[1], size[0], mine)
    assert ours.dtype == np.float32 and np.abs(ours - theirs).max() < 1e-3
    assert np.array_equal(resampled(levels.astype(np.uint8), size[1], size[0], mine), ours)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("size", "coded"), [((640, 480), 1), ((4200, 3200), 2)])
def test_a_sound_jpeg_is_decoded_once_to_the_same_pixels(
    tmp_path: Path, mode: str, size: tuple[int, int], coded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, turned = tmp_path / "a.jpg", Image.Exif()
    turned[ORIENTATION] = 6
    scene(3).convert(mode).resize(size).save(path, quality=90, exif=turned)
    decoded: list[str] = []
    decode, load = simplejpeg.decode_jpeg, ImageFile.ImageFile.load

    def by_simplejpeg(*words: Any, **named: Any) -> Any:
        decoded.append("simplejpeg")
        return decode(*words, **named)

    def by_pillow(self: ImageFile.ImageFile) -> Any:
        if self.tile:
            decoded.append("Pillow")
        return load(self)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", by_simplejpeg)
    monkeypatch.setattr(ImageFile.ImageFile, "load", by_pillow)
    ours = open_picture(path.name, path)
    assert decoded == ["simplejpeg"] and ours.turned and ours.damage == ""
    monkeypatch.setattr(damage, "missing", lambda: {"damaged": "not installed"})
    theirs = open_picture(path.name, path)
    assert decoded == ["simplejpeg", "Pillow"] and ours.picture is not None and theirs.picture is not None
    assert ours.picture.size == (size[1] // coded, size[0] // coded)
    assert ours.picture.tobytes() == theirs.picture.tobytes()


@pytest.mark.parametrize(
    ("mode", "turn", "copied"),
    [("RGB", 0, False), ("L", 0, False), ("RGB", 1, False), ("RGB", 3, True), ("CMYK", 0, True)],
)
def test_a_sound_jpeg_that_nothing_turns_or_converts_is_not_copied(
    tmp_path: Path, mode: str, turn: int, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, size, mark = tmp_path / "a.jpg", (1200, 1100), Image.Exif()
    if turn:
        mark[ORIENTATION] = turn
    scene(3).convert(mode).resize(size).save(path, quality=90, exif=mark)
    made: list[str] = []
    whole = Image.Image._new

    def counted(self: Image.Image, core: Any) -> Image.Image:
        if core.size == size:
            made.append("made")
        return whole(self, core)

    monkeypatch.setattr(Image.Image, "_new", counted)
    found = open_picture(path.name, path)
    monkeypatch.undo()
    assert found.pixels is not None and found.pixels.shape == (size[1], size[0], 3)
    assert bool(made) == copied
    with Image.open(path) as opened:
        assert np.array_equal(found.pixels, np.asarray(upright(opened, "#ffffff").picture))


def test_a_large_picture_is_held_whole_once_in_colours_and_once_in_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (2700, 2040)  # the largest that is looked at as it is
    scene(3).resize(size).save(tmp_path / "a.jpg", quality=95)
    measure("a.jpg", tmp_path / "a.jpg", "#ffffff", True)  # what is loaded once is there
    alive: list[int] = []
    looked = measuring.blocks_of

    def counted(levels: np.ndarray) -> float | None:
        gc.collect()
        pictures = [one for one in gc.get_objects() if isinstance(one, Image.Image)]
        alive.append(sum(one.size == size for one in pictures))
        return looked(levels)

    monkeypatch.setattr(measuring, "blocks_of", counted)
    tracemalloc.start()  # it sees what numpy and OpenCV hold, not Pillow
    try:
        measure("a.jpg", tmp_path / "a.jpg", "#ffffff", True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert alive == [0]  # no picture of Pillow's beside the two arrays
    assert peak < 10 * size[0] * size[1]  # bytes; 12 and more where lines are compared in fp32


@needs_photos
def test_networks_are_loaded_once_for_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    cv2 = opencv()

    def counting(kind: Any) -> Any:
        class Counted:
            @staticmethod
            def create(weights: str, *words: Any) -> Any:
                made.append(f"{Path(weights).name} {words[1:2]}")
                return kind.create(weights, *words)

        return Counted

    for name in ("FaceDetectorYN", "FaceRecognizerSF"):
        monkeypatch.setattr(cv2, name, counting(getattr(cv2, name)))
    looked: list[str] = []
    for module, name in ((faces, "face_weights"), (identity, "identity_weights")):
        find = getattr(module, name)
        monkeypatch.setattr(module, name, lambda name=name, find=find: looked.append(name) or find())
        module._loaded.cache_clear()
    for number in range(4):
        shutil.copy(PHOTOS / "us_pd" / "grace_hopper.jpg", tmp_path / f"{number}.jpg")
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # both threads meet at the first look
    try:
        report = scan(tmp_path, ScanSettings(kind="face"))
    finally:
        sys.setswitchinterval(switching)
    assert [one.faces for one in report.pictures] == [1] * 4
    assert len(made) == len(set(made)) and sum("yunet" in one for one in made) >= 1
    # a search of all places of packages: once a picture and once a network, not for each look at a picture
    assert looked.count("face_weights") == 4 + sum("yunet" in one for one in made)
    assert looked.count("identity_weights") == 1
    assert sum("sface" in one for one in made) == (identity.identity_weights() is not None)


def test_a_size_is_made_once_and_halved_for_the_next(resized: list[tuple[int, ...]]) -> None:
    sizes = Sizes(np.asarray(scene(1).resize(SIZE)))
    resized.clear()
    asked = [sizes.within(side) for side in (256, 512, 320, 640, 1024, 320, 256)]
    assert [max(one.shape) for one in asked] == [256, 512, 320, 640, 1024, 320, 256]
    assert sorted(resized, reverse=True) == [SIZE, (1024, 768), (1024, 768), (640, 480), (512, 384)]
    assert sizes.within(600).shape == (450, 600, 3)  # of no use to any check today


def test_what_is_small_enough_is_itself_and_what_is_thin_keeps_a_pixel() -> None:
    small = np.zeros((9, 8, 3), np.uint8)
    assert within(small, 9) is small
    assert within(np.zeros((200_000, 128), np.uint8), 256).shape == (256, 1)


@pytest.mark.parametrize("axis", [0, 1])
def test_steps_between_lines_are_the_mean_of_what_differs(axis: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    for one in (grey, grey[::2, ::3]):
        exact = np.abs(np.diff(one.astype(np.float64), axis=axis)).mean(axis=1 - axis)
        assert np.array_equal(steps_between(one, axis), exact)


@pytest.mark.parametrize("pixels", [(1, 1), (1, 2), (3, 1), (20, 7), (97, 101)])
@pytest.mark.parametrize("levels", [1, 3, 256])
def test_percentiles_are_those_of_numpy_to_the_last_bit(pixels: tuple[int, int], levels: int) -> None:
    chance = np.random.default_rng(levels)
    for one in (chance.integers(0, levels, pixels, np.uint8), chance.integers(256 - levels, 256, pixels, np.uint8)):
        asked = (0, 5, 7.3, 50, 75, 95, 100)
        assert percentiles(one, asked) == tuple(np.percentile(one, asked))
        assert median(one) == np.median(one)
