"""How blurred a picture is, whole and on the face: the blur effect of Crete, Dolmiere, Ladret and Nicolas (2007)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

WINDOW = 11  # px of the second blur that the picture is compared with
AREA = 1024 * 1024  # px; larger pictures are brought to this, as training does
SMALLEST_FACE = 64  # px of face height below which nothing can be said of it
ROUND_THE_FACE = 0.15  # of the face's size, added on every side


def blur_effect(grey: ndarray) -> float:
    """0 is sharp, 1 is blurred: what a second blur changes little was blurred before.

    The figure of `skimage.measure.blur_effect`, to the last digit that matters, in a quarter of its time.
    """
    cv2 = opencv()
    import numpy as np

    grey = grey.astype(np.float32)
    worst = 0.0
    for dx, dy, window in ((0, 1, (1, WINDOW)), (1, 0, (WINDOW, 1))):
        again = cv2.blur(grey, window, borderType=cv2.BORDER_REFLECT)
        sharp = np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=3, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
        blurred = np.abs(cv2.Sobel(again, cv2.CV_32F, dx, dy, ksize=3, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
        total = float(sharp.sum())
        if total > 0:
            worst = max(worst, 1 - float(np.maximum(0, sharp - blurred).sum()) / total)
    return worst


def normal_grey(picture: Image) -> ndarray:
    """The luminance of `picture`, brought to 1024 x 1024 px of area where it has more."""
    import numpy as np
    from PIL import Image as Pillow

    grey = picture.convert("L")
    scale = (AREA / (grey.width * grey.height)) ** 0.5
    if scale < 1:
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        grey = grey.resize(size, Pillow.Resampling.LANCZOS)
    return np.asarray(grey)


def face_part(grey: ndarray, box: tuple[float, float, float, float]) -> ndarray | None:
    """The face (x, y, width, height as fractions of the picture) with its surroundings; None where it is too small."""
    height, width = grey.shape
    x, y, w, h = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    if h < SMALLEST_FACE:
        return None
    left, top = max(0, int(x - w * ROUND_THE_FACE)), max(0, int(y - h * ROUND_THE_FACE))
    right, bottom = int(x + w * (1 + ROUND_THE_FACE)), int(y + h * (1 + ROUND_THE_FACE))
    return grey[top:bottom, left:right]
