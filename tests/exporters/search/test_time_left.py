"""The time that a search has left, and what fits into it."""

from __future__ import annotations

from exporters.search.network_choice import NetworkChoice
from exporters.search.time_left import TimeLeft

_REFERENCE = NetworkChoice("efficientnet_lite0", 224)


def test_one_training_beside_other_work_does_not_end_the_search() -> None:
    left = TimeLeft(_REFERENCE, budget_s=3600, before_s=3000)
    small = NetworkChoice("efficientnet_lite0", 160, 0.5)
    for seconds in (90, 95, 100, 900):
        left.learn(small, seconds)
    assert left.fits(small)


def test_what_takes_longer_than_the_rest_does_not_fit() -> None:
    left = TimeLeft(_REFERENCE, budget_s=3600, before_s=3400)
    for seconds in (90, 95, 100):
        left.learn(NetworkChoice("efficientnet_lite0", 160, 0.5), seconds)
    assert left.fits(NetworkChoice("efficientnet_lite0", 160, 0.5))
    assert not left.fits(NetworkChoice("efficientnet_lite0", 224))
