"""Which provider, and how many threads, answer soonest here: a short race between open sessions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from edgecnn.preprocess import Image
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu
from edgecnn.runtime.system.cpu_features import fast_cores, physical_cores

__all__ = ["Runner", "cpu_runners", "grey", "race", "thread_counts", "winner"]

# The most to wait for threads that spin after a run, and would take the next one's cores
_SETTLE_S, _SETTLE_FIRST_S = (
    0.1,
    2.0,
)
_GLANCE_S, _QUIET_S = 0.01, 0.003
_TURN_S = 0.04
_MIN_ROUNDS = 5
_MARGIN = 1.1  # less is chance in so short a race
_MIN_WON = 0.8  # of the rounds: on a busy machine medians alone differ by chance


@dataclass
class Runner:
    """A session in the race, and how long an image took it, a figure a turn."""

    session: ModelSession
    threads: int | None  # None: as the provider sees fit
    turns_ms: list[float] = field(default_factory=list)  # the median of each turn

    @property
    def median_ms(self) -> float:
        """Of its turns."""
        return median(self.turns_ms)

    @property
    def name(self) -> str:
        """`cpu with 2 threads`."""
        if self.threads is None:
            return self.session.ep
        return f"{self.session.ep} with {self.threads} {'thread' if self.threads == 1 else 'threads'}"


def thread_counts() -> tuple[int, ...]:
    """Numbers of threads that are worth a try on the CPU, the default last."""
    most = physical_cores()
    tried = {1, min(4, most), max(1, most // 2), min(fast_cores() or most, most), most}
    return tuple(sorted(tried))


def cpu_runners(proven: ModelSession, counts: Sequence[int]) -> list[Runner]:
    """The model on the CPU provider with several numbers of threads, which sleep once a run is over and leave the cores
    to the next runner.

    onnxruntime's spin for a while after a run, for the next one to begin at once; within a run these do too, so that a
    run takes as long.

    Args:
        proven: the model, open.
        counts: numbers of threads.
    """
    model = read_model_file(proven.path)
    runners = []
    for threads in counts:
        options = new_options(threads=threads)
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = open_on_cpu(model.content, options)
        runners.append(Runner(ModelSession(model, session, "cpu", proven.description), threads))
    return runners


def race(runners: Sequence[Runner], image: Image, seconds: float) -> None:
    """Lets them run in turns, so that all see the same machine, and notes their times.

    Args:
        runners: open sessions of one model.
        image: uint8 ``[1, H, W, 3]``.
        seconds: about how long it may take; five turns each are taken in any case.
    """
    _settle(_SETTLE_FIRST_S)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < _MIN_ROUNDS or time.perf_counter() < end:
        for runner in runners:
            _turn(runner, image)
        rounds += 1


def _turn(runner: Runner, image: Image) -> None:
    _settle(_SETTLE_S)
    runner.session.probabilities(image)  # wakes the threads, and the clock
    begun = time.perf_counter()
    times_ms = []
    while True:
        start = time.perf_counter()
        runner.session.probabilities(image)
        stop = time.perf_counter()
        times_ms.append((stop - start) * 1e3)
        if stop - begun > _TURN_S:
            break
    runner.turns_ms.append(median(times_ms))


def _settle(most_s: float) -> None:
    """Waits until no thread of this process computes."""
    end = time.perf_counter() + most_s
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_GLANCE_S)
        if time.process_time() - before < _QUIET_S:
            return


def winner(runners: Sequence[Runner]) -> tuple[Runner, bool]:
    """The soonest; of those that it does not beat clearly, the one that takes least of the machine.

    The CPU, the fewest threads.

    Returns:
        The runner, and whether it was too close to call.
    """
    best = min(runners, key=lambda runner: runner.median_ms)
    close = [runner for runner in runners if not _beats(best, runner)]
    chosen = min(close, key=lambda runner: (runner.session.ep != "cpu", runner.threads or 0, runner.median_ms))
    return chosen, len(close) > 1


def _beats(one: Runner, other: Runner) -> bool:
    """By a tenth, and in four rounds of five."""
    won = sum(a < b for a, b in zip(one.turns_ms, other.turns_ms, strict=True))
    return one.median_ms * _MARGIN <= other.median_ms and won >= _MIN_WON * len(one.turns_ms)


def grey(session: ModelSession) -> Image:
    """An image of the model's size: what is in it does not change the time."""
    return np.full((1, *session.input_shape), 127, np.uint8)
