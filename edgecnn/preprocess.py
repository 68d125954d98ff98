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
over 512 MB         refused too: what decoding takes is known before (8 bytes for each of ``max_pixels``)
==================  =======================================================================================
"""

from __future__ import annotations

import math
import os
import stat
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.image.antialiased_resize import Filter, resize_antialiased
from edgecnn.image.area_resize import resize_area
from edgecnn.image.decoding import MAX_PIXELS, ColorOrder, Decoded, Image, Part, check_range, decode, decode_part
from edgecnn.image.linear_resize import resize_linear
from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec

__all__ = [
    "MAX_PIXELS",
    "ColorOrder",
    "Decoded",
    "Image",
    "ModelInput",
    "check_image",
    "check_range",
    "decode",
    "decode_for",
    "fit",
    "fit_decoded",
    "part_for",
    "preprocess",
    "read_bytes",
    "read_image",
]

_LEAST_PIXELS = 2**19  # of a whole image that is decoded smaller
_LEAST = 1.5
"""Times the size that a resize makes, which is left of a JPEG that is decoded smaller: with 1, one answer in forty
changed, with 1.5 and 2 none (docs/decisions/010-scaled-decoding.md)."""

_LONGEST = 8  # ratio of the sides of an image; of longer ones, a crop takes the middle

_INTERPOLATION = {
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST_EXACT,  # samples pixel centres as Pillow does; INTER_NEAREST is half a pixel off
}

_BYTES_A_PIXEL, _MORE_BYTES = 8, 64 << 20
"""Of an image file: 16 bits and four channels without compression, and thumbnails and texts beside them."""

_ANTIALIASED: dict[str, Filter] = {"antialias": "bilinear", "antialias-cubic": "bicubic"}


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
    model = ModelInput(size, spec)
    data, name = (source, "image") if isinstance(source, bytes) else (read_bytes(source, max_pixels), os.fspath(source))
    return fit_decoded(decode_for(data, model, name, max_pixels), model)


def decode_for(
    data: bytes,
    model: ModelInput | None,
    name: str = "image",
    max_pixels: int = MAX_PIXELS,
    color: ColorOrder = "rgb",
) -> Decoded:
    """Decodes the bytes of an image file for a model: a JPEG at 1/8, 1/4 or 1/2 of its size where the model's manifest
    says ``scaled`` and :func:`part_for` allows it.

    Args:
        data: the complete file.
        model: what the image is for; None: it is decoded whole.
        name: of the image in error messages.
        max_pixels: refuse an image whose header states more pixels.
        color: channel order of the result.

    Raises:
        ImageError: as :func:`decode`.
    """
    if model is None:
        return Decoded.whole(decode(data, name, max_pixels, color))
    return decode_part(data, partial(part_for, model=model), name, max_pixels, color)


def part_for(height: int, width: int, model: ModelInput) -> Part:
    """The part of its size at which a JPEG is decoded for a model.

    It is the smallest that leaves both sides at least 1.5 times as long as the resize makes them; images below half a
    megapixel are decoded whole, so that a file and its pixels have the same answer where little is to be gained.

    Args:
        height, width: of the whole image in pixels, upright.
        model: what it is for.
    """
    few = height * width < _LEAST_PIXELS
    if model.preprocess.decode == "full" or few or max(height, width) > _LONGEST * min(height, width):
        return 1
    rows, columns = _resized((height, width), model.size, model.preprocess)
    parts: tuple[Part, ...] = (8, 4, 2)
    for part in parts:
        if -(-height // part) >= _LEAST * rows and -(-width // part) >= _LEAST * columns:
            return part
    return 1


def fit_decoded(decoded: Decoded, model: ModelInput) -> Image:
    """Resizes what :func:`decode_for` gave to the model's size, uint8 ``[H, W, 3]``. Keeps the channel order.

    Crops and bars lie where the whole image would have them.
    """
    size, spec = model.size, model.preprocess
    if decoded.part == 1:
        return fit(decoded.image, size, spec)
    height, width = _resized(decoded.full_size, size, spec)
    resized = _resize_part(decoded, width, height, spec)
    if spec.resize == "letterbox":
        return _with_bars(resized, size, spec)
    top, left = _corner(height, width, size, spec)
    return np.ascontiguousarray(resized[top : top + size.height, left : left + size.width])


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image:
    """Reads and decodes an image file to uint8 ``[H, W, 3]`` RGB at its own size. Raises as :func:`preprocess`."""
    return decode(read_bytes(path, max_pixels), name=os.fspath(path), max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> bytes:
    """Reads the bytes of an image file.

    Args:
        path: the file.
        max_pixels: a file larger than any image of so many pixels is not read.

    Raises:
        InputNotFoundError: there is no such file.
        ImageError: it cannot be read, or is too large.
    """
    most_bytes = _MORE_BYTES + _BYTES_A_PIXEL * max_pixels
    try:
        facts = Path(path).stat()
        regular = stat.S_ISREG(facts.st_mode)
        fits = regular and facts.st_size <= most_bytes
        # Not read: a pipe, which would wait for a writer, and a file of no size, empty or of a kernel that blocks
        data = (
            Path(path).read_bytes() if fits and facts.st_size else b""
        )  # reading a pipe would wait for a writer, for ever
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path}: cannot be read: {why}") from error
    if not regular:
        raise ImageError(f"{path}: not a regular file; remove it from the list of images")
    if not fits:
        raise ImageError(
            f"{path}: {facts.st_size / 1e6:,.0f} MB are more than an image of {max_pixels / 1e6:g} megapixels has; "
            "make the image smaller, or raise --max-megapixels if you trust the file"
        )
    return data


def fit(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Resizes an image to the model's size. Keeps the channel order.

    Args:
        image: uint8 ``[h, w, 3]``, any size.
        size: the model's.
        spec: how.

    Returns:
        uint8 ``[size.height, size.width, 3]``, contiguous. The same array if it already has that size.
    """
    if spec.resize == "crop":
        return _crop(image, size, spec)
    if spec.resize == "letterbox":
        new_height, new_width = _resized(image.shape[:2], size, spec)
        return _with_bars(_resize(image, new_width, new_height, spec), size, spec)
    return _resize(image, size.width, size.height, spec)


