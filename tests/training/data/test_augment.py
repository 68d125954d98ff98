"""Augmentation: by its generator alone, and never of the caller's own pixels."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import UsageError
from edgecnn.training.data.augment import AUGMENTATIONS, augment, find_augmentation

PRESETS = list(AUGMENTATIONS)


def _image(height: int = 37, width: int = 37) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    ("before", "after"), [((37, 37), (32, 32)), ((32, 32), (32, 32)), ((20, 50), (33, 24)), ((1, 1), (8, 8))]
)
def test_the_result_is_uint8_in_the_shape_asked_for(name: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    for seed in range(8):
        found = augment(_image(*before), *after, AUGMENTATIONS[name], np.random.default_rng(seed))
        assert found.dtype == np.uint8
        assert found.shape == (*after, 3)
        assert found.flags.c_contiguous


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_generator_gives_the_same_image(name: str) -> None:
    a, b = (augment(_image(), 32, 32, AUGMENTATIONS[name], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "none"])
def test_other_generators_give_other_images(name: str) -> None:
    found = {
        augment(_image(), 32, 32, AUGMENTATIONS[name], np.random.default_rng(seed)).tobytes() for seed in range(10)
    }
    assert len(found) == 10


def test_none_changes_nothing() -> None:
    for seed in range(5):
        assert np.array_equal(augment(_image(), 37, 37, AUGMENTATIONS["none"], np.random.default_rng(seed)), _image())


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [37, 32])
def test_the_image_given_is_never_changed(name: str, size: int) -> None:
    image = _image()
    for seed in range(10):
        augment(image, size, size, AUGMENTATIONS[name], np.random.default_rng(seed))
    assert np.array_equal(image, _image())


def test_symmetric_turns_images_to_all_four_sides_and_light_never_upside_down() -> None:
    """An image dark above and bright below: only flips and turns can move its bright side."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[20:] = 255

    def bright_sides(name: str) -> set[str]:
        sides = set()
        for seed in range(40):
            found = augment(image, 40, 40, AUGMENTATIONS[name], np.random.default_rng(seed)).astype(float)
            by_side = {
                "top": found[:8].mean(),
                "bottom": found[-8:].mean(),
                "left": found[:, :8].mean(),
                "right": found[:, -8:].mean(),
            }
            sides.add(max(by_side, key=by_side.__getitem__))
        return sides

    assert bright_sides("light") == {"bottom"}
    assert bright_sides("symmetric") == {"top", "bottom", "left", "right"}


def test_an_unknown_augmentation_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError, match="--augment wild.*none, light, .*symmetric"):
        find_augmentation("wild")
