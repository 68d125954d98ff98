"""Which images a model computes outputs of that anything can be fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOT_FINITE", "usable_rows"]

NOT_FINITE = "the model computes no finite features"
"""Why an image is left out; ``of it`` or the like follows."""

_TOO_LARGE = 1e15  # a feature: the sum of many squares would not be finite in float32


def usable_rows(features: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of features ``[N, D]`` and probabilities ``[N, C]``: ``[N]``."""
    found: NDArray[np.bool_] = np.abs(features).max(1) < _TOO_LARGE  # NaN is not
    return found & np.isfinite(probabilities).all(1)
