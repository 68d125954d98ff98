"""What accuracy to expect of a network that was not trained yet: its probe, and how far training went beyond the
probes of others; of one that is to be trained once more, what the first training gave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporters.search.network_choice import NetworkChoice
from exporters.search.probe import Probed

__all__ = ["Guess", "Guesses", "Trained"]

# Priors, all of the logarithm of the error. Training divides the error of a probe by about 1.5; measured on cats and
# dogs, solar cells and CIFAR-10 it was 1.1 to 2.5
_GAIN, _GAIN_DEVIATION = -0.4, 0.5
_PRUNING = 0.45  # times 1 / (share of the multiply-accumulates that is left) - 1; cats and dogs: 0.2 to 0.6
_OF_PRUNING, _OF_SIZE = 0.25, 0.3  # how far networks of one share, or of one image size, deviate together
_LUCK = 0.15  # of one training
_AGAIN = -0.1  # what a second training gains; twice the epochs: 0 on validation, -0.3 on test images of cats and dogs
_DEGREE = 2  # of the curve through the probes
_ALIKE_SHARES, _ALIKE_SIDES = 0.35, 0.2  # networks whose shares, or sides, are closer (in nats) deviate alike


@dataclass(frozen=True)
class Trained:
    """A network that was trained, and its errors on the validation images."""

    choice: NetworkChoice
    errors: int
    images: int


@dataclass(frozen=True)
class Guess:
    """A normal distribution of the logarithm of the error."""

    mean: float
    deviation: float

    def chance_of(self, top1: float) -> float:
        """Probability that the accuracy is at least ``top1``."""
        if top1 >= 1:
            return 0.0
        return 0.5 * math.erfc((self.mean - math.log(1 - top1)) / (self.deviation * math.sqrt(2)))

    @property
    def top1(self) -> float:
        """The median."""
        return 1 - math.exp(self.mean)


class Guesses:
    """Guesses for all networks, from probes and trained ones: of the error that the validation images will show, which
    are few, so that their choice adds to the doubt.

    A Gaussian process (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equations 2.25 and
    2.26) over what training and pruning make of a probe: a network that was trained tells most of those that are
    pruned alike and see images of about the same size.
    """

    def __init__(self, probes: Mapping[tuple[str, int], Probed], trained: Sequence[Trained]) -> None:
        self._probed = {model: _Curve.through(probes, model) for model in {model for model, _ in probes}}
        self._images = max((each.images for each in trained), default=0)
        self._once = {each.choice: each for each in trained if each.choice.trainings == 1}
        noise = [_LUCK**2 + 1 / (each.errors + 0.5) for each in self._once.values()]
        together = [[_covariance(a, b) for b in self._once] for a in self._once]
        self._inverse = np.linalg.inv(
            np.array(together).reshape(len(noise), len(noise)) + np.diag(noise)
        )  # [trained, trained]
        self._beyond = np.array([_log_error(each) - self._expected(each.choice) for each in self._once.values()])

    def of(self, choice: NetworkChoice) -> Guess:
        """The guess for a network that was probed, or was trained before and is to be trained once more."""
        if choice.trainings > 1:
            return self._of_one_trained(self._once[choice.first])
        near = np.array([_covariance(choice, each) for each in self._once])  # [trained]
        expected = min(self._expected(choice) + float(near @ self._inverse @ self._beyond), math.log(0.99))
        variance = _covariance(choice, choice) - float(near @ self._inverse @ near)
        return Guess(expected, math.sqrt(variance + _LUCK**2 + self._counted(expected)))

    def _of_one_trained(self, found: Trained) -> Guess:
        expected = _log_error(found) + _AGAIN
        # The same images count the errors of both trainings, so half of their choice adds to the doubt
        return Guess(expected, math.sqrt(_LUCK**2 + self._counted(expected) / 2))

    def _counted(self, expected: float) -> float:
        """The variance of counting a few errors."""
        return 1 / (self._images * math.exp(expected) + 0.5) if self._images else 0.0

    def _expected(self, choice: NetworkChoice) -> float:
        """Before anything was trained."""
        pruning = _PRUNING * (1 / (1 - choice.pruned) - 1)
        return self._probed[choice.model].at(choice.imgsz) + _GAIN + pruning


@dataclass(frozen=True, eq=False)
class _Curve:
    """The logarithm of the probes' error as a polynomial of that of the image's side: single probes are off by 40 %."""

    coefficients: NDArray[np.float64]

    @classmethod
    def through(cls, probes: Mapping[tuple[str, int], Probed], model: str) -> _Curve:
        found = {side: each for (name, side), each in probes.items() if name == model}
        sides = np.log(list(found))
        return cls(np.polyfit(sides, [_log_error(each) for each in found.values()], min(_DEGREE, len(found) - 1)))

    def at(self, side: int) -> float:
        return float(np.polyval(self.coefficients, math.log(side)))


def _covariance(a: NetworkChoice, b: NetworkChoice) -> float:
    """Of what training makes of two networks, beyond what their probes tell."""
    shares = abs(math.log((1 - a.pruned) / (1 - b.pruned))) / _ALIKE_SHARES
    sides = abs(math.log(a.imgsz / b.imgsz)) / _ALIKE_SIDES
    of_model = _OF_PRUNING**2 * math.exp(-shares) if a.model == b.model else 0.0
    return _GAIN_DEVIATION**2 + of_model + _OF_SIZE**2 * math.exp(-sides)


def _log_error(found: Trained | Probed) -> float:
    return math.log((found.errors + 0.5) / (found.images + 1))
