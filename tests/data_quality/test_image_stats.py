"""Figures of an image are found on a short way, and are what the plain way gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data.dataset import ImageFile
from edgecnn.data_quality.blas_threads import one_blas_thread
from edgecnn.data_quality.image_stats import ImageStats, compute_image_stats
from edgecnn.preprocess import Decoded, Image

HALF_COLOUR = np.full((64, 48, 3), 120, np.uint8)
HALF_COLOUR[:8, :8] = (90, 120, 150)
IMAGES = {
    "grey": np.repeat(np.random.default_rng(0).integers(0, 256, (300, 200, 1)), 3, 2).astype(np.uint8),
    "colour": np.random.default_rng(1).integers((0, 0, 90), (90, 120, 256), (301, 517, 3)).astype(np.uint8),
    "colour in a corner": HALF_COLOUR,
    "one colour": np.full((40, 900, 3), (10, 20, 30), np.uint8),
    "black": np.zeros((1, 1, 3), np.uint8),
}


def _stats(image: Image) -> ImageStats:
    return compute_image_stats(
        ImageFile(Path("x.png"), None), cv2.imencode(".png", image)[1].tobytes(), Decoded.whole(image)
    )


@pytest.mark.parametrize("name", IMAGES)
def test_grey_and_contrast_are_what_their_definitions_give(name: str) -> None:
    image, found = IMAGES[name], _stats(IMAGES[name])
    patches = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    grey = int((patches.max(2) - patches.min(2)).max()) <= 8
    step = max(1, min(image.shape[:2]) // 128)
    levels = image[::step, ::step].astype(float)
    assert found.grey == grey
    assert found.contrast == pytest.approx(levels.std() if grey else levels.std((0, 1)).max(), abs=1e-9)


def test_blas_threads_are_given_back() -> None:
    from edgecnn.data_quality.blas_threads import _control

    control = _control()
    if control is None:
        pytest.skip("numpy's BLAS is none that can be told")
    before = control.get()
    with one_blas_thread():
        assert control.get() == 1
    assert control.get() == before