def _resized(full: tuple[int, int], size: InputSpec, spec: PreprocessSpec) -> tuple[int, int]:
    """Height and width that a whole image is resized to, before it is cropped or padded."""
    height, width = full
    if spec.resize == "stretch":
        return size.height, size.width
    if spec.resize == "letterbox":
        factor = min(size.height / height, size.width / width)
        return max(1, round(height * factor)), max(1, round(width * factor))
    if spec.interpolation in _ANTIALIASED:  # as torchvision's Resize: the longer side is rounded down
        shorter = round(max(size.height, size.width) / spec.crop_fraction)
        return (shorter, int(shorter * width / height)) if height <= width else (int(shorter * height / width), shorter)
    factor = max(size.height / height, size.width / width) / spec.crop_fraction
    return max(size.height, round(height * factor)), max(size.width, round(width * factor))


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
    if spec.interpolation == "linear":
        return resize_linear(image, width, height)
    interpolation = _INTERPOLATION[spec.interpolation]
    return cv2.resize(image, (width, height), interpolation=interpolation)  # type: ignore[return-value]


def _crop(image: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """Resizes the shorter side to size / crop_fraction, then crops the centre, as torchvision does."""
    image = _without_long_ends(image)
    new_height, new_width = _resized(image.shape[:2], size, spec)
    top, left = _corner(new_height, new_width, size, spec)
    if spec.interpolation in _ANTIALIASED:
        kind = _ANTIALIASED[spec.interpolation]
        rows, columns = slice(top, top + size.height), slice(left, left + size.width)
        return resize_antialiased(image, new_width, new_height, kind, rows=rows, columns=columns)
    height, width = image.shape[:2]
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


def _needed(length: int, resized: int, first: int, count: int) -> tuple[slice, slice]:
    """Source and result slices of an area resize that needs only ``count`` result pixels, from ``first`` on.

    The source has ``length`` pixels, the complete result ``resized``. The slices begin and end where source and result
    pixel edges coincide, and the scale stays the same, so the result is bit-identical to that of the complete resize.
    """
    meet = math.gcd(length, resized)
    source, result = length // meet, resized // meet
    begin, end = first // result, -(-(first + count) // result)
    return slice(begin * source, end * source), slice(begin * result, end * result)


def _without_long_ends(image: Image, most: int = _LONGEST) -> Image:
    """Crops the middle of an image whose sides have a ratio above ``most``.

    Resizing a complete strip of 1 x 60,000 pixels would take gigabytes.
    """
    height, width = image.shape[:2]
    keep_height, keep_width = min(height, most * width), min(width, most * height)
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return image[top : top + keep_height, left : left + keep_width]


def _corner(height: int, width: int, size: InputSpec, spec: PreprocessSpec) -> tuple[int, int]:
    """Top and left of the centre that is cropped out of a resized image."""
    if spec.interpolation in _ANTIALIASED:  # as torchvision's CenterCrop: half a pixel to the even
        return round((height - size.height) / 2), round((width - size.width) / 2)
    return (height - size.height) // 2, (width - size.width) // 2


def _with_bars(resized: Image, size: InputSpec, spec: PreprocessSpec) -> Image:
    """The image in the middle of ``pad_value``."""
    height, width = resized.shape[:2]
    canvas = np.full((size.height, size.width, 3), spec.pad_value, np.uint8)
    top, left = (size.height - height) // 2, (size.width - width) // 2
    canvas[top : top + height, left : left + width] = resized
    return canvas


def _resize_part(decoded: Decoded, width: int, height: int, spec: PreprocessSpec) -> Image:
    """Resizes an image that was decoded smaller, by the size of its file.

    A row or column more than that stands at the end where the file's last blocks are incomplete: 501 for 4001 pixels.
    """
    image = np.ascontiguousarray(_turned_round(decoded.image, decoded))
    rows, columns = (side / decoded.part for side in decoded.full_size)
    if spec.interpolation in _ANTIALIASED:
        kind = _ANTIALIASED[spec.interpolation]
        found = resize_antialiased(image, width, height, kind, extent=(rows, columns))
    elif spec.interpolation == "linear":
        found = resize_linear(image, width, height, extent=(rows, columns))
    else:
        interpolation = _INTERPOLATION.get(spec.interpolation, cv2.INTER_AREA)
        larger = cv2.resize(image, None, fx=width / columns, fy=height / rows, interpolation=interpolation)
        found = larger[:height, :width]  # type: ignore[assignment]  # cv2's stubs know no dtype
    return np.ascontiguousarray(_turned_round(found, decoded))


def _turned_round(image: Image, decoded: Decoded) -> Image:
    """With the ends of the file's rows and columns on the right and below."""
    return image[:: -1 if decoded.ends_above else 1, :: -1 if decoded.ends_left else 1]
