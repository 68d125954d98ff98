"""Decodes the bytes of an image file, whole or, where a JPEG is larger than a model needs, at 1/8, 1/4 or 1/2 of its
size.

A JPEG stores 8 x 8 blocks of frequencies; the decoder computes a smaller image from the low ones alone, which takes a
fifth of the time (libjpeg-turbo, ``scale_num`` in its ``libjpeg.txt``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ImageError
from edgecnn.image.decoding_memory import decoding_bytes
from edgecnn.image.exif import exif_orientation
from edgecnn.image.formats.avif_boxes import AvifImage, read_avif
from edgecnn.image.formats.pnm import states_a_range
from edgecnn.image.header import HeaderError, ImageHeader, read_header
from edgecnn.image.spread_levels import decode_spread

__all__ = ["MAX_PIXELS", "ColorOrder", "Decoded", "Image", "Part", "check_range", "decode", "decode_part"]

Image = NDArray[np.uint8]
"""uint8 ``[H, W, 3]``."""

MAX_PIXELS = 64_000_000
"""64 megapixels: more than common sensors have, and 192 MB when decoded."""

_BYTES_A_PIXEL, _LEAST_BYTES = 8, 64_000_000
"""Of memory that decoding may take: for each pixel of the limit, 512 MB of 64 megapixels, and for any image at all."""

ColorOrder = Literal["bgr", "rgb"]
"""Channel order of an image array: ``bgr`` is OpenCV's order."""

Part = Literal[1, 2, 4, 8]
"""An image is decoded at one part in so many of its width and height; 1: whole."""

_LEAST_RANGE = 4096
"""Of 16 bits a channel: an image whose largest value is below uses 12 bits at most."""

_IN_RANGE = 17
"""Of 8 bits: of an image that reaches it, the largest of 16 bits is in range. They may be rounded: 4095 becomes 16."""

_EXACT_BYTES = 16
"""Of memory for each pixel that is decoded with all of its bits and four channels."""

_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}  # both eight bits, EXIF orientation applied
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}  # BGR alone
_FIRST_TURNED = 5  # EXIF orientations from this one on exchange width and height
_ENDS_ABOVE, _ENDS_LEFT = (3, 4, 7, 8), (2, 3, 6, 7)  # EXIF orientations whose last row, or column, lies there

# Whole files of these formats may be refused by the decoder too
_PERHAPS_WHOLE = {
    "AVIF": "this OpenCV was built without AVIF",  # unlike the wheels on PyPI
    "JPEG 2000": "this OpenCV was built without JPEG 2000, or its colours are subsampled",
    "TIFF": "OpenCV does not read its kind (10, 12 or 14 bits, half floats, more than four channels)",
}
# What OpenCV 5.0 does for colour and not for grey (findings/opencv_avif_grey_keeps_its_studio_range.sh)
_STUDIO_LEVELS = np.clip((np.arange(256) - 16) * (255 / 219), 0, 255).round().astype(np.uint8)
_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded image, and what it is of its file."""

    image: Image  # uint8 [h, w, 3], upright
    full_size: tuple[int, int]  # height, width in pixels of the whole image, upright
    part: Part = 1  # the image's sides are those of the file divided by this, rounded up
    ends_above: bool = False  # where the file's last row lies: EXIF's orientation may turn it
    ends_left: bool = False

    @staticmethod
    def whole(image: Image) -> Decoded:
        """An image in its own size."""
        return Decoded(image, image.shape[:2])


def decode(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS, color: ColorOrder = "rgb") -> Image:
    """Decodes the bytes of an image file.

    Args:
        data: the complete file.
        name: name of the image in error messages.
        max_pixels: refuse an image whose header states more pixels.
        color: channel order of the result.

    Returns:
        uint8 ``[H, W, 3]`` at the image's own size.

    Raises:
        ImageError: the data are not an image, are truncated or corrupt, or the image is too large.
    """
    return decode_part(data, lambda _height, _width: 1, name, max_pixels, color).image


def decode_part(
    data: bytes,
    part: Callable[[int, int], Part],
    name: str = "image",
    max_pixels: int = MAX_PIXELS,
    color: ColorOrder = "rgb",
) -> Decoded:
    """As :func:`decode`; a JPEG at the part of its size that ``part(height, width)`` names, of its upright size.

    Its sides are those of the file divided by the part, rounded up. Raises as :func:`decode`.
    """
    header = _checked_header(data, name, max_pixels)
    asked: Part = 1
    orientation = 1
    if header.format == "JPEG":
        size, orientation = (header.height, header.width), exif_orientation(data)
        asked = part(*(size[::-1] if orientation >= _FIRST_TURNED else size))
    _check_memory(data, header, asked, name, max_pixels)
    spread = header.format == "PNM" and states_a_range(data)
    try:
        image = decode_spread(data, rgb=color == "rgb") if spread else _pixels(data, asked, color)
        if header.bits > 8 and not spread and image is not None and image.max() < _IN_RANGE:
            _check_depth(data, header, name, _allowed_bytes(max_pixels))
    except cv2.error:
        image = None
    stored = -(-header.height // asked), -(-header.width // asked)
    if image is None or image.shape[:2] not in (stored, stored[::-1]):  # EXIF may turn it
        raise ImageError(_why_undecoded(name, header.format))
    if header.format == "AVIF":
        avif = read_avif(data)
        image = _turned(_STUDIO_LEVELS[image] if avif.studio_grey else image, avif)
    if asked == 1:
        return Decoded.whole(image)
    turned = image.shape[:2] != stored or (stored[0] == stored[1] and orientation >= _FIRST_TURNED)
    full_size = (header.width, header.height) if turned else (header.height, header.width)
    return Decoded(image, full_size, asked, orientation in _ENDS_ABOVE, orientation in _ENDS_LEFT)


def _checked_header(data: bytes, name: str, max_pixels: int) -> ImageHeader:
    try:
        header = read_header(data)
    except HeaderError as error:
        raise ImageError(f"{name}: {error}; {error.remedy}") from error
    if header.width * header.height > max_pixels:
        raise ImageError(
            f"{name}: {header.width} x {header.height} pixels exceed the limit of {max_pixels / 1e6:g} megapixels; "
            "make the image smaller, or raise --max-megapixels if you trust the file"
        )
    return header


def _allowed_bytes(max_pixels: int) -> int:
    return max(_LEAST_BYTES, _BYTES_A_PIXEL * max_pixels)


def _check_memory(data: bytes, header: ImageHeader, part: Part, name: str, max_pixels: int) -> None:
    allowed = _allowed_bytes(max_pixels)
    needed = decoding_bytes(data, header, part, allowed)
    if needed > allowed:
        raise ImageError(
            f"{name}: decoding {header.width} x {header.height} pixels of this {header.format} file takes "
            f"{needed / 1e6:,.0f} MB, which exceed the limit of {allowed / 1e6:,.0f} MB; make the image smaller, or "
            "raise --max-megapixels if you trust the file"
        )


def _pixels(data: bytes, part: Part, color: ColorOrder) -> Image | None:
    """The upright pixels; None where they cannot be decoded. Raises :class:`cv2.error`."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color] if part == 1 else _REDUCED[part])
    if found is not None and part != 1 and color == "rgb":
        cv2.cvtColor(found, cv2.COLOR_BGR2RGB, found)
    return found  # type: ignore[return-value]  # cv2's stubs know no dtype: these flags give uint8


