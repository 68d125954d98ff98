"""The one way an image becomes a tensor.

An image file, its bytes or an array -> uint8 ``[H, W, 3]`` RGB of the model's size.

Training's validation, calibration, verification and the device all call :func:`preprocess`, driven by the manifest.
OpenCV alone decodes and resizes: Pillow gives other pixels. What unusual images become (the same everywhere):

==================  ====================================================================================== EXIF
orientation    applied grey                the grey level in all three channels alpha               left out; the stored
colours stay as they are, transparent or not (in a TIFF they are multiplied by it) 16 bits a channel   the upper eight
bits (in a TIFF in colour rounded) palette             the palette's colours CMYK JPEG           OpenCV's conversion,
without colour profiles animation           the first frame cut short           refused (OpenCV would fill a JPEG up
with grey) over 64 megapixels  refused, from the header, before anything is decoded (``max_pixels``) ==================
======================================================================================
"""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.image.antialiased_resize import Filter, resize_antialiased
from edgecnn.image.area_resize import resize_area
from edgecnn.image.header import HeaderError, read_header
from edgecnn.manifest import InputSpec, PreprocessSpec

__all__ = ["MAX_PIXELS", "Image", "check_image", "decode", "fit", "preprocess", "read_bytes", "read_image"]

Image = NDArray[np.uint8]
"""uint8 ``[H, W, 3]``."""

MAX_PIXELS = 64_000_000
"""64 megapixels: above every sensor in the field, and 192 MB decoded."""

_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}  # both eight bits, EXIF orientation applied

_INTERPOLATION = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST_EXACT,  # samples pixel centres as Pillow does; INTER_NEAREST is half a pixel off
}

_ANTIALIASED: dict[str, Filter] = {"antialias": "bilinear", "antialias-cubic": "bicubic"}


ColorOrder = Literal["bgr", "rgb"]
"""The channel order of an array: OpenCV's own, or everybody else's."""


def preprocess(
    source: str | os.PathLike[str] | bytes, size: InputSpec, spec: PreprocessSpec, max_pixels: int = MAX_PIXELS
) -> Image:
    """An image file, or its bytes, to the model's input.

    Returns:
        uint8 ``[size.height, size.width, 3]``, RGB.

    Raises:
        InputNotFoundError: no such file.
        ImageError: it cannot be read; the message names it and says why.
    """
    image = decode(source, max_pixels=max_pixels) if isinstance(source, bytes) else read_image(source, max_pixels)
    return fit(image, size, spec)


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image:
    """Reads and decodes an image file: uint8 ``[H, W, 3]``, RGB, in its own size. Raises as :func:`preprocess`."""
    return decode(read_bytes(path), name=os.fspath(path), max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """An image file's bytes. Raises :class:`InputNotFoundError` or :class:`ImageError`."""
    try:
        regular = stat.S_ISREG(Path(path).stat().st_mode)
        data = Path(path).read_bytes() if regular else b""  # reading a pipe would wait for a writer, for ever
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such image; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path}: cannot be read: {why}") from error
    if not regular:
        raise ImageError(f"{path}: not a regular file; leave it out")
    return data


def decode(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS, color: ColorOrder = "rgb") -> Image:
    """Decodes an image file's bytes.

    Args:
        data: the whole file.
        name: what to call it in an error.
        max_pixels: refuse an image of more pixels, by its header.
        color: the channel order wanted.

    Returns:
        uint8 ``[H, W, 3]`` in the image's own size.

    Raises:
        ImageError: no image, cut short, too large, or broken inside.
    """
    try:
        header = read_header(data)
    except HeaderError as error:
        raise ImageError(f"{name}: {error}; replace the image or leave it out") from error
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise ImageError(
            f"{name}: {header.width} x {header.height} pixels are more than the limit of {max_pixels / 1e6:g} "
            "megapixels; "
            "make it smaller, or raise the limit if you trust the file"
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color])
    except cv2.error:
        image = None
    if image is None or sorted(image.shape[:2]) != sorted((header.height, header.width)):  # sorted: EXIF may turn it
        raise ImageError(
            f"{name}: the {header.format} file is broken inside and cannot be decoded; replace it or leave it out"
        )
    return image  # type: ignore[return-value]  # cv2's stubs know no dtype: IMREAD_COLOR_RGB gives uint8


