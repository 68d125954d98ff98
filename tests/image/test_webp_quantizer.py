"""The quantizer of a lossy WebP file follows the quality that its encoder was told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes import scene

from edgecnn.image.encoder_quantization import webp_quantizer


def _webp(image: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()


def _of_libwebp(quality: int) -> int:
    """`VP8SetSegmentParams` of libwebp, for the least textured segment at its usual spatial noise shaping of 50."""
    linear = quality / 100
    compression = (linear * 2 / 3 if linear < 0.75 else 2 * linear - 1) ** (1 / 3)
    return int(127 * (1 - compression ** (1 + 0.9 * 50 / 100 / 128 * 127)))


@pytest.mark.parametrize("quality", [1, 20, 50, 70, 80, 90, 95, 99])
def test_the_quantizer_is_what_libwebp_computes_from_the_quality(quality: int) -> None:
    assert webp_quantizer(_webp(scene(1), quality)) == _of_libwebp(quality)
    assert webp_quantizer(_webp(np.full((40, 60, 3), 90, np.uint8), quality)) == _of_libwebp(quality)


def test_a_file_with_transparency_is_read_too() -> None:
    transparent = np.dstack([scene(1), np.full(scene(1).shape[:2], 100, np.uint8)])
    data = _webp(transparent, 80)
    assert b"ALPH" in data[:64]
    assert webp_quantizer(data) == _of_libwebp(80)


def test_other_files_have_none() -> None:
    lossless, lossy = _webp(scene(1), 101), _webp(scene(1), 80)
    for data in (b"", lossless, lossy[:12], lossy[:14], cv2.imencode(".jpg", scene(1))[1].tobytes()):
        assert webp_quantizer(data) is None
    assert webp_quantizer(lossy[:30]) is not None  # cut short: some value, no error