def _why_undecoded(name: str, image_format: str) -> str:
    if perhaps := _PERHAPS_WHOLE.get(image_format):
        return (
            f"{name}: the {image_format} file cannot be decoded: it is corrupt, or {perhaps}; convert it to PNG with 8 "
            "bits a channel"
        )
    return f"{name}: the {image_format} file is corrupt and cannot be decoded; replace or remove it"


def _turned(image: Image, avif: AvifImage) -> Image:
    if avif.quarter_turns:
        image = cv2.rotate(image, _TURNS[avif.quarter_turns])  # type: ignore[assignment]
    if avif.mirrored:
        image = cv2.flip(image, 1 if avif.mirrored == "columns" else 0)  # type: ignore[assignment]
    return image


def check_range(levels: NDArray[np.uint16], name: str) -> None:
    """Refuses 16-bit levels, any shape, of which eight bits would keep next to nothing.

    Cameras and scientific instruments write 10 or 12 bits into files of 16: the upper eight hold 4 or 16 grey levels.

    Raises:
        ImageError: at most 12 of the 16 bits are used.
    """
    largest = int(levels.max())
    if 0 < largest < _LEAST_RANGE:
        used = max(largest.bit_length(), 8)
        raise ImageError(
            f"{name}: has 16 bits a channel and uses {used} (largest value {largest}); the upper eight keep "
            f"{(largest >> 8) + 1} grey levels; multiply its values by {1 << (16 - used)} when you write it, or "
            "convert it to 8 bits"
        )


def _check_depth(data: bytes, header: ImageHeader, name: str, allowed_bytes: int) -> None:
    """Raises :class:`ImageError` for a dark file of 16 bits a channel that eight bits cannot show."""
    if _EXACT_BYTES * header.width * header.height > allowed_bytes:
        raise ImageError(
            f"{name}: has 16 bits a channel and uses 12 or hardly more; multiply its values when you write it, or "
            "convert it to 8 bits"
        )
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype == np.uint8:
        return
    if found.dtype != np.uint16:
        raise ImageError(
            f"{name}: holds {found.dtype} numbers, of which black and white are not known; convert it to 8 or 16 bits"
        )
    # An opaque image has the largest value everywhere in its alpha
    colors = found[..., :3] if found.ndim == 3 else found
    check_range(colors, name)  # type: ignore[arg-type]  # cv2's stubs know no dtype
