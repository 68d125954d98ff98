"""The quantization step of a JPEG file is what its encoder was told, whatever the image shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgecnn.image.encoder_quantization import jpeg_quantization

_NOISE = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def test_the_step_depends_on_the_quality_alone() -> None:
    steps = [jpeg_quantization(_jpeg(_NOISE, quality)) for quality in (100, 90, 50, 10)]
    assert steps[0] == 1.0
    assert steps == sorted(steps)  # type: ignore[type-var]
    assert steps[2] == pytest.approx(57.6, abs=0.1)  # the standard's own table (T.81, annex K)
    assert jpeg_quantization(_jpeg(np.zeros_like(_NOISE), 90)) == steps[1]


def test_files_without_such_a_table_have_none() -> None:
    data = _jpeg(_NOISE, 90)
    for other in (b"", data[:1], data[:20], cv2.imencode(".png", _NOISE)[1].tobytes()):
        assert jpeg_quantization(other) is None
