"""What accuracy to expect of a network that was not trained yet: its probe, and how far training went beyond the
probes of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporters.search.network_choice import NetworkChoice
from exporters.search.probe import Probed

__all__ = ["Guess", "Guesses", "Trained"]

# Priors, all of the logarithm of the error. Training divides the error of a probe by about 1.5; measured on cats and
# dogs, solar cells and CIFAR-10 it was 1.1 to 2.5 (docs/search.md)
_GAIN, _GAIN_DEVIATION = -0.4, 0.5
_BETWEEN_KINDS = 0.25  # networks, and shares of pruning, differ in what training gains
_PRUNING = 1.2  # power of the share of multiply-accumulates that is left; cats and dogs at 160 pixels: 1.2 to 2
_LUCK = 0.15  # of one training
_OF_SIZE = 0.25  # image sizes differ in what a probe tells; cats and dogs, by kind: 0.22 to 0.3


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
    are few, so that their choice adds to the doubt."""

    def __init__(self, probes: Mapping[tuple[str, int], Probed], trained: Sequence[Trained]) -> None:
        self._probes = probes
        self._images = max((each.images for each in trained), default=0)
        beyond = [(each, self._beyond(each), 1 / (1 / (each.errors + 0.5) + _LUCK**2)) for each in trained]
        weight = sum(w for *_, w in beyond) + 1 / _GAIN_DEVIATION**2
        self._gain = (sum(r * w for _, r, w in beyond) + _GAIN / _GAIN_DEVIATION**2) / weight
        self._of_kind: dict[tuple[str, float], tuple[float, float]] = {}
        for kind in {_kind(each.choice) for each in trained}:
            own = [(r, w) for each, r, w in beyond if _kind(each.choice) == kind]
            precision = sum(w for _, w in own) + 1 / _BETWEEN_KINDS**2
            mean = (sum(r * w for r, w in own) + self._gain / _BETWEEN_KINDS**2) / precision
            self._of_kind[kind] = mean, 1 / precision
        self._spread = 1 / weight

    def of(self, choice: NetworkChoice) -> Guess:
        """The guess for a network that was probed."""
        mean, variance = self._of_kind.get(_kind(choice), (self._gain, self._spread + _BETWEEN_KINDS**2))
        expected = min(self._probed(choice) + mean, math.log(0.99))
        counted = 1 / (self._images * math.exp(expected) + 0.5) if self._images else 0.0  # of a few errors
        return Guess(expected, math.sqrt(variance + _LUCK**2 + _OF_SIZE**2 + counted))

    def _beyond(self, trained: Trained) -> float:
        return math.log((trained.errors + 0.5) / (trained.images + 1)) - self._probed(trained.choice)

    def _probed(self, choice: NetworkChoice) -> float:
        found = self._probes[choice.model, choice.imgsz]
        return math.log((found.errors + 0.5) / (found.images + 1)) - _PRUNING * math.log(1 - choice.pruned)


def _kind(choice: NetworkChoice) -> tuple[str, float]:
    return choice.model, choice.pruned
