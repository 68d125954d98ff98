"""A PIL image is answered as its file is; what has no known black and white is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PilImage  # noqa: TID251  # what a caller may pass

from edgecnn import Classifier
from edgecnn.errors import ImageError
from edgecnn.preprocess import read_image

RAMP = (np.arange(64 * 64).reshape(64, 64) % 256).astype(np.uint8)


def saved(path: Path, levels: NDArray[np.generic]) -> Path:
    PilImage.fromarray(levels).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_give_the_pixels_of_the_file(tiny_model: Path, tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"image.{suffix}", RAMP.astype(np.uint16) * 257)
    classifier = Classifier(tiny_model)
    assert np.array_equal(classifier.fitted([path]), classifier.fitted([PilImage.open(path)]))
    assert np.array_equal(read_image(path)[..., 0], RAMP)


@pytest.mark.parametrize(("bits", "levels"), [(12, 16), (10, 4)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_12_bits_in_a_file_of_16_are_refused_with_the_factor(
    tiny_model: Path, tmp_path: Path, suffix: str, bits: int, levels: int
) -> None:
    path = saved(tmp_path / f"image.{suffix}", RAMP.astype(np.uint16) << (bits - 8))
    classifier = Classifier(tiny_model)
    for image in (path, PilImage.open(path)):
        with pytest.raises(ImageError, match=rf"uses {bits} .* {levels} grey levels; .* by {1 << (16 - bits)} "):
            classifier(image)


def test_a_black_image_of_16_bits_is_an_image(tmp_path: Path) -> None:
    assert read_image(saved(tmp_path / "black.png", np.zeros((8, 8), np.uint16))).max() == 0


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_a_pil_image_without_known_black_and_white_is_refused(tiny_model: Path, mode: str) -> None:
    with pytest.raises(ImageError, match=f"mode {mode}"):
        Classifier(tiny_model)(PilImage.new(mode, (8, 8)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_a_pil_image_of_eight_bits_is_taken(tiny_model: Path, mode: str) -> None:
    assert Classifier(tiny_model).fitted([PilImage.new(mode, (8, 8))]).dtype == np.uint8


def test_a_file_of_floating_point_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        read_image(saved(tmp_path / "float.tif", (RAMP / 255).astype(np.float32)))
