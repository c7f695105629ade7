"""A picture in the terminal's own pixels (Kitty, Sixel) where `--images` found them, in half blocks elsewhere."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar

from textual.app import ComposeResult

from loratui.terminal import images
from loratui.widgets.thumbnail import Key, Pixels, Thumbnail

# px a side, the size of an SDXL sample: encoding it takes a tenth of a second and more, and the wire about a megabyte
LONGEST = 1024


class SharpPicture(Thumbnail):
    """Words as the thumbnail has them; pixels by a child of textual-image, which gets them decoded and bounded.

    No byte of a file reaches the terminal: what is sent is base64 of a PNG made anew from the pixels (Kitty), or the
    64 letters and the colour table of Sixel; the escape bytes around it are the library's own.
    """

    DEFAULT_CSS = "SharpPicture { align: center middle; }"
    CACHED: ClassVar[int] = 4  # at up to three megabytes each
    _cache: ClassVar[OrderedDict[Key, Pixels | str]] = OrderedDict()
    _child: Any = None  # the library's types are loose, and it need not be installed

    def compose(self) -> ComposeResult:
        """The library's widget, hidden while there is nothing to draw."""
        from textual_image.widget import SixelImage, TGPImage

        self._child = SixelImage() if images.drawing().protocol == "sixel" else TGPImage()
        self._child.display = False
        yield self._child

    def _pixels(self) -> tuple[int, int]:
        width, height = images.drawing().cell
        return min(LONGEST, self.size.width * width), min(LONGEST, self.size.height * height)

    def _put(self, found: Pixels | str) -> None:
        super()._put(found)
        if self._child is None:
            return
        self._child.display = isinstance(found, Pixels)
        if isinstance(found, Pixels):
            from PIL import Image

            width, height = images.drawing().cell
            self._child.styles.width = max(1, min(self.size.width, round(found.width / width)))
            self._child.styles.height = max(1, min(self.size.height, round(found.height / height)))
            self._child.image = Image.frombytes("RGB", (found.width, found.height), found.data)


def picture(empty: str, id: str) -> Thumbnail:
    """The widget for a large picture, as `--images` decided."""
    return SharpPicture(empty, id=id) if images.drawing().protocol else Thumbnail(empty, id=id)
