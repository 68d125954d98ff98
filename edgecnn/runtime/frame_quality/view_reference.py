"""The reference of a camera's view: a small grey image, stored as the text of a PNG file, and how it is learned."""

from __future__ import annotations

import base64
import binascii
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import UsageError
from edgecnn.preprocess import ColorOrder, Image

__all__ = ["SIDE", "ViewLearner", "read_reference", "shifted_reference", "small_grey", "write_reference"]

SIDE = 160
"""Pixels of the longer side of a reference."""

_LONGEST_TEXT = 200_000  # characters: a PNG of such a size has 40,000 at most
_HEADER = slice(16, 24)  # of a PNG file: width and height
_MOST_KEPT = 64  # frames


def small_grey(image: Image, color: ColorOrder = "bgr") -> NDArray[np.uint8]:
    """An image in the size and form of a reference: uint8 ``[H, W]``, its longer side at most 160 pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    return grey_of_size(image, max(1, round(height * scale)), max(1, round(width * scale)), color)


def grey_of_size(image: Image, height: int, width: int, color: ColorOrder = "bgr") -> NDArray[np.uint8]:
    """An image as grey levels in another size, uint8 ``[height, width]``."""
    method = cv2.INTER_AREA if image.shape[1] >= width else cv2.INTER_LINEAR
    small = cv2.resize(image, (width, height), interpolation=method)
    order = cv2.COLOR_BGR2GRAY if color == "bgr" else cv2.COLOR_RGB2GRAY
    return cast("NDArray[np.uint8]", cv2.cvtColor(small, order))


def write_reference(grey: NDArray[np.uint8]) -> str:
    """The text that :func:`read_reference` reads."""
    return base64.b64encode(cv2.imencode(".png", grey)[1].tobytes()).decode("ascii")


def read_reference(text: object) -> NDArray[np.uint8]:
    """Returns the image, uint8 ``[H, W]``. Raises :class:`UsageError` if the text is not a small PNG in base64."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise UsageError("a reference view is not the text of a small PNG image")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"a reference view is not in base64 ({error})") from error
    sides = [int.from_bytes(data[_HEADER][i : i + 4], "big") for i in (0, 4)]  # before anything is decoded
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or not all(1 <= side <= SIDE for side in sides):
        raise UsageError(f"a reference view is not a PNG image of at most {SIDE} x {SIDE} pixels")
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise UsageError("a reference view is a damaged PNG image")
    return cast("NDArray[np.uint8]", grey)


def shifted_reference(text: str, dx_share: float, dy_share: float) -> str:
    """The reference of a view that moved and stays so. What came into view with the movement is left even, so that it
    is not compared.

    Args:
        text: of the reference.
        dx_share: how far the view moved to the right, as a share of its width.
        dy_share: how far it moved down, as a share of its height.
    """
    grey = read_reference(text)
    height, width = grey.shape
    move = np.array([[1, 0, dx_share * width], [0, 1, dy_share * height]])
    moved = cv2.warpAffine(grey, move, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=float(grey.mean()))
    return write_reference(cast("NDArray[np.uint8]", moved))


class ViewLearner:
    """Collects frames of a camera, evenly over a recording of any length; keeps up to 64 small ones."""

    def __init__(self) -> None:
        self.kept: list[NDArray[np.uint8]] = []
        self._every = 1
        self._seen = 0

    def add(self, image: Image, color: ColorOrder = "bgr") -> None:
        """Adds a frame, uint8 ``[H, W, 3]``."""
        if self._seen % self._every == 0:
            self.kept.append(small_grey(image, color))
            if len(self.kept) > _MOST_KEPT:
                self.kept = self.kept[::2]
                self._every *= 2
        self._seen += 1

    def usual(self) -> NDArray[np.uint8] | None:
        """What the camera usually shows, without what passes through; None if the size of its frames changed."""
        if not self.kept or any(grey.shape != self.kept[0].shape for grey in self.kept):
            return None
        return cast("NDArray[np.uint8]", np.median(np.stack(self.kept), axis=0).astype(np.uint8))
