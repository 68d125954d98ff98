"""The linear classifier on features: logits ``features @ weight.T + bias``, and its fit by logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.features.lbfgs import Vector, minimize

__all__ = ["HeadExamples", "HeadFit", "LinearHead", "log_softmax"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A linear classifier."""

    weight: Matrix  # [C, D]
    bias: Vector  # [C]

    def logits(self, features: NDArray[np.floating]) -> Matrix:
        """Features ``[N, D]`` to logits ``[N, C]``."""
        found: Matrix = features @ self.weight.T + self.bias
        return found

    def of_classes(self, rows: NDArray[np.intp]) -> LinearHead:
        """The rows of these classes, in this order."""
        return LinearHead(self.weight[rows], self.bias[rows])


@dataclass(frozen=True, eq=False)
class HeadExamples:
    """What a head is fitted on."""

    features: NDArray[np.floating]  # [N, D]
    truth: NDArray[np.intp]  # [N], class of each
    counts: Vector  # [N], how much each counts; their sum is the number of examples

    def chosen(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> HeadExamples:
        """Some of them."""
        return HeadExamples(self.features[rows], self.truth[rows], self.counts[rows])


def log_softmax(logits: Matrix) -> Matrix:
    """Logarithms of the probabilities, ``[N, C]``."""
    shifted = logits - logits.max(1, keepdims=True)
    found: Matrix = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return found


class HeadFit:
    """Multinomial logistic regression with an L2 penalty on the distance from a head that is there already.

    What does not depend on the penalty is computed once.
    """

    def __init__(self, examples: HeadExamples, start: LinearHead, free: NDArray[np.bool_]) -> None:
        """Prepares the fit.

        Args:
            examples: what it is fitted on.
            start: where the fit starts, and what the penalty pulls to: zeros for a class that is new.
            free: bool ``[C]``, the classes whose rows are fitted; others keep those of ``start``.
        """
        self._start, self._rows = start, np.nonzero(free)[0]
        self._share = examples.counts / examples.counts.sum()
        # All features are divided by one number, not each by its own deviation: that would make much of features that
        # hardly vary
        self._mean: Vector = examples.features.mean(0, dtype=np.float64)
        self._deviation = float(examples.features.std(dtype=np.float64)) or 1.0
        x = (examples.features - self._mean) / self._deviation
        # Gradients lie in the space of the examples, so where they are fewer than the features that space is enough
        self._basis = np.linalg.qr(x.T)[0] if len(x) < x.shape[1] else None  # [D, N], orthonormal columns
        self._inside = x if self._basis is None else x @ self._basis
        self._given = start.logits(examples.features)
        self._truth = (np.arange(len(x)), examples.truth)
        self._target = np.zeros_like(self._given)
        self._target[self._truth] = 1
        self._found = np.zeros(len(self._rows) * (self._inside.shape[1] + 1))  # of the penalty before: a good start

    def fit(self, penalty: float) -> LinearHead:
        """The head: half of ``penalty`` times the squared distance from the start, on features of deviation 1, is
        added to the mean loss."""
        self._found = minimize(lambda at: self._loss(at, penalty), self._found)
        moved, offset = self._split(self._found)
        moved = (moved if self._basis is None else moved @ self._basis.T) / self._deviation
        weight, bias = self._start.weight.copy(), self._start.bias.copy()
        weight[self._rows] += moved
        bias[self._rows] += offset - moved @ self._mean
        return LinearHead(weight, bias)

    def _split(self, parameters: Vector) -> tuple[Matrix, Vector]:
        ends = len(self._rows) * self._inside.shape[1]
        return parameters[:ends].reshape(len(self._rows), -1), parameters[ends:]

    def _loss(self, parameters: Vector, penalty: float) -> tuple[float, Vector]:
        moved, offset = self._split(parameters)
        logits = self._given.copy()
        logits[:, self._rows] += self._inside @ moved.T + offset
        logs = log_softmax(logits)
        error = (np.exp(logs) - self._target)[:, self._rows] * self._share[:, None]
        value = -float(self._share @ logs[self._truth]) + penalty * float((moved * moved).sum()) / 2
        return value, np.concatenate([(error.T @ self._inside + penalty * moved).ravel(), error.sum(0)])
