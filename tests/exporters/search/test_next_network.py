"""Which network a search trains next."""

from __future__ import annotations

from exporters.search.guesses import Guesses, Trained
from exporters.search.latencies import Latencies
from exporters.search.network_choice import NetworkChoice
from exporters.search.next_network import Limits, Standing, next_network
from exporters.search.probe import Probed

SIDES = (32, 64, 96, 128, 160, 192, 224)
CHOICES = [NetworkChoice("net", side) for side in SIDES]
LARGE = CHOICES[-1]
# Errors fall with the size, steeply at first
PROBES = {
    ("net", side): Probed(errors, 1000) for side, errors in zip(SIDES, (300, 120, 60, 40, 30, 25, 20), strict=True)
}
LATENCIES = Latencies("cpu", 1, {(choice, "int8"): 5 * (choice.imgsz / 224) ** 2 for choice in CHOICES})
NO_LIMITS = Limits(None, None, None)


def _next(
    top1: dict[NetworkChoice, float], limits: Limits = NO_LIMITS, fitting: list[NetworkChoice] = CHOICES
) -> NetworkChoice | None:
    standing = Standing(next(iter(top1)), {choice: LATENCIES.ms[choice.first, "int8"] for choice in top1}, top1)
    trained = [Trained(choice, round(1000 * (1 - share)), 1000) for choice, share in top1.items()]
    return next_network(
        CHOICES, Guesses(PROBES, trained), LATENCIES, standing, limits, lambda choice: choice in fitting
    )


def test_nothing_is_trained_twice() -> None:
    top1 = {LARGE: 0.99}
    for _ in range(len(CHOICES)):
        following = _next(top1)
        if following is None:
            break
        assert following not in top1
        top1[following] = Guesses(PROBES, []).of(following).top1
    assert _next(dict.fromkeys(CHOICES, 0.99)) is None


def test_without_limits_a_network_is_tried_that_may_be_as_accurate_and_is_much_faster() -> None:
    following = _next({LARGE: 0.986})
    assert following is not None
    assert 64 <= following.imgsz <= 160


def test_with_a_limit_of_latency_nothing_far_beyond_it_is_trained() -> None:
    limits = Limits(LATENCIES.ms[CHOICES[3], "int8"], None, None)
    following = _next({LARGE: 0.99}, limits)
    assert following is not None
    assert 96 <= following.imgsz <= 128


def test_with_a_least_accuracy_the_fastest_that_may_reach_it_is_trained() -> None:
    easy, hard = Limits(None, 0.85, None), Limits(None, 0.985, None)
    first, second = _next({LARGE: 0.99}, easy), _next({LARGE: 0.99}, hard)
    assert first is not None
    assert second is not None
    assert first.imgsz < second.imgsz


def test_only_what_fits_into_the_time_is_trained() -> None:
    assert _next({LARGE: 0.99}, fitting=[CHOICES[0]]) in (CHOICES[0], None)
    assert _next({LARGE: 0.99}, fitting=[]) is None


def test_in_every_second_turn_the_largest_gap_of_the_front_is_filled() -> None:
    assert _next({LARGE: 0.99, CHOICES[0]: 0.7}) == CHOICES[2]  # by latency the middle between 32 and 224 pixels
    assert _next({LARGE: 0.99, CHOICES[-2]: 0.988}) == CHOICES[0]


def test_a_fast_network_that_misses_the_accuracy_by_little_is_trained_once_more() -> None:
    nearly, far = CHOICES[3], CHOICES[1]
    following = _next({LARGE: 0.99, nearly: 0.984, far: 0.9}, fitting=[nearly.again, far.again])
    assert following == nearly.again
    assert _next({LARGE: 0.99, nearly: 0.984, nearly.again: 0.984, far: 0.9}, fitting=[nearly.again]) is None
