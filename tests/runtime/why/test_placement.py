"""A map of the model's input lies where the image shows it, however the image was resized."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.manifest import InputSpec, PreprocessSpec, Resize
from edgecnn.preprocess import fit
from edgecnn.runtime.why.placement import heat_on_image

SIZE = InputSpec(64, 64)


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize(("height", "width"), [(240, 320), (320, 240), (64, 64), (90, 300)])
@pytest.mark.parametrize("fraction", [1.0, 0.875])
def test_a_spot_of_the_image_is_found_again(resize: Resize, height: int, width: int, fraction: float) -> None:
    spec = PreprocessSpec(resize=resize, interpolation="area", crop_fraction=fraction)
    image = np.zeros((height, width, 3), np.uint8)
    row, column = height // 2 + 8, width // 2 - 12
    image[row - 8 : row + 8, column - 8 : column + 8] = 255
    seen = fit(image, SIZE, spec)[:, :, 0].astype(np.float32) / 255
    if resize == "letterbox":
        seen = np.maximum(seen - 0.6, 0)  # the bars are grey
    found = heat_on_image(seen, (height, width), max(height, width), SIZE, spec)
    assert found.shape == (height, width)
    rows, columns = np.nonzero(found > 0.3)
    assert abs(rows.mean() + 0.5 - row) < 3
    assert abs(columns.mean() + 0.5 - column) < 3


def test_what_a_crop_leaves_out_stays_cold() -> None:
    spec = PreprocessSpec(resize="crop", interpolation="linear")
    found = heat_on_image(np.ones((7, 7), np.float32), (100, 300), 150, SIZE, spec)
    assert found.shape == (50, 150)
    assert found[:, :48].max() == 0
    assert found[:, 102:].max() == 0
    assert found[:, 52:98].min() == pytest.approx(1)


def test_a_strip_keeps_its_middle() -> None:
    spec = PreprocessSpec(resize="crop")
    found = heat_on_image(np.ones((7, 7), np.float32), (2, 4000), 100, SIZE, spec)
    assert found.shape == (1, 100)
    assert 0 < found.sum() <= 2
