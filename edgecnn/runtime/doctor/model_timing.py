"""Measures which provider and how many threads are fastest here, between open sessions."""

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
    """A session and its latency per image in each round."""

    session: ModelSession
    threads: int | None  # None: as the provider sees fit
    turns_ms: list[float] = field(default_factory=list)  # the median of each turn

    @property
    def median_ms(self) -> float:
        """Median latency over the rounds, in milliseconds."""
        return median(self.turns_ms)

    @property
    def name(self) -> str:
        """Name for messages, as in `cpu with 2 threads`."""
        if self.threads is None:
            return self.session.ep
        return f"{self.session.ep} with {self.threads} {'thread' if self.threads == 1 else 'threads'}"


def thread_counts() -> tuple[int, ...]:
    """Numbers of CPU threads to try, the default last."""
    most = physical_cores()
    tried = {1, min(4, most), max(1, most // 2), min(fast_cores() or most, most), most}
    return tuple(sorted(tried))


def cpu_runners(proven: ModelSession, counts: Sequence[int]) -> list[Runner]:
    """Opens the model on the CPU provider with several numbers of threads.

    By default, threads of onnxruntime spin for a while after a run. Here they sleep after a run, to leave the cores to
    the next runner, but spin within it, so that a run takes the same time as by default.

    Args:
        proven: an open session of the model.
        counts: numbers of threads.
    """
    model = read_model_file(proven.path)
    runners = []
    for threads in counts:
        options = new_options(threads=threads, content=model.content)
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = open_on_cpu(model.content, options)
        runners.append(Runner(ModelSession(model, session, "cpu", proven.description), threads))
    return runners


def race(runners: Sequence[Runner], image: Image, seconds: float) -> None:
    """Runs the sessions in alternation, under the same machine load, and records their times.

    Args:
        runners: open sessions of one model.
        image: uint8 ``[1, H, W, 3]``.
        seconds: approximate duration of the measurement; each session runs at least five rounds.
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
    """Waits until no thread of this process is busy, for at most ``most_s`` seconds."""
    end = time.perf_counter() + most_s
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_GLANCE_S)
        if time.process_time() - before < _QUIET_S:
            return


def winner(runners: Sequence[Runner]) -> tuple[Runner, bool]:
    """Returns the fastest runner or, among those not clearly slower, the one that uses the fewest resources.

    That is the CPU provider before others, and fewer threads before more.

    Returns:
        The runner, and whether there was no clear difference.
    """
    best = min(runners, key=lambda runner: runner.median_ms)
    close = [runner for runner in runners if not _beats(best, runner)]
    chosen = min(close, key=lambda runner: (runner.session.ep != "cpu", runner.threads or 0, runner.median_ms))
    return chosen, len(close) > 1


def _beats(one: Runner, other: Runner) -> bool:
    """Whether one is faster by a tenth, and in four of five rounds."""
    won = sum(a < b for a, b in zip(one.turns_ms, other.turns_ms, strict=True))
    return one.median_ms * _MARGIN <= other.median_ms and won >= _MIN_WON * len(one.turns_ms)


def grey(session: ModelSession) -> Image:
    """Returns a grey image of the model's size; the content does not affect the latency."""
    return np.full((1, *session.input_shape), 127, np.uint8)