def fit(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Brings an image to the model's size; channels are left in the order they come.

    Args:
        image: uint8 ``[h, w, 3]``, any size.

    Returns:
        uint8 ``[size.height, size.width, 3]``, contiguous; the image itself where it fits already.
    """
    if spec.resize == "crop":
        return _crop(image, size, spec)
    if spec.resize == "letterbox":
        return _letterbox(image, size, spec)
    return _resize(image, size.width, size.height, spec)


def check_image(array: object, name: str = "image") -> Image:
    """An array as a caller gave it.

    Raises :class:`ImageError` unless it is uint8 ``[H, W, 3]`` with at least one pixel.
    """
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{name}: a {type(array).__name__} is no image; give a path or a uint8 array [H, W, 3]")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(f"{name}: {array.dtype} {list(array.shape)}, expected uint8 [H, W, 3] with at least one pixel")
    return array


def _resize(image: Image, width: int, height: int, spec: PreprocessSpec) -> Image:
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    if spec.interpolation == "area":
        return resize_area(image, width, height)
    if spec.interpolation in _ANTIALIASED:
        return resize_antialiased(image, width, height, _ANTIALIASED[spec.interpolation])
    return cv2.resize(image, (width, height), interpolation=_INTERPOLATION[spec.interpolation])  # type: ignore[return-value]


def _crop(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Shorter side to size / crop_fraction, each side rounded, then the centre: torchvision's Resize and CenterCrop."""
    image = _without_long_ends(image)
    if spec.interpolation in _ANTIALIASED:
        return _crop_as_torchvision(image, size, spec)
    height, width = image.shape[:2]
    factor = max(size.height / height, size.width / width) / spec.crop_fraction
    new_width, new_height = max(size.width, round(width * factor)), max(size.height, round(height * factor))
    top, left = (new_height - size.height) // 2, (new_width - size.width) // 2
    wanted_rows, wanted_columns = (top, size.height), (left, size.width)
    if (
        spec.interpolation != "area" or new_height > height or new_width > width
    ):  # these look beyond the edges of a part
        wanted_rows, wanted_columns = (0, new_height), (0, new_width)
    from_rows, rows = _needed(height, new_height, *wanted_rows)
    from_columns, columns = _needed(width, new_width, *wanted_columns)
    resized = _resize(image[from_rows, from_columns], columns.stop - columns.start, rows.stop - rows.start, spec)
    top, left = top - rows.start, left - columns.start
    return np.ascontiguousarray(resized[top : top + size.height, left : left + size.width])


def _crop_as_torchvision(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """As torchvision's Resize and CenterCrop to the pixel: the longer side rounded down, half a pixel to the even."""
    height, width = image.shape[:2]
    shorter = round(max(size.height, size.width) / spec.crop_fraction)
    if height <= width:
        new_height, new_width = shorter, int(shorter * width / height)
    else:
        new_height, new_width = int(shorter * height / width), shorter
    top, left = round((new_height - size.height) / 2), round((new_width - size.width) / 2)
    kind = _ANTIALIASED[spec.interpolation]
    rows, columns = slice(top, top + size.height), slice(left, left + size.width)
    return resize_antialiased(image, new_width, new_height, kind, rows=rows, columns=columns)


def _needed(length: int, resized: int, first: int, count: int) -> tuple[slice, slice]:
    """Of a line of ``length`` pixels and of what an area resize makes of it, ``resized`` pixels.

    The parts that ``count`` from ``first`` on need.

    They begin and end where the edges of pixels meet, and the scale stays as it is: the part becomes the same, to the
    bit, as it does in the whole.
    """
    meet = math.gcd(length, resized)
    source, result = length // meet, resized // meet
    begin, end = first // result, -(-(first + count) // result)
    return slice(begin * source, end * source), slice(begin * result, end * result)


def _without_long_ends(image: Image, most: int = 8) -> Image:
    """The middle of an image over ``most`` times as long as wide.

    Resizing a 1 x 60,000 strip whole would take gigabytes.
    """
    height, width = image.shape[:2]
    keep_height, keep_width = min(height, most * width), min(width, most * height)
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return image[top : top + keep_height, left : left + keep_width]


def _letterbox(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """The whole image at its own aspect ratio, centred on grey bars."""
    height, width = image.shape[:2]
    factor = min(size.height / height, size.width / width)
    new_width, new_height = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = np.full((size.height, size.width, 3), spec.pad_value, np.uint8)
    top, left = (size.height - new_height) // 2, (size.width - new_width) // 2
    canvas[top : top + new_height, left : left + new_width] = _resize(image, new_width, new_height, spec)
    return canvas
