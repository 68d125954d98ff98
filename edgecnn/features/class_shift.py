"""How far the features of images lie from where the model's classes were: the shift of their mean, whatever the mixture
of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ManifestError
from edgecnn.features.class_statistics import ClassStatistics

__all__ = ["ClassShift"]

_SMALLEST = 0.1  # of the largest deviation: what is smaller was measured on too few images to be a unit


@dataclass(frozen=True, eq=False)
class ClassShift:
    """Measures images in the directions in which the images of one class differ, in units of that spread.

    The residual of an image is its features less the class means, weighted by its probabilities. Over images like the
    known ones, residuals have mean 0 and variance 1 in each direction, in any mixture of the classes.
    """

    directions: NDArray[np.float32]  # [D, k], features to units of the spread
    means: NDArray[np.float32]  # [C, k], of the classes in these units
    counts: NDArray[np.float64]  # [C], images that the mean of each class was computed on

    @classmethod
    def of(cls, statistics: ClassStatistics) -> ClassShift | None:
        """From the statistics of a model file; None where the images of its classes do not differ."""
        _, scales, vectors = np.linalg.svd(statistics.directions.astype(np.float64), full_matrices=False)
        kept = scales > max(_SMALLEST * float(scales.max(initial=0)), 1e-6)
        if not kept.any():
            return None
        directions = (vectors[kept] / scales[kept, None]).T
        means = statistics.means.astype(np.float64) @ directions
        counts = np.maximum(np.array(statistics.counts, np.float64), 1)
        return cls(np.asarray(directions, np.float32), np.asarray(means, np.float32), counts)

    def residuals(self, features: NDArray[np.float32], probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of features ``[N, D]`` with class probabilities ``[N, C]``: ``[N, k]``; of one image ``[k]``.

        Raises :class:`ManifestError` where the features are others than those that the statistics are of.
        """
        if features.shape[-1] != len(self.directions):
            raise ManifestError("the statistics of the classes do not fit the model; export the model again")
        return np.asarray(features @ self.directions - probabilities @ self.means, np.float32)

    def mean_variance(self, shares: NDArray[np.floating]) -> float:
        """Variance that the class means themselves bring into a mean residual, by the shares ``[C]`` of the classes."""
        return float((np.asarray(shares, np.float64) ** 2 / self.counts).sum())
