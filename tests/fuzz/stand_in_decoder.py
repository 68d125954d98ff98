"""Takes the place of OpenCV's decoder: inputs of a fuzzer are for EdgeCNN's own code, and go to no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.image.header import read_header

MOST_PIXELS = 10_000  # of an image that it "decodes"
_PARTS = {
    cv2.IMREAD_REDUCED_COLOR_2: 2,
    cv2.IMREAD_REDUCED_COLOR_4: 4,
    cv2.IMREAD_REDUCED_COLOR_8: 8,
}


@contextmanager
def stand_in_decoder() -> Iterator[None]:
    """Until the end of the block, an image of which the header is accepted is black; larger ones cannot be decoded."""
    with mock.patch.object(cv2, "imdecode", _black):
        yield


def _black(data: NDArray[np.uint8], flags: int) -> NDArray[Any] | None:
    header, part = read_header(data.tobytes()), _PARTS.get(flags, 1)
    if header.width * header.height > MOST_PIXELS:
        return None
    kind = np.uint16 if header.bits > 8 and flags & cv2.IMREAD_ANYDEPTH else np.uint8
    return np.zeros((-(-header.height // part), -(-header.width // part), 3), kind)
