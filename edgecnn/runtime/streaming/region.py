"""A region of a frame: the part that is classified instead of the whole frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.errors import ImageError, UsageError

if TYPE_CHECKING:
    from edgecnn.runtime.sources.frame import Frame

__all__ = ["Region"]

_EXPECTED = "expected X,Y,WIDTH,HEIGHT as fractions of the frame (0.25,0,0.5,1) or as whole pixels (160,0,320,480)"
_ROUNDING = 1e-9  # 0.1 + 0.9 may be a little above 1
_DIGITS = 6  # of fractions that are computed: finer than a pixel of any camera
_MIN_LEFT = 0.9  # of its area: of a moved region that reaches over the edge of the frame


@dataclass(frozen=True)
class Region:
    """A rectangle of a frame. Where all four values are at most 1 they are fractions of the frame, else pixels.

    Raises:
        UsageError: a value is negative or not finite, the rectangle is empty, fractions end outside the frame, or
            pixels are not whole.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        values = self.x, self.y, self.width, self.height
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise UsageError(f"region {self}: a value is negative or not a finite number; {_EXPECTED}")
        if not (self.width and self.height):
            raise UsageError(f"region {self}: it is empty, its width and height must be above 0; {_EXPECTED}")
        if self.in_fractions:
            if max(self.x + self.width, self.y + self.height) > 1 + _ROUNDING:
                raise UsageError(f"region {self}: it ends outside the frame; {_EXPECTED}")
        elif any(value != int(value) for value in values):
            raise UsageError(f"region {self}: pixels and fractions are mixed; {_EXPECTED}")

    @classmethod
    def parse(cls, text: str) -> Region:
        """Reads ``X,Y,WIDTH,HEIGHT``. Raises :class:`UsageError`."""
        try:
            x, y, width, height = (float(part) for part in text.split(","))
        except ValueError as error:
            raise UsageError(f"region {text!r}: not four numbers with commas; {_EXPECTED}") from error
        return cls(x, y, width, height)

    @property
    def in_fractions(self) -> bool:
        """Whether the values are fractions of the frame; else they are pixels."""
        return max(self.x, self.y, self.width, self.height) <= 1

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The region's pixels in a frame: left, top, right and bottom, the last two exclusive; at least one pixel.

        Args:
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Raises:
            ImageError: it does not lie within the frame.
        """
        if self.in_fractions:
            left, right = _edges(self.x, self.width, width)
            top, bottom = _edges(self.y, self.height, height)
            return left, top, right, bottom
        left, top = int(self.x), int(self.y)
        right, bottom = left + int(self.width), top + int(self.height)
        if right > width or bottom > height:
            raise ImageError(
                f"the region {self} does not lie within the frame of {width} x {height} pixels; choose a region within "
                "it, or give it as fractions of the frame"
            )
        return left, top, right, bottom

    def crop(self, frame: Frame) -> Frame:
        """The frame with the region alone as its image, a view of the same pixels, and with the same name and times.

        ``Frame.region`` names the region and ``Frame.whole`` keeps the whole image.

        Raises:
            ImageError: the region does not lie within the frame.
        """
        whole = frame.full_image()
        try:
            left, top, right, bottom = self.box(*whole.shape[:2])
        except ImageError as error:
            raise ImageError(f"{frame.name}: {error}") from error
        return replace(frame, image=whole[top:bottom, left:right], region=str(self), whole=whole)

    def shifted(self, dx_px: float, dy_px: float, height: int, width: int) -> Region:
        """The region after the view has moved; what then lies outside the frame is cut off.

        Args:
            dx_px: how far the view's content moved to the right, in pixels of the frame.
            dy_px: how far it moved down.
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Returns:
            A region in the same unit.

        Raises:
            ImageError: the region does not lie within the frame, or more than a tenth of it would be cut off.
        """
        left, top, right, bottom = self.box(height, width)
        dx, dy = round(dx_px), round(dy_px)
        x, y = max(0, left + dx), max(0, top + dy)
        w, h = min(width, right + dx) - x, min(height, bottom + dy) - y
        if w <= 0 or h <= 0 or w * h < _MIN_LEFT * (right - left) * (bottom - top):
            raise ImageError(
                f"the region {self}, moved by {dx} pixels to the right and {dy} down, leaves the frame of {width} x "
                f"{height} pixels; draw it again, or turn the camera back"
            )
        if not self.in_fractions:
            return Region(x, y, w, h)
        return Region(*(round(part, _DIGITS) for part in (x / width, y / height, w / width, h / height)))

    def __str__(self) -> str:
        return ",".join(map(_number, (self.x, self.y, self.width, self.height)))


def _edges(start: float, extent: float, size: int) -> tuple[int, int]:
    """The first pixel and the one after the last, of fractions of a side of ``size`` pixels."""
    first = min(round(start * size), size - 1)
    return first, max(first + 1, min(size, round((start + extent) * size)))


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
