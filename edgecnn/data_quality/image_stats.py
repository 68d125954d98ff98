"""Statistics of an image file, so that a dataset can be checked without keeping its images in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.dataset import ImageFile
from edgecnn.data.split_record import content_digest
from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE, Thumbnail, thumbnail
from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.image.encoder_quantization import jpeg_quantization, webp_quantizer
from edgecnn.image.exif import exif_orientation
from edgecnn.image.header import read_header
from edgecnn.preprocess import MAX_PIXELS, Decoded, Image, ModelInput, decode_for, read_bytes

__all__ = ["Fault", "ImageStats", "compute_image_stats", "read_image_stats"]

_MAX_GREY_CHROMA = 8  # levels between channels, over a patch: JPEG's rounding leaves a few
_SAMPLED = 128  # pixels along the shorter side are enough to tell a blank image


@dataclass(frozen=True)
class Fault:
    """An image that cannot be read, and the reason."""

    file: ImageFile
    reason: str


@dataclass(frozen=True, kw_only=True)
class ImageStats:
    """Statistics of a readable image. Takes 4.5 KB, most of it the thumbnail."""

    file: ImageFile
    digest: str  # SHA-256 of the file
    thumbnail: Thumbnail  # uint8 [64, 64]
    format: str  # by its content, as edgecnn.image.header names it
    size_bytes: int
    width: int  # pixels, upright
    height: int
    orientation: int  # EXIF's, 1: stored upright
    grey: bool  # shows no colour, however it is stored
    contrast: float  # standard deviation of its levels
    quantization: float | None = None  # of a JPEG: mean step of the brightness
    webp_quantizer: int | None = None  # of a lossy WebP: index of its step
    brightest: int | None = None  # of a file of 16 bits a channel: its largest level, of 255

    @property
    def shorter_side(self) -> int:
        """Length of the shorter side, in pixels."""
        return min(self.width, self.height)

    @property
    def pixels(self) -> int:
        """Number of pixels: width times height."""
        return self.width * self.height


def read_image_stats(
    file: ImageFile,
    keep: Callable[[Decoded], None] | None = None,
    max_pixels: int = MAX_PIXELS,
    model: ModelInput | None = None,
) -> ImageStats | Fault:
    """Reads and decodes an image file and computes its statistics. Never raises for an unreadable file.

    Args:
        file: the image file.
        keep: receives the decoded image, RGB, so that it is decoded only once.
        max_pixels: an image with more is a fault.
        model: what the image is decoded for; None: it is decoded whole.
    """
    path: Path = file.path
    try:
        data = read_bytes(path, max_pixels)
        decoded = decode_for(data, model, str(path), max_pixels)
    except (ImageError, InputNotFoundError) as error:
        return Fault(file, str(error).removeprefix(f"{path}: ").split("; ")[0])
    if keep is not None:
        keep(decoded)
    return compute_image_stats(file, data, decoded)


def compute_image_stats(file: ImageFile, data: bytes, decoded: Decoded) -> ImageStats:
    """Computes the statistics of an image that was already decoded.

    Args:
        data: the complete file.
        decoded: RGB, as :func:`edgecnn.preprocess.decode_for` gives it.
    """
    image, (height, width) = decoded.image, decoded.full_size
    grey = _is_grey(image)
    header = read_header(data)
    return ImageStats(
        file=file,
        digest=content_digest(data),
        thumbnail=thumbnail(image),
        format=header.format,
        size_bytes=len(data),
        width=width,
        height=height,
        orientation=exif_orientation(data),
        grey=grey,
        contrast=_contrast(image, together=grey),
        quantization=jpeg_quantization(data),
        webp_quantizer=webp_quantizer(data),
        brightest=int(image.max()) if header.bits > 8 else None,
    )


def _is_grey(image: Image) -> bool:
    """Whether the channels are alike in each of 16 x 16 patches."""
    mean = cv2.mean(image)[:3]
    if max(mean) - min(mean) > _MAX_GREY_CHROMA + 2:  # then they differ as much in a patch too, roundings left out
        return False
    patches = cv2.resize(image, (THUMBNAIL_SIDE // 4, THUMBNAIL_SIDE // 4), interpolation=cv2.INTER_AREA)
    return int((patches.max(2) - patches.min(2)).max()) <= _MAX_GREY_CHROMA


def _contrast(image: Image, *, together: bool) -> float:
    """Standard deviation of the levels, of all channels together or of the channel where it is largest.

    By sums of whole numbers, which are exact; numpy's ``std`` took a third of the time that an image is looked at.
    """
    step = max(1, min(image.shape[:2]) // _SAMPLED)
    seen = np.ascontiguousarray(image[::step, ::step])
    count = seen.shape[0] * seen.shape[1]
    sums = [round(x) for x in cv2.sumElems(seen)[:3]]
    squares = [round(x) for x in cv2.sumElems(cv2.multiply(seen, seen, dtype=cv2.CV_32F))[:3]]
    if together:
        count, sums, squares = 3 * count, [sum(sums)], [sum(squares)]
    variances = [(count * square - total * total) / count**2 for total, square in zip(sums, squares, strict=True)]
    return math.sqrt(max(variances))
