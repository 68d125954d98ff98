"""What a model file remembers of the classes it was trained on: no images and no features of single images, only how
the features of each class are spread. `edgecnn teach` draws features from it to keep what the model knew.

JSON in the metadata key ``edgecnn.classes``, the numbers as base64 of little-endian float16:
``{"counts": [...], "means": "…", "directions": "…", "rest": "…"}``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.error_text import first_line
from edgecnn.errors import ManifestError
from edgecnn.features.packed_numbers import FLOAT16, packed, unpacked
from edgecnn.plain_json import UNFIT

__all__ = ["MAX_CLASSES", "ClassStatistics", "class_statistics", "merged"]

MAX_CLASSES = 200
"""More are not kept: the means alone would be a tenth of a small model file."""

_DIRECTIONS = 32  # of the spread within classes; the rest is kept per feature
_LARGEST = 65504.0  # of float16
_MOST_IMAGES = 2**53  # of a class: as a float it is exact


@dataclass(frozen=True, eq=False)
class ClassStatistics:
    """A normal distribution of features per class, with one covariance ``directions.T @ directions + diag(rest²)``."""

    counts: tuple[int, ...]  # images that the mean of each class was computed on
    means: NDArray[np.float32]  # [C, D]
    directions: NDArray[np.float32]  # [k, D], scaled by their deviations
    rest: NDArray[np.float32]  # [D], deviations of what the directions leave

    def draw(self, label: int, count: int, random: np.random.Generator) -> NDArray[np.float32]:
        """Features of made-up images of a class, ``[count, D]``.

        Some are negative where those of images never are. A linear head sees sums of many features, and the mean and
        the spread of those are kept as they are.
        """
        along = random.standard_normal((count, len(self.directions))).astype(np.float32) @ self.directions
        apart = random.standard_normal((count, len(self.rest))).astype(np.float32) * self.rest
        return np.asarray(self.means[label] + along + apart, np.float32)

    def to_json(self) -> str:
        """The JSON text for the model file."""
        numbers = {name: _half(getattr(self, name)) for name in ("means", "directions", "rest")}
        return json.dumps({"counts": list(self.counts), **numbers})

    @classmethod
    def from_json(cls, text: str) -> ClassStatistics:
        """Reads the output of :meth:`to_json`. Raises :class:`ManifestError` for any other text."""
        try:
            found = json.loads(text)
            counts = tuple(found["counts"])
            means = unpacked(found["means"], FLOAT16).reshape(len(counts), -1)
            rest = unpacked(found["rest"], FLOAT16)
            directions = unpacked(found["directions"], FLOAT16).reshape(-1, len(rest))
        except UNFIT as error:
            raise ManifestError(
                f"the statistics of the classes are invalid ({first_line(error)}); export the model again"
            ) from error
        counted = all(type(count) is int and 1 <= count <= _MOST_IMAGES for count in counts)
        finite = all(np.isfinite(values).all() for values in (means, rest, directions))
        if not counted or not finite or means.shape[1] != len(rest):
            raise ManifestError("the statistics of the classes are invalid; export the model again")
        return cls(counts, means, directions, rest)


def class_statistics(
    features: NDArray[np.floating], truth: Sequence[int] | NDArray[np.integer], classes: int
) -> ClassStatistics | None:
    """Statistics of the features ``[N, D]`` of images of classes ``truth``; None where a class has no image, or there
    are more than MAX_CLASSES classes, or features that are not finite."""
    labels = np.asarray(truth, np.intp)
    counts = np.bincount(labels, minlength=classes)
    if classes > MAX_CLASSES or not counts.all() or not np.isfinite(features).all():
        return None
    values = np.asarray(features, np.float64)
    means = np.zeros((classes, values.shape[1]))
    np.add.at(means, labels, values)
    means /= counts[:, None]
    # Every class counts alike in the spread; one of a single image tells nothing of it
    share = 1 / (np.maximum(counts - 1, 1) * max(int((counts > 1).sum()), 1))
    directions, rest = _spread((values - means[labels]) * np.sqrt(share[labels])[:, None])
    return ClassStatistics(tuple(int(count) for count in counts), _single(means), directions, rest)


def merged(known: ClassStatistics, taught: ClassStatistics, places: Sequence[int]) -> ClassStatistics:
    """Statistics of a model that was taught.

    Args:
        known: of the model before.
        taught: of the labelled images, one class after another.
        places: of each class of ``taught``, its index in the new model: one of ``known``, or one after those.

    Returns:
        Means weighted by the numbers of images, and the spreads by the numbers of classes.
    """
    classes = max(len(known.counts), max(places) + 1)
    counts, means = np.zeros(classes), np.zeros((classes, known.means.shape[1]))
    for statistics, where in ((known, range(len(known.counts))), (taught, places)):
        for count, mean, place in zip(statistics.counts, statistics.means, where, strict=True):
            means[place] = (means[place] * counts[place] + mean * count) / (counts[place] + count)
            counts[place] += count
    parts = [(known, len(known.counts)), (taught, len(taught.counts))]
    whole = sum(share for _, share in parts)
    directions, rest = _spread(np.concatenate([s.directions * np.sqrt(share / whole) for s, share in parts]))
    squared = rest**2 + sum(s.rest.astype(np.float64) ** 2 * (share / whole) for s, share in parts)
    return ClassStatistics(tuple(int(count) for count in counts), _single(means), directions, _single(np.sqrt(squared)))


def _spread(apart: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Principal directions ``[k, D]`` of rows whose squares add up to the covariance, and what they leave ``[D]``."""
    rows = np.asarray(apart, np.float64)
    if len(rows) > rows.shape[1]:
        squared, vectors = np.linalg.eigh(rows.T @ rows)
        first = np.argsort(squared)[::-1][:_DIRECTIONS]
        directions = np.sqrt(np.maximum(squared[first], 0))[:, None] * vectors[:, first].T
    else:
        _, scales, vectors = np.linalg.svd(rows, full_matrices=False)
        directions = scales[:_DIRECTIONS, None] * vectors[:_DIRECTIONS]
    rest = np.sqrt(np.maximum((rows * rows).sum(0) - (directions * directions).sum(0), 0))
    return _single(directions), _single(rest)


def _single(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _half(values: NDArray[np.float32]) -> str:
    return packed(np.clip(values, -_LARGEST, _LARGEST), FLOAT16)
