"""How many images the threshold of an unknown rule was fitted on: what its false-reject rate is worth depends on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from edgecnn.evaluation.ood_threshold import FALSE_REJECT_RATE
from edgecnn.manifest import UnknownRule

__all__ = ["ThresholdOrigin", "least_unusual_count"]

_FEWEST, _MOST = 40, 20_000
"""Images that a threshold is fitted on."""


@dataclass(frozen=True)
class ThresholdOrigin:
    """A threshold that rejected ``rejected`` of ``images`` images."""

    images: int
    rejected: int

    @classmethod
    def of(cls, rule: UnknownRule) -> ThresholdOrigin | None:
        """The fewest images that give the rule's rate; None where the rule is off or has none.

        A rate has four digits, so several numbers of images may give it. Fewer images make a wider range of rates to be
        expected, so the fewest are the careful guess.
        """
        if rule.off or rule.false_reject_rate >= 0.5:
            return None
        usual = (
            (images, max(math.floor(FALSE_REJECT_RATE * (images + 1) + 1e-9) - 1, 0))
            for images in range(_FEWEST, _MOST)
        )
        any_rate = ((images, round(rule.false_reject_rate * images)) for images in range(_FEWEST, _MOST))
        for candidates in (usual, any_rate):
            for images, rejected in candidates:
                if round(rejected / images, 4) == rule.false_reject_rate:
                    return cls(images, rejected)
        return None

    @property
    def expected_rate(self) -> float:
        """Share of further images of the same kind that the threshold rejects, on average over such fits."""
        return (self.rejected + 1) / (self.images + 1)

    def most_usual(self, images: int, level: float) -> int:
        """The most of so many further images of the same kind that are rejected, but for a share ``level`` of cases."""
        return least_unusual_count(self.images, self.rejected, images, level) - 1


@lru_cache(maxsize=4096)  # asked with each new scene, for the same few numbers
def least_unusual_count(fitted: int, rejected: int, images: int, level: float) -> int:
    """The fewest rejected of ``images`` new images that come with a probability of at most ``level``.

    The threshold is a score of one of the ``fitted`` images, with ``rejected`` beyond it. Then the number of new images
    of the same distribution beyond it has a beta-binomial distribution, whatever the scores' distribution is.
    """
    a, b = rejected + 1, fitted - rejected
    tail = 0.0
    for count in range(images, -1, -1):
        tail += math.exp(_log_choose(images, count) + _log_beta(count + a, images - count + b) - _log_beta(a, b))
        if tail > level:
            return count + 1
    return 0


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
