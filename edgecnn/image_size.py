"""Sizes as options give them: of a network's input, and of the largest image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from edgecnn.command_options import Option
from edgecnn.errors import UsageError

__all__ = [
    "MAX_MEGAPIXELS",
    "MAX_SIDE",
    "MIN_SIDE",
    "MOST_PIXELS",
    "ImageSize",
    "LargeImageOption",
    "Megapixels",
    "height_width",
    "pixel_limit",
    "read_image_size",
    "show_image_size",
]

ImageSize: TypeAlias = int | tuple[int, int]
"""Pixels: the side of a square, or (height, width)."""

MIN_SIDE, MAX_SIDE = 8, 4096  # pixels
_MOST_MEGAPIXELS = 1000.0  # OpenCV refuses 2^30 pixels
MOST_PIXELS = round(_MOST_MEGAPIXELS * 1e6)
"""For images that a command has read before, within its own limit."""


def height_width(size: ImageSize) -> tuple[int, int]:
    """Height and width in pixels."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def read_image_size(text: str) -> ImageSize:
    """Reads ``224``, ``96x160`` or ``96,160`` (height, width); of a square its side. Raises :class:`UsageError`."""
    parts = text.lower().replace("x", ",").split(",")
    sides = [int(part) for part in parts if part.strip().isdecimal()]
    if len(sides) != len(parts) or len(sides) > 2 or not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise UsageError(
            f"--imgsz {text}: expected a side of {MIN_SIDE} to {MAX_SIDE} pixels, or HEIGHTxWIDTH as in 96x160"
        )
    return sides[0] if sides[0] == sides[-1] else (sides[0], sides[-1])


def show_image_size(size: ImageSize) -> str:
    """As :func:`read_image_size` reads it."""
    height, width = height_width(size)
    return str(height) if height == width else f"{height}x{width}"


def pixel_limit(megapixels: float) -> int:
    """The largest number of pixels of an image, from ``--max-megapixels``. Raises :class:`UsageError`."""
    if not 0 < megapixels <= _MOST_MEGAPIXELS:
        raise UsageError(f"--max-megapixels {megapixels:g}: expected above 0, at most {_MOST_MEGAPIXELS:g}")
    return round(megapixels * 1e6)


Megapixels: TypeAlias = Annotated[
    float,
    Option("Largest image in megapixels; larger ones are left out and named. Each takes 6 to 8 MB a megapixel."),
]
"""The type of a field ``max_megapixels``, which ``--max-megapixels`` sets; its default is :data:`MAX_MEGAPIXELS`."""

MAX_MEGAPIXELS = 64.0


@dataclass(frozen=True, kw_only=True)
class LargeImageOption:
    """``--max-megapixels``."""

    max_megapixels: Megapixels = MAX_MEGAPIXELS

    @property
    def max_pixels(self) -> int:
        """The same in pixels. Raises :class:`UsageError`."""
        return pixel_limit(self.max_megapixels)
