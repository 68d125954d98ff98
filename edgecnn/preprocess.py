"""The one way an image becomes a tensor: a picture file, its bytes or an array -> uint8 ``[H, W, 3]`` RGB of the model's size.

Training's validation, calibration, verification and the device all call :func:`preprocess`, driven by the manifest. OpenCV alone decodes and
resizes: Pillow gives other pixels. What unusual pictures become (the same everywhere):

==================  ======================================================================================
EXIF orientation    applied
grey                the grey level in all three channels
alpha               left out; the stored colours stay as they are, transparent or not (in a TIFF they are multiplied by it)
16 bits a channel   the upper eight bits (in a TIFF in colour rounded)
palette             the palette's colours
CMYK JPEG           OpenCV's conversion, without colour profiles
animation           the first frame
cut short           refused (OpenCV would fill a JPEG up with grey)
over 64 megapixels  refused, from the header, before anything is decoded (``max_pixels``)
==================  ======================================================================================
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

from edgecnn.errors import InputNotFoundError, PictureError
from edgecnn.image.area_resize import resize_area
from edgecnn.image.header import HeaderError, read_header
from edgecnn.manifest import InputSpec, PreprocessSpec

__all__ = ["MAX_PIXELS", "Image", "check_image", "decode", "fit", "preprocess", "read_bytes", "read_picture"]

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


ColorOrder = Literal["bgr", "rgb"]
"""The channel order of an array: OpenCV's own, or everybody else's."""


def preprocess(source: str | os.PathLike[str] | bytes, size: InputSpec, spec: PreprocessSpec, max_pixels: int = MAX_PIXELS) -> Image:
    """A picture file, or its bytes, to the model's input.

    Returns:
        uint8 ``[size.height, size.width, 3]``, RGB.

    Raises:
        InputNotFoundError: no such file.
        PictureError: it cannot be read; the message names it and says why.
    """
    picture = decode(source, max_pixels=max_pixels) if isinstance(source, bytes) else read_picture(source, max_pixels)
    return fit(picture, size, spec)


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image:
    """Reads and decodes a picture file: uint8 ``[H, W, 3]``, RGB, in its own size. Raises as :func:`preprocess`."""
    return decode(read_bytes(path), name=os.fspath(path), max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A picture file's bytes. Raises :class:`InputNotFoundError` or :class:`PictureError`."""
    try:
        regular = stat.S_ISREG(Path(path).stat().st_mode)
        data = Path(path).read_bytes() if regular else b""  # reading a pipe would wait for a writer, for ever
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such picture; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{path}: cannot be read: {why}") from error
    if not regular:
        raise PictureError(f"{path}: not a regular file; leave it out")
    return data


def decode(data: bytes, name: str = "picture", max_pixels: int = MAX_PIXELS, color: ColorOrder = "rgb") -> Image:
    """Decodes a picture file's bytes.

    Args:
        data: the whole file.
        name: what to call it in an error.
        max_pixels: refuse a picture of more pixels, by its header.
        color: the channel order wanted.

    Returns:
        uint8 ``[H, W, 3]`` in the picture's own size.

    Raises:
        PictureError: no picture, cut short, too large, or broken inside.
    """
    try:
        header = read_header(data)
    except HeaderError as error:
        raise PictureError(f"{name}: {error}; replace the picture or leave it out") from error
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise PictureError(
            f"{name}: {header.width} x {header.height} pixels are more than the limit of {max_pixels / 1e6:g} megapixels; "
            "make it smaller, or raise the limit if you trust the file"
        )
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[color])
    except cv2.error:
        picture = None
    if picture is None or sorted(picture.shape[:2]) != sorted((header.height, header.width)):  # sorted: EXIF may turn it
        raise PictureError(f"{name}: the {header.format} file is broken inside and cannot be decoded; replace it or leave it out")
    return picture  # type: ignore[return-value]  # cv2's stubs know no dtype: IMREAD_COLOR_RGB gives uint8


def fit(picture: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Brings a picture to the model's size; channels are left in the order they come.

    Args:
        picture: uint8 ``[h, w, 3]``, any size.

    Returns:
        uint8 ``[size.height, size.width, 3]``, contiguous; the picture itself where it fits already.
    """
    if spec.resize == "crop":
        return _crop(picture, size, spec)
    if spec.resize == "letterbox":
        return _letterbox(picture, size, spec)
    return _resize(picture, size.width, size.height, spec)


def check_image(array: object, name: str = "image") -> Image:
    """An array as a caller gave it. Raises :class:`PictureError` unless it is uint8 ``[H, W, 3]`` with at least one pixel."""
    if not isinstance(array, np.ndarray):
        raise PictureError(f"{name}: a {type(array).__name__} is no picture; give a path or a uint8 array [H, W, 3]")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise PictureError(f"{name}: {array.dtype} {list(array.shape)}, expected uint8 [H, W, 3] with at least one pixel")
    return array


def _resize(picture: Image, width: int, height: int, spec: PreprocessSpec) -> Image:
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    if spec.interpolation == "area":
        return resize_area(picture, width, height)
    return cv2.resize(picture, (width, height), interpolation=_INTERPOLATION[spec.interpolation])  # type: ignore[return-value]


def _crop(picture: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Shorter side to size / crop_fraction, each side rounded, then the centre: torchvision's Resize and CenterCrop."""
    picture = _without_long_ends(picture)
    height, width = picture.shape[:2]
    factor = max(size.height / height, size.width / width) / spec.crop_fraction
    new_width, new_height = max(size.width, round(width * factor)), max(size.height, round(height * factor))
    top, left = (new_height - size.height) // 2, (new_width - size.width) // 2
    wanted_rows, wanted_columns = (top, size.height), (left, size.width)
    if spec.interpolation != "area" or new_height > height or new_width > width:  # these look beyond the edges of a part
        wanted_rows, wanted_columns = (0, new_height), (0, new_width)
    from_rows, rows = _needed(height, new_height, *wanted_rows)
    from_columns, columns = _needed(width, new_width, *wanted_columns)
    resized = _resize(picture[from_rows, from_columns], columns.stop - columns.start, rows.stop - rows.start, spec)
    top, left = top - rows.start, left - columns.start
    return np.ascontiguousarray(resized[top : top + size.height, left : left + size.width])


def _needed(length: int, resized: int, first: int, count: int) -> tuple[slice, slice]:
    """Of a line of ``length`` pixels and of what an area resize makes of it, ``resized`` pixels: the parts that ``count`` from ``first`` on need.

    They begin and end where the edges of pixels meet, and the scale stays as it is: the part becomes the same, to the bit, as it does in the whole.
    """
    meet = math.gcd(length, resized)
    source, result = length // meet, resized // meet
    begin, end = first // result, -(-(first + count) // result)
    return slice(begin * source, end * source), slice(begin * result, end * result)


def _without_long_ends(picture: Image, most: int = 8) -> Image:
    """The middle of a picture over ``most`` times as long as wide: resizing a 1 x 60,000 strip whole would take gigabytes."""
    height, width = picture.shape[:2]
    keep_height, keep_width = min(height, most * width), min(width, most * height)
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return picture[top : top + keep_height, left : left + keep_width]


def _letterbox(picture: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """The whole picture at its own aspect ratio, centred on grey bars."""
    height, width = picture.shape[:2]
    factor = min(size.height / height, size.width / width)
    new_width, new_height = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = np.full((size.height, size.width, 3), spec.pad_value, np.uint8)
    top, left = (size.height - new_height) // 2, (size.width - new_width) // 2
    canvas[top : top + new_height, left : left + new_width] = _resize(picture, new_width, new_height, spec)
    return canvas
