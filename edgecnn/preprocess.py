"""Preprocessing: converts an image file, its bytes or an array to the model's input, uint8 ``[H, W, 3]`` RGB.

Training's validation, calibration, verification and the device all call :func:`preprocess`, driven by the manifest.
OpenCV decodes and resizes; Pillow gives different pixels. Unusual images are handled the same everywhere:

==================  =======================================================================================
EXIF orientation    applied; in AVIF the orientation that the file states outside EXIF, as its standard says
grey                the grey level is copied to all three channels
alpha               dropped; the stored colours stay unchanged (in a TIFF they are multiplied by alpha)
16 bits a channel   the upper eight bits (in a colour TIFF rounded)
palette             converted to the colours of the palette
CMYK JPEG           converted by OpenCV, without colour profiles
animation           the first frame
truncated file      refused (OpenCV would fill the missing part of a JPEG with grey)
over 64 megapixels  refused from the header, before decoding (``max_pixels``, ``--max-megapixels``)
==================  =======================================================================================
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
from edgecnn.image.avif import AvifImage, read_avif
from edgecnn.image.header import HeaderError, read_header
from edgecnn.manifest import InputSpec, PreprocessSpec

__all__ = [
    "MAX_PIXELS",
    "Image",
    "check_image",
    "check_range",
    "decode",
    "fit",
    "preprocess",
    "read_bytes",
    "read_image",
]

Image = NDArray[np.uint8]
"""uint8 ``[H, W, 3]``."""

MAX_PIXELS = 64_000_000
"""64 megapixels: more than common sensors have, and 192 MB when decoded."""


_LEAST_RANGE = 4096
"""Of 16 bits a channel: an image whose largest value is below uses 12 bits at most."""

_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "bgr": cv2.IMREAD_COLOR_BGR}  # both eight bits, EXIF orientation applied

# Whole files of these formats may be refused by the decoder too
_PERHAPS_WHOLE = {
    "AVIF": "this OpenCV was built without AVIF",  # unlike the wheels on PyPI
    "JPEG 2000": "this OpenCV was built without JPEG 2000, or its colours are subsampled",
    "TIFF": "OpenCV does not read its kind (10, 12 or 14 bits, half floats, more than four channels)",
}
_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}

_INTERPOLATION = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST_EXACT,  # samples pixel centres as Pillow does; INTER_NEAREST is half a pixel off
}

_ANTIALIASED: dict[str, Filter] = {"antialias": "bilinear", "antialias-cubic": "bicubic"}


ColorOrder = Literal["bgr", "rgb"]
"""Channel order of an image array: ``bgr`` is OpenCV's order."""


def preprocess(
    source: str | os.PathLike[str] | bytes, size: InputSpec, spec: PreprocessSpec, max_pixels: int = MAX_PIXELS
) -> Image:
    """Reads, decodes and resizes an image to the model's input.

    Returns:
        uint8 ``[size.height, size.width, 3]``, RGB.

    Raises:
        InputNotFoundError: the file does not exist.
        ImageError: the image cannot be read. The message names the file and the reason.
    """
    image = decode(source, max_pixels=max_pixels) if isinstance(source, bytes) else read_image(source, max_pixels)
    return fit(image, size, spec)


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image:
    """Reads and decodes an image file to uint8 ``[H, W, 3]`` RGB at its own size. Raises as :func:`preprocess`."""
    return decode(read_bytes(path), name=os.fspath(path), max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Reads the bytes of an image file. Raises :class:`InputNotFoundError` or :class:`ImageError`."""
    try:
        regular = stat.S_ISREG(Path(path).stat().st_mode)
        data = Path(path).read_bytes() if regular else b""  # reading a pipe would wait for a writer, for ever
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path}: cannot be read: {why}") from error
    if not regular:
        raise ImageError(f"{path}: not a regular file; remove it from the list of images")
    return data


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
    try:
        header = read_header(data)
    except HeaderError as error:
        raise ImageError(f"{name}: {error}; {error.remedy}") from error
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise ImageError(
            f"{name}: {header.width} x {header.height} pixels exceed the limit of {max_pixels / 1e6:g} megapixels; "
            "make the image smaller, or raise --max-megapixels if you trust the file"
        )
    try:
        if header.bits > 8:
            _check_depth(data, name)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color])
    except cv2.error:
        image = None
    if image is None or sorted(image.shape[:2]) != sorted((header.height, header.width)):  # sorted: EXIF may turn it
        raise ImageError(_why_undecoded(name, header.format))
    if header.format == "AVIF":
        return _turned(image, read_avif(data))  # type: ignore[arg-type]
    return image  # type: ignore[return-value]  # cv2's stubs know no dtype: IMREAD_COLOR_RGB gives uint8


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


def _check_depth(data: bytes, name: str) -> None:
    """Raises :class:`ImageError` for a file of more than eight bits a channel that eight bits cannot show."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype == np.uint8:
        return
    if found.dtype != np.uint16:
        raise ImageError(
            f"{name}: holds {found.dtype} numbers, of which black and white are not known; convert it to 8 or 16 bits"
        )
    check_range(found, name)  # type: ignore[arg-type]  # cv2's stubs know no dtype


def fit(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Resizes an image to the model's size. Keeps the channel order.

    Args:
        image: uint8 ``[h, w, 3]``, any size.

    Returns:
        uint8 ``[size.height, size.width, 3]``, contiguous. The same array if it already has that size.
    """
    if spec.resize == "crop":
        return _crop(image, size, spec)
    if spec.resize == "letterbox":
        return _letterbox(image, size, spec)
    return _resize(image, size.width, size.height, spec)


def check_image(array: object, name: str = "image") -> Image:
    """Checks an array that a caller passed.

    Raises:
        ImageError: the array is not uint8 ``[H, W, 3]`` with at least one pixel.
    """
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{name}: a {type(array).__name__} is not an image; give a path or a uint8 array [H, W, 3]")
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
    interpolation = _INTERPOLATION[spec.interpolation]
    return cv2.resize(image, (width, height), interpolation=interpolation)  # type: ignore[return-value]


def _crop(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Resizes the shorter side to size / crop_fraction, then crops the centre, as torchvision does."""
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
    """Source and result slices of an area resize that needs only ``count`` result pixels, from ``first`` on.

    The source has ``length`` pixels, the complete result ``resized``. The slices begin and end where source and result
    pixel edges coincide, and the scale stays the same, so the result is bit-identical to that of the complete resize.
    """
    meet = math.gcd(length, resized)
    source, result = length // meet, resized // meet
    begin, end = first // result, -(-(first + count) // result)
    return slice(begin * source, end * source), slice(begin * result, end * result)


def _without_long_ends(image: Image, most: int = 8) -> Image:
    """Crops the middle of an image whose sides have a ratio above ``most``.

    Resizing a complete strip of 1 x 60,000 pixels would take gigabytes.
    """
    height, width = image.shape[:2]
    keep_height, keep_width = min(height, most * width), min(width, most * height)
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return image[top : top + keep_height, left : left + keep_width]


def _letterbox(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Resizes the complete image at its aspect ratio and pads it to the size with ``pad_value``."""
    height, width = image.shape[:2]
    factor = min(size.height / height, size.width / width)
    new_width, new_height = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = np.full((size.height, size.width, 3), spec.pad_value, np.uint8)
    top, left = (size.height - new_height) // 2, (size.width - new_width) // 2
    canvas[top : top + new_height, left : left + new_width] = _resize(image, new_width, new_height, spec)
    return canvas
