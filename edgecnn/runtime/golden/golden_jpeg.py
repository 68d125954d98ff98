"""The golden JPEG: a small JPEG file with the hashes of its pixels, as the machine that made the model file decodes it.

A model with ``preprocess.decode: scaled`` sees JPEGs decoded at 1/8, 1/4 or 1/2 of their size. libjpeg-turbo computes
these sizes alike on every processor; another JPEG library may not, and then answers to image files differ a little.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np

from edgecnn.errors import ImageError
from edgecnn.image.decoding import Image, Part, decode_part

__all__ = ["GoldenJpeg", "make_golden_jpeg"]

_HEIGHT, _WIDTH = 123, 187  # no multiples of 8: the last blocks are incomplete
_QUALITY = 85
_MOST_PIXELS = 1_000_000  # of one in a file; it is decoded where a model is checked


@dataclass(frozen=True)
class GoldenJpeg:
    """A JPEG file, and the SHA-256 of its pixels (RGB, row by row) at each part of its size."""

    content: bytes
    digests: Mapping[Part, str]

    def differing(self) -> tuple[Part, ...]:
        """The parts at which this device decodes other pixels."""
        return tuple(part for part, digest in self.digests.items() if _digest(self.content, part) != digest)

    def difference(self) -> str | None:
        """What this device decodes differently, as a sentence; None: nothing."""
        if not (differing := self.differing()):
            return None
        sizes = ", ".join("full size" if part == 1 else f"1/{part} of its size" for part in differing)
        return f"golden JPEG: this device decodes other pixels than the machine that made the file, at {sizes}"

    def to_json(self) -> dict[str, object]:
        """As it stands in the golden samples."""
        digests = {str(part): digest for part, digest in self.digests.items()}
        return {"content": base64.b64encode(self.content).decode(), "sha256": digests}

    @staticmethod
    def from_json(found: Mapping[str, object]) -> GoldenJpeg:
        """Reads :meth:`to_json`. Raises :class:`ValueError`, :class:`KeyError` or :class:`TypeError` for others."""
        content, digests = found["content"], found["sha256"]
        if not isinstance(content, str) or not isinstance(digests, dict):
            raise TypeError("the golden JPEG has no content or hashes")
        if unknown := [part for part in digests if part not in {str(known) for known in get_args(Part)}]:
            raise ValueError(f"the golden JPEG has a hash of part {unknown[0]!r}")
        kept: dict[Part, str] = {int(part): str(digest) for part, digest in digests.items()}  # type: ignore[misc]
        return GoldenJpeg(base64.b64decode(content, validate=True), kept)


def make_golden_jpeg() -> GoldenJpeg:
    """Noise on a gradient with shapes of clear colours, with halved chroma as cameras write it: 9 KB."""
    random = np.random.default_rng(0)
    corners = random.integers(0, 256, (2, 3, 3)).astype(np.float32)
    image = cv2.resize(corners, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR)
    cv2.circle(image, (60, 50), 33, (250, 20, 30), -1)
    cv2.line(image, (0, 120), (186, 20), (10, 240, 200), 3)
    noisy = np.clip(image + random.normal(0, 12, image.shape), 0, 255).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111]
    done, data = cv2.imencode(".jpg", noisy, options)
    if not done:
        raise ImageError("the golden JPEG cannot be written")
    content = data.tobytes()
    parts: tuple[Part, ...] = get_args(Part)
    return GoldenJpeg(content, {part: _digest(content, part) for part in parts})


def _digest(content: bytes, part: Part) -> str:
    """Empty where it cannot be decoded: then it differs."""
    try:
        image: Image = decode_part(content, lambda _height, _width: part, "golden JPEG", _MOST_PIXELS).image
    except ImageError:
        return ""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
