"""Chooses the network to train next: the one that may become the chosen one, and in turn one that fills the front."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporters.search.guesses import Guesses
from exporters.search.latencies import Latencies
from exporters.search.network_choice import NetworkChoice

__all__ = ["MAX_LOSS", "Limits", "Standing", "next_network"]

MAX_LOSS = 0.005
"""Of top-1, as a fraction: without limits, the fastest file that loses no more against the reference is chosen. Not
against the best of many, which is the best by luck too."""

_LEAST_GAIN = 0.01  # nats of latency or error, as expected: less is not worth a training
_LEAST_GAP = 0.08  # nats of latency between two networks of the front


@dataclass(frozen=True)
class Limits:
    """What the device allows."""

    max_latency_ms: float | None
    min_top1: float | None
    max_size_mb: float | None


@dataclass(frozen=True)
class Standing:
    """The networks that were trained, with latency in milliseconds and top-1 on the validation images."""

    reference: NetworkChoice  # which others are compared with
    latency_ms: Mapping[NetworkChoice, float]
    top1: Mapping[NetworkChoice, float]

    def wanted_top1(self, limits: Limits) -> float:
        """What a file has to reach to be chosen for its speed."""
        return self.top1[self.reference] - MAX_LOSS if limits.min_top1 is None else limits.min_top1


def next_network(
    choices: Sequence[NetworkChoice],
    guesses: Guesses,
    latencies: Latencies,
    standing: Standing,
    limits: Limits,
    fits: Callable[[NetworkChoice], bool],
) -> NetworkChoice | None:
    """The next network to train; None where none is worth it, or none fits into the time.

    Args:
        choices: all networks of the search that were timed. Those that were trained once may be trained once more.
        guesses: of their accuracy.
        latencies: of the device.
        standing: what was trained.
        limits: of the device.
        fits: whether a network can be trained in the time that is left.
    """
    again = [choice.again for choice in standing.top1 if choice.trainings == 1 and choice != standing.reference]
    left = [choice for choice in (*choices, *again) if choice not in standing.top1 and fits(choice)]
    times = {choice: ms for choice in left if (ms := latencies.best(choice)) is not None}
    if limits.max_latency_ms is not None:
        # A tenth beyond the limit: what is timed here is not yet the trained file
        times = {choice: ms for choice, ms in times.items() if ms <= 1.1 * limits.max_latency_ms}

    def gain(choice: NetworkChoice) -> float:
        if limits.max_latency_ms is None or limits.min_top1 is not None:
            return _gain_of_speed(choice, times[choice], guesses, standing, limits)
        return _gain_of_accuracy(choice, limits.max_latency_ms, guesses, standing)

    def filled(choice: NetworkChoice) -> float:
        return _gain_of_front(choice, times[choice], guesses, standing)

    rules: list[tuple[Callable[[NetworkChoice], float], float]] = [(gain, _LEAST_GAIN), (filled, _LEAST_GAP)]
    if len(standing.top1) % 2 == 0:  # the reference was trained first, so the choice comes before the front
        rules.reverse()
    for rule, least in rules:
        best = max(times, key=rule, default=None)
        if best is not None and rule(best) >= least:
            return best
    return None


def _gain_of_speed(choice: NetworkChoice, ms: float, guesses: Guesses, standing: Standing, limits: Limits) -> float:
    """Expected gain in nats of latency over the fastest network that is accurate enough."""
    wanted = standing.wanted_top1(limits)
    good = [standing.latency_ms[each] for each, top1 in standing.top1.items() if top1 >= wanted]
    before = min(good, default=2 * max(standing.latency_ms.values()))
    return guesses.of(choice).chance_of(wanted) * max(0.0, math.log(before / ms))


def _gain_of_accuracy(choice: NetworkChoice, most_ms: float, guesses: Guesses, standing: Standing) -> float:
    """Expected gain in nats of error over the most accurate network that is fast enough."""
    fast = [top1 for each, top1 in standing.top1.items() if standing.latency_ms[each] <= most_ms]
    before = math.log(max(1 - max(fast, default=0.0), 1e-4))
    guess = guesses.of(choice)
    apart = (before - guess.mean) / guess.deviation
    density = math.exp(-apart * apart / 2) / math.sqrt(2 * math.pi)
    return guess.deviation * (apart * 0.5 * math.erfc(-apart / math.sqrt(2)) + density)


def _gain_of_front(choice: NetworkChoice, ms: float, guesses: Guesses, standing: Standing) -> float:
    """The gap that it fills among the latencies, by the chance that it is better than all that are as fast."""
    gap = min(abs(math.log(ms / other)) for other in standing.latency_ms.values())
    faster = [top1 for each, top1 in standing.top1.items() if standing.latency_ms[each] <= ms]
    return gap * guesses.of(choice).chance_of(max(faster, default=0.0) + 1e-9)
