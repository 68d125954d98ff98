"""What a search expects of a network that was not trained: the probe, corrected by what training gave others."""

from __future__ import annotations

import pytest

from exporters.search.guesses import Guesses, Trained
from exporters.search.network_choice import NetworkChoice
from exporters.search.probe import Probed

PROBES = {("net", 64): Probed(100, 1000), ("net", 128): Probed(40, 1000), ("net", 224): Probed(20, 1000)}
SMALL, MIDDLE, LARGE = (NetworkChoice("net", side) for side in (64, 128, 224))


def test_a_larger_image_with_fewer_errors_in_its_probe_is_expected_to_be_better() -> None:
    guesses = Guesses(PROBES, [])
    assert guesses.of(SMALL).top1 < guesses.of(MIDDLE).top1 < guesses.of(LARGE).top1


def test_pruning_is_expected_to_cost_accuracy() -> None:
    guesses = Guesses(PROBES, [])
    assert guesses.of(NetworkChoice("net", 128, 0.5)).top1 < guesses.of(MIDDLE).top1


def test_what_training_gave_others_moves_and_narrows_the_guess() -> None:
    before = Guesses(PROBES, []).of(MIDDLE)
    after = Guesses(PROBES, [Trained(LARGE, 5, 1000), Trained(SMALL, 25, 1000)]).of(MIDDLE)
    assert after.deviation < before.deviation
    assert after.top1 == pytest.approx(0.99, abs=0.004)  # a quarter of the errors of its probe, as with the others


def test_the_chance_falls_with_what_is_asked() -> None:
    guess = Guesses(PROBES, []).of(MIDDLE)
    chances = [guess.chance_of(top1) for top1 in (0.5, 0.95, guess.top1, 0.99, 1.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[2] == pytest.approx(0.5)
    assert chances[-1] == 0.0


def test_few_validation_images_leave_more_doubt_than_many() -> None:
    """Where four errors decide, a network expected to make nine may be seen to make four: it is worth a training."""
    few, many = (Guesses(PROBES, [Trained(LARGE, images // 200, images)]).of(MIDDLE) for images in (200, 20_000))
    assert few.deviation > 1.5 * many.deviation


def test_a_second_training_is_expected_to_gain_little_on_the_first() -> None:
    guesses = Guesses(PROBES, [Trained(LARGE, 8, 1000), Trained(SMALL, 60, 1000)])
    again, once = guesses.of(SMALL.again), guesses.of(SMALL)
    assert 0.94 < again.top1 < 0.95
    assert again.deviation < once.deviation  # what the first gave is known
    after = Guesses(PROBES, [Trained(LARGE, 8, 1000), Trained(SMALL, 60, 1000), Trained(SMALL.again, 10, 1000)])
    assert after.of(MIDDLE) == guesses.of(MIDDLE)  # once trained, a network gains as others did that were trained once
