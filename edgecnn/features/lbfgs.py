"""Minimizes a smooth convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.5).

The device has no SciPy: 35 MB for this one function.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vector", "minimize"]

Vector = NDArray[np.float64]

_HISTORY = 10  # steps that the curvature is estimated from
_SUFFICIENT = 1e-4  # share of the promised decrease that a step must bring (Armijo)
_HALVINGS = 30


def minimize(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, *, steps: int = 100, tolerance: float = 1e-6
) -> Vector:
    """Returns the point where a function is smallest.

    Args:
        function: of a point ``[P]``: its value and its gradient ``[P]``.
        start: where the search begins, ``[P]``.
        steps: at most so many.
        tolerance: the largest gradient component at which the search ends, relative to the value at the start.
    """
    point = start.copy()
    value, gradient = function(point)
    limit = tolerance * max(abs(value), 1e-12)
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=_HISTORY)
    for _ in range(steps):
        if float(np.abs(gradient).max(initial=0.0)) <= limit:
            break
        direction = -_times_inverse_hessian(gradient, pairs)
        slope = float(direction @ gradient)
        length = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        for _ in range(_HALVINGS):
            moved = length * direction
            new_value, new_gradient = function(point + moved)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            break  # no step lowers it: rounding is all that is left
        change = new_gradient - gradient
        curvature = float(change @ moved)
        if curvature > 1e-12 * float(change @ change):
            pairs.append((moved, change, 1.0 / curvature))
        point, value, gradient = point + moved, new_value, new_gradient
    return point


def _times_inverse_hessian(gradient: Vector, pairs: deque[tuple[Vector, Vector, float]]) -> Vector:
    """The two-loop recursion (algorithm 7.4)."""
    found = gradient.copy()
    shares = []
    for moved, change, inverse in reversed(pairs):
        share = inverse * float(moved @ found)
        found -= share * change
        shares.append(share)
    if pairs:
        moved, change, inverse = pairs[-1]
        found /= inverse * float(change @ change)
    for (moved, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        found += (share - inverse * float(change @ found)) * moved
    return found
