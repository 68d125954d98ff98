"""Linear resizing makes the same pixels on every processor: those of OpenCV on x86."""

from __future__ import annotations

import hashlib
import platform

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.image import linear_resize
from edgecnn.image.linear_resize import resize_exactly, resize_linear
from edgecnn.manifest import InputSpec, Interpolation, PreprocessSpec
from edgecnn.preprocess import fit

on_x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="compares with OpenCV on x86, this is another processor",
)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@on_x86
@pytest.mark.parametrize("seed", range(4))
def test_the_pixels_are_those_of_opencv_on_x86_at_any_sizes(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(50):
        (height, width), (to_height, to_width) = random.integers(1, 300, 2), random.integers(1, 300, 2)
        for rows, columns in ((height, width), (2 * to_height, 2 * to_width), (to_height, width)):
            image = noise(rows, columns, seed)
            expected = cv2.resize(image, (int(to_width), int(to_height)), interpolation=cv2.INTER_LINEAR)
            found = resize_exactly(image, int(to_width), int(to_height), image.shape[:2])
            np.testing.assert_array_equal(found, expected)


@on_x86
@pytest.mark.parametrize("part", [2, 4, 8])
def test_so_are_those_of_an_image_that_was_decoded_smaller(part: int) -> None:
    for full_height, full_width in ((1001, 1333), (1200, 1600), (896, 1792)):
        rows, columns = full_height / part, full_width / part
        image = noise(-(-full_height // part), -(-full_width // part))
        for width, height in ((56, 56), (61, 47), (112, 56)):
            scales = {"fx": width / columns, "fy": height / rows}
            larger = cv2.resize(image, None, **scales, interpolation=cv2.INTER_LINEAR)
            found = resize_exactly(image, width, height, (rows, columns))
            np.testing.assert_array_equal(found, larger[:height, :width])


@on_x86
def test_where_opencv_rounds_otherwise_the_pixels_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    resize, image = cv2.resize, noise(91, 133)

    def otherwise(*args: object, **options: object) -> NDArray[np.uint8]:
        """As OpenCV is on ARM: some bytes are a level higher."""
        found = resize(*args, **options)  # type: ignore[call-overload]
        found[::3] += found[::3] < 255
        return found

    expected = resize_linear(image, 64, 48)
    monkeypatch.setattr(linear_resize, "_opencv_rounds_so", linear_resize._opencv_rounds_so.__wrapped__)  # tried anew
    monkeypatch.setattr(cv2, "resize", otherwise)
    found = resize_linear(image, 64, 48)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, resize(image, (64, 48), interpolation=cv2.INTER_LINEAR))


@pytest.mark.parametrize(
    ("interpolation", "digest"),
    [
        ("linear", "02e33ec33989b435"),
        ("nearest", "a3ad6eef2d03fea7"),
        ("antialias", "f3812ed4cc037eeb"),
        ("antialias-cubic", "4a82e8b31df44126"),
    ],
)
def test_the_pixels_are_the_same_on_every_processor(interpolation: Interpolation, digest: str) -> None:
    """scripts/test_arm64 runs this on ARM."""
    spec = PreprocessSpec(resize="crop", interpolation=interpolation, crop_fraction=0.875)
    found = fit(noise(375, 500), InputSpec(224, 224), spec)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == digest
