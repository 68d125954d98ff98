"""Measures contenders in turn: every round has each of them once, and starts with another one."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from failures import PeerError
from models import Contender
from processes import Worker, cold_start

__all__ = ["CORES", "THREADS", "FolderRun", "Samples", "measure"]

CORES = len(os.sched_getaffinity(0))
THREADS = tuple(n for n in (1, 2) if n <= CORES)
_LATENCY_FILES, _LATENCY_TIMES = 5, 4


@dataclass(frozen=True)
class FolderRun:
    """A folder once."""

    images_s: float
    cpu_s: float  # of processor, an image


@dataclass
class Samples:
    """What was measured of one contender; a list has a value a round, in the order of the rounds."""

    contender: Contender
    why_not: str = ""
    answers: list[int] = field(default_factory=list)
    cold_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    latency_ms: dict[int, list[list[float]]] = field(default_factory=lambda: {n: [] for n in THREADS})
    folders: dict[str, list[FolderRun]] = field(default_factory=lambda: {"small": [], "large": []})


def measure(contenders: Sequence[Contender], work: Path, rounds: int) -> list[Samples]:
    """A contender that fails on the way keeps the reason, and is left out from there on."""
    every = [Samples(c, c.why_not) for c in contenders]
    for each in _in_turn(every, 0, "answers"):
        _take_answers(each, work)
    for i in range(rounds + 1):  # the first of them fills caches, and does not count
        for each in _in_turn(every, i, f"cold start {i}"):
            _start_cold(each, work, counts=i > 0)
    with ExitStack() as stack:
        workers = _start_workers(every, work, stack)
        for i in range(rounds):
            _measure_latency(every, workers, work, i)
            _measure_folders(every, workers, work, i)
    return every


def _in_turn(every: Sequence[Samples], i: int, what: str) -> Iterator[Samples]:
    """Those that still run, in an order of their own each round."""
    order = [each for each in every if not each.why_not]
    random.Random(i).shuffle(order)
    for each in order:
        if sys.stderr.isatty():
            print(f"\r\033[K{what}: {each.contender.name}", end="", file=sys.stderr, flush=True)
        yield each
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _take_answers(each: Samples, work: Path) -> None:
    try:
        with ExitStack() as stack:
            worker = Worker(each.contender, CORES, work)
            stack.callback(worker.close)
            each.answers = worker.ask(do="folder", folder=str(work / "images" / "all"))["answers"]
    except PeerError as failure:
        each.why_not = str(failure)


def _start_cold(each: Samples, work: Path, *, counts: bool) -> None:
    try:
        found = cold_start(each.contender, CORES, work / "images" / "small" / "000.jpg", work)
    except PeerError as failure:
        each.why_not = str(failure)
        return
    if counts:
        each.cold_s.append(found.seconds)
        each.peak_mb.append(found.peak_mb)


def _start_workers(every: Sequence[Samples], work: Path, stack: ExitStack) -> dict[tuple[str, int], Worker]:
    workers = {}
    for each in _in_turn(every, 0, "loading"):
        try:
            for threads in _threads_of(each.contender):
                worker = Worker(each.contender, threads, work)
                stack.callback(worker.close)
                worker.ask(do="folder", folder=str(work / "images" / "small"))  # warm
                workers[each.contender.name, threads] = worker
        except PeerError as failure:
            each.why_not = str(failure)
    return workers


def _threads_of(contender: Contender) -> list[int]:
    return sorted({*THREADS, CORES} - (set() if contender.peer.one_thread else {1}) | {CORES})


def _measure_latency(every: Sequence[Samples], workers: dict[tuple[str, int], Worker], work: Path, i: int) -> None:
    files = sorted(map(str, (work / "images" / "small").glob("*.jpg")))[:_LATENCY_FILES]
    for threads in THREADS:
        for each in _in_turn(every, i, f"round {i + 1}, {threads} threads"):
            worker = workers.get((each.contender.name, threads))
            if worker is None:
                continue
            try:
                each.latency_ms[threads].append(worker.ask(do="latency", files=files, times=_LATENCY_TIMES)["ms"])
            except PeerError as failure:
                each.why_not = str(failure)


def _measure_folders(every: Sequence[Samples], workers: dict[tuple[str, int], Worker], work: Path, i: int) -> None:
    for folder in ("small", "large"):
        for each in _in_turn(every, i, f"round {i + 1}, {folder} images"):
            try:
                found = workers[each.contender.name, CORES].ask(do="folder", folder=str(work / "images" / folder))
            except PeerError as failure:
                each.why_not = str(failure)
                continue
            count = len(found["answers"])
            each.folders[folder].append(FolderRun(count / found["seconds"], found["cpu"] / count))
