"""The principal subspace of features."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.features.subspace import fit_subspace


def in_a_plane(count: int, width: int = 40, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    plane = np.linalg.qr(np.random.default_rng(9).standard_normal((width, 4)))[0]
    return (
        random.standard_normal((count, 4)) @ plane.T + 3 * plane[:, 0] + 0.01 * random.standard_normal((count, width))
    )


def test_new_features_of_the_same_kind_are_near_and_others_far() -> None:
    found = fit_subspace(in_a_plane(200))
    assert found is not None
    near = found.distances(in_a_plane(100, seed=1))
    far = found.distances(np.random.default_rng(3).standard_normal((100, 40)))
    assert near.max() < far.min()


def test_the_distance_does_not_change_with_the_length_of_the_features() -> None:
    found = fit_subspace(in_a_plane(200))
    assert found is not None
    values = np.random.default_rng(3).standard_normal((10, 40))
    np.testing.assert_allclose(found.distances(values), found.distances(values * 7), atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [in_a_plane(19), np.random.default_rng(0).random((100, 7)), np.ones((100, 40)), np.full((100, 40), np.nan)],
    ids=["few", "narrow", "alike", "nan"],
)
def test_features_that_carry_no_distance_give_none(values: np.ndarray) -> None:
    assert fit_subspace(values) is None
