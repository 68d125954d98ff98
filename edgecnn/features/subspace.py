"""The principal subspace of the features of known images. The distance from it is the unknown score
`feature_distance`, which the exporter and the taught head write into the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TINY", "FeatureSubspace", "fit_subspace", "unit_rows"]

TINY = 1e-12
"""Added under square roots, in the graph too."""

MIN_IMAGES = 20
"""With fewer images there is no subspace."""

_DIRECTIONS = 32  # of the subspace; 16 to 128 differ by less than chance
_MIN_FEATURES = 8


@dataclass(frozen=True, eq=False)
class FeatureSubspace:
    """Mean and principal directions of features of length 1.

    The distance ``|z - V V'z|`` with ``z = f / |f| - mean`` is the residual outside the principal subspace of ViM (Wang
    et al., arXiv 2203.10807), here on features of length 1, as in Mahalanobis++ (Mueller and Hein, arXiv 2505.18032),
    and from their mean.
    """

    mean: NDArray[np.float32]  # [D]
    basis: NDArray[np.float32]  # [D, k], orthonormal columns

    def distances(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Of features ``[N, D]``: scores ``[N]``, 0 to 2, higher is more unknown."""
        z = unit_rows(features.astype(np.float32)) - self.mean
        inside = z @ self.basis  # [N, k]
        squared = np.maximum((z * z).sum(1) - (inside * inside).sum(1), 0)
        return np.asarray(np.sqrt(squared + TINY), np.float32)


def fit_subspace(features: NDArray[np.floating], least: int = MIN_IMAGES) -> FeatureSubspace | None:
    """Fits features ``[N, D]``; None where they are fewer than ``least``, narrow, not finite, or all alike."""
    images, width = features.shape
    if images < least or width < _MIN_FEATURES or not np.isfinite(features).all():
        return None
    unit = unit_rows(features.astype(np.float64))
    mean = unit.mean(0)
    centred = unit - mean
    if not float((centred * centred).sum(1).mean()) > 1e-8:  # all images alike to the network
        return None
    directions = min(_DIRECTIONS, width // 4, images // 2)
    basis = np.linalg.svd(centred, full_matrices=False)[2][:directions].T
    return FeatureSubspace(mean.astype(np.float32), np.ascontiguousarray(basis, np.float32))


def unit_rows(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Features ``[N, D]`` at length 1; a row of zeros stays one."""
    found: NDArray[np.floating] = features / np.sqrt((features * features).sum(1, keepdims=True) + TINY)
    return found
