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


def _pillow(image: np.ndarray, height: int, width: int, filter_: Image.Resampling) -> np.ndarray:
    """Horizontally first: what Pillow up to 12 does in one call, and Pillow 13 with most shapes."""
    narrow = Image.fromarray(image).resize((width, image.shape[0]), filter_)
    return np.asarray(narrow.resize((width, height), filter_))


SHAPES = {
    "usual": ((480, 640), (224, 224)),
    "one axis": ((90, 1500), (90, 31)),
    "the other axis": ((700, 9), (5, 9)),
    "enlarged": ((20, 30), (64, 96)),
    "narrower": ((40, 200), (40, 7)),
    "tall, which Pillow 13 resizes vertically first": ((900, 300), (224, 224)),
    "more weights than float32 holds": ((30_000, 3), (20, 2)),
    "to one pixel": ((37, 1000), (1, 1)),
    "several bands": ((1100, 1700), (50, 60)),
}


@pytest.mark.parametrize(("kind", "filter_"), FILTERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [256, 2], ids=["noise", "black and white"])
def test_equal_to_pillow_to_the_bit(shape: str, levels: int, kind: Filter, filter_: Image.Resampling) -> None:
    """Black and white make bicubic leave 0 ... 255, and add up the largest sums."""
    source, target = SHAPES[shape]
    image = _noise(*source) // (256 // levels) * (255 // (levels - 1))
    found = resize_antialiased(image, target[1], target[0], kind)
    np.testing.assert_array_equal(found, _pillow(image, *target, filter_))


@pytest.mark.parametrize(("kind", "filter_"), FILTERS)
def test_one_call_of_pillow_gives_the_same_for_usual_shapes(kind: Filter, filter_: Image.Resampling) -> None:
    image = _noise(375, 500)
    np.testing.assert_array_equal(
        resize_antialiased(image, 224, 224, kind), np.asarray(Image.fromarray(image).resize((224, 224), filter_))
    )


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
