"""The minimizer finds the minimum of smooth convex functions."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.features.lbfgs import minimize


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e5])
def test_the_minimum_of_a_quadratic_is_the_solution_of_its_equations(condition: float) -> None:
    random = np.random.default_rng(0)
    rotation = np.linalg.qr(random.standard_normal((20, 20)))[0]
    matrix = rotation @ np.diag(np.geomspace(1, condition, 20)) @ rotation.T
    target = random.standard_normal(20)
    found = minimize(
        lambda x: (float(x @ matrix @ x / 2 - target @ x), matrix @ x - target),
        np.zeros(20),
        steps=2000,
        tolerance=1e-10,
    )
    np.testing.assert_allclose(found, np.linalg.solve(matrix, target), atol=1e-4)


def test_a_function_that_is_at_its_minimum_stays_there() -> None:
    found = minimize(lambda x: (float(x @ x), 2 * x), np.zeros(3))
    assert not found.any()


def test_a_steep_start_does_not_overshoot_for_good() -> None:
    found = minimize(lambda x: (float(np.cosh(x).sum()), np.sinh(x)), np.full(4, 5.0), steps=200)
    np.testing.assert_allclose(found, 0, atol=1e-3)
