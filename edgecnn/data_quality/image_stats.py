"""What one look at a picture file tells of it, so that a data set can be examined after its pictures were let go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.dataset import Picture
from edgecnn.data.split_record import content_digest
from edgecnn.data_quality.near_duplicates import THUMBNAIL_SIDE, Thumbnail, thumbnail
from edgecnn.errors import InputNotFoundError, PictureError
from edgecnn.image.exif import exif_orientation
from edgecnn.image.header import read_header
from edgecnn.preprocess import Image, decode, read_bytes

__all__ = ["Fault", "PictureFacts", "look_at", "read_facts"]

_MOST_GREY_CHROMA = 8  # levels between channels, over a patch: JPEG's rounding leaves a few
_SAMPLED = 128  # pixels along the shorter side are enough to tell a blank picture


@dataclass(frozen=True)
class Fault:
    """A picture that cannot be read."""

    picture: Picture
    reason: str


@dataclass(frozen=True)
class PictureFacts:
    """A readable picture. 4.5 KB, most of it the thumbnail."""

    picture: Picture
    digest: str  # SHA-256 of the file
    thumbnail: Thumbnail  # uint8 [64, 64]
    format: str  # by its content, as edgecnn.image.header names it
    size_bytes: int
    width: int  # pixels, upright
    height: int
    orientation: int  # EXIF's, 1: stored upright
    grey: bool  # shows no colour, however it is stored
    contrast: float  # standard deviation of its levels

    @property
    def shorter_side(self) -> int:
        """Pixels."""
        return min(self.width, self.height)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_facts(picture: Picture) -> PictureFacts | Fault:
    """Reads and decodes a picture file, and keeps what is worth knowing; never raises for a bad file."""
    path: Path = picture.path
    try:
        data = read_bytes(path)
        return look_at(picture, data, decode(data, name=str(path)))
    except (PictureError, InputNotFoundError) as error:
        return Fault(picture, str(error).removeprefix(f"{path}: ").split("; ")[0])


def look_at(picture: Picture, data: bytes, image: Image) -> PictureFacts:
    """The facts of a picture that was read already.

    Args:
        data: the whole file.
        image: uint8 ``[H, W, 3]`` RGB, as :func:`edgecnn.preprocess.decode` gives it.
    """
    height, width = image.shape[:2]
    step = max(1, min(height, width) // _SAMPLED)
    patches = cv2.resize(image, (THUMBNAIL_SIDE // 4, THUMBNAIL_SIDE // 4), interpolation=cv2.INTER_AREA)
    chroma = int((patches.max(2) - patches.min(2)).max())
    return PictureFacts(
        picture,
        content_digest(data),
        thumbnail(image),
        read_header(data).format,
        len(data),
        width,
        height,
        exif_orientation(data),
        chroma <= _MOST_GREY_CHROMA,
        float(np.std(image[::step, ::step])) if chroma <= _MOST_GREY_CHROMA else float(np.std(image[::step, ::step], axis=(0, 1)).max()),
    )
