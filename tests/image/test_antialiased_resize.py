"""Pillow is the oracle: torchvision and timm resize with it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image  # noqa: TID251  # the oracle

from edgecnn.image.antialiased_resize import Filter, resize_antialiased
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import fit

FILTERS: list[tuple[Filter, Image.Resampling]] = [
    ("bilinear", Image.Resampling.BILINEAR),
    ("bicubic", Image.Resampling.BICUBIC),
]


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("kind", "pillows"), FILTERS)
@pytest.mark.parametrize(
    ("source", "target"),
    [((480, 640), (224, 224)), ((90, 1500), (90, 31)), ((700, 9), (5, 9)), ((20, 30), (64, 96)), ((40, 200), (40, 7))],
)
def test_equal_to_pillow_to_the_bit(
    source: tuple[int, int], target: tuple[int, int], kind: Filter, pillows: Image.Resampling
) -> None:
    image = _noise(*source)
    wanted = np.asarray(Image.fromarray(image).resize(target[::-1], pillows))
    np.testing.assert_array_equal(resize_antialiased(image, target[1], target[0], kind), wanted)


@pytest.mark.parametrize("seed", range(8))
def test_a_part_is_the_same_part_of_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width, to_height, to_width = (int(n) for n in random.integers(8, 200, 4))
    image = _noise(height, width)
    whole = resize_antialiased(image, to_width, to_height, "bilinear")
    rows, columns = slice(2, to_height - 3), slice(1, to_width - 4)
    part = resize_antialiased(image, to_width, to_height, "bilinear", rows=rows, columns=columns)
    np.testing.assert_array_equal(part, whole[rows, columns])


@pytest.mark.parametrize("shape", [(333, 500), (500, 375), (256, 256), (301, 257)])
def test_crop_is_torchvisions_resize_and_center_crop(shape: tuple[int, int]) -> None:
    """torchvision: the shorter side to 256, the longer one rounded down, then ``int(round((n - 224) / 2))``."""
    image = _noise(*shape)
    short = min(shape)
    height, width = (int(256 * side / short) for side in shape)
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    top, left = round((height - 224) / 2), round((width - 224) / 2)
    spec = PreprocessSpec("crop", "antialias", 224 / 256)
    found = fit(image, InputSpec(224, 224), spec)
    np.testing.assert_array_equal(found, resized[top : top + 224, left : left + 224])
