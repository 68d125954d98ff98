"""The quicker area resize gives OpenCV's own pixels, to the bit, at whatever size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.image import area_resize
from edgecnn.image.area_resize import resize_area

CAMERAS = [
    (640, 480),
    (480, 640),
    (1280, 720),
    (1920, 1080),
    (720, 576),
    (800, 600),
    (500, 375),
    (300, 300),
    (320, 240),
]


def opencv(image: NDArray[np.uint8], width: int, height: int) -> cv2.typing.MatLike:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def images(width: int, height: int, seed: int) -> list[NDArray[np.uint8]]:
    """Noise, whose sums lie everywhere, halves between two levels among them.

    Two levels, which meet at halves most often; a smooth scene; white.
    """
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (height, width, 3), np.uint8)
    levels = random.integers(0, 2, (height, width, 3), np.uint8)
    scene = cv2.resize(
        noise[: max(1, height // 16), : max(1, width // 16)], (width, height), interpolation=cv2.INTER_LINEAR
    )
    return [noise, levels, np.asarray(scene, np.uint8), np.full((height, width, 3), 255, np.uint8)]


@pytest.mark.parametrize("side", [32, 64, 96, 160, 224, 260, 300])
@pytest.mark.parametrize("size", CAMERAS, ids=lambda s: f"{s[0]}x{s[1]}")
def test_frames_of_cameras_become_the_same_to_the_bit(size: tuple[int, int], side: int) -> None:
    for image in images(*size, seed=side):
        assert np.array_equal(resize_area(image, side, side), opencv(image, side, side))


def test_whatever_the_two_sizes_are() -> None:
    random = np.random.default_rng(0)
    for seed in range(300):
        width, height, to_width, to_height = random.integers(1, 400, 4).tolist()  # also enlarged, one way or both
        for image in images(width, height, seed):
            assert np.array_equal(resize_area(image, to_width, to_height), opencv(image, to_width, to_height)), (
                image.shape,
                to_width,
                to_height,
            )


@pytest.mark.parametrize("usual_bytes", [1, 50_000, 1 << 30])
def test_however_many_rows_are_taken_at_a_time(usual_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """480 rows in bands of 15, of 90 with a shorter last one, and all at once."""
    monkeypatch.setattr(area_resize, "_USUAL_BYTES", usual_bytes)
    for image in images(64, 480, seed=1):
        assert np.array_equal(resize_area(image, 28, 224), opencv(image, 28, 224))


def test_a_part_of_an_image_is_resized_as_it_stands_there() -> None:
    image = images(640, 480, seed=2)[0]
    for part in (image[7:400, 11:500], image[::2, ::3], image[:, ::-1]):
        assert np.array_equal(resize_area(part, 100, 90), opencv(part, 100, 90))


def test_a_large_photograph_takes_a_few_megabytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def empty(shape: tuple[int, ...], dtype: type) -> NDArray[np.generic]:
        made = np.zeros(shape, dtype)
        taken.append(made.nbytes)
        return made

    monkeypatch.setattr("edgecnn.image.area_resize.np.empty", empty)
    for size in ((4032, 3024), (4000, 3000), (4001, 2999)):
        photograph = np.zeros((size[1], size[0], 3), np.uint8)
        taken.clear()
        resize_area(photograph, 224, 224)
        assert sum(taken) < 5 << 20, size
