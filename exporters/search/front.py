"""From trained networks to candidates: the front of accuracy against latency, and the file that is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.evaluation.metrics import wilson_interval
from exporters.search.next_network import MAX_LOSS, Limits
from exporters.search.result import Against, Candidate
from exporters.search.trial import Evaluated, Trial

__all__ = ["Choice", "against", "candidates_of", "choose"]

_TWO_SIDED_95 = 1.96


@dataclass(frozen=True)
class Choice:
    """The chosen candidate and why it is that one."""

    candidate: Candidate | None
    reason: str


def candidates_of(trials: Sequence[Trial], latency_ms: Mapping[str, float]) -> tuple[Candidate, ...]:
    """Every file of every trial, the fastest first.

    Args:
        trials: the networks that were trained.
        latency_ms: of each file that was timed; others are left out.
    """
    found = [
        (trial, each, latency_ms[each.file]) for trial in trials for each in trial.files if each.file in latency_ms
    ]
    found.sort(key=lambda entry: (entry[2], -_share(entry[1].val_hits)))
    rows, best = [], -1.0
    for trial, each, ms in found:
        top1 = _share(each.val_hits)
        rows.append(_candidate(trial, each, ms, on_front=top1 > best))
        best = max(best, top1)
    return tuple(rows)


def _candidate(trial: Trial, each: Evaluated, ms: float, *, on_front: bool) -> Candidate:
    return Candidate(
        model=trial.choice.model,
        imgsz=trial.choice.imgsz,
        pruned=trial.choice.pruned,
        trainings=trial.choice.trainings,
        precision=each.precision,
        top1=_share(each.val_hits),
        interval=_interval(each.val_hits),
        test_top1=_share(each.test_hits) if each.test_hits else None,
        test_interval=_interval(each.test_hits) if each.test_hits else None,
        latency_ms=ms,
        size_bytes=each.size_bytes,
        file=each.file,
        checkpoint=trial.checkpoint,
        on_front=on_front,
    )


def choose(candidates: Sequence[Candidate], limits: Limits, reference_top1: float) -> Choice:
    """The fastest file that is accurate enough; with a limit on the latency alone, the most accurate one within it.

    Args:
        candidates: the files.
        limits: of the device.
        reference_top1: of the reference's file, which sets what is enough where no accuracy is asked for.
    """
    small = [c for c in candidates if limits.max_size_mb is None or c.size_bytes <= 1e6 * limits.max_size_mb]
    fast = [c for c in small if limits.max_latency_ms is None or c.latency_ms <= limits.max_latency_ms]
    if not fast:
        return Choice(None, _nothing(candidates, limits))
    if limits.min_top1 is None and limits.max_latency_ms is not None:
        best = max(fast, key=lambda c: (c.top1, -c.latency_ms))
        return Choice(best, f"the most accurate file within {limits.max_latency_ms:g} ms: top-1 {best.top1:.4f}")
    compared = min(reference_top1, max(c.top1 for c in fast))  # where the reference is too large, with what is left
    wanted = compared - MAX_LOSS if limits.min_top1 is None else limits.min_top1
    good = [c for c in fast if c.top1 >= wanted - 1e-9]
    if not good:
        return Choice(None, _nothing(candidates, limits))
    best = min(good, key=lambda c: c.latency_ms)
    rule = (
        f"with top-1 of at least {wanted:g}"
        if limits.min_top1 is not None
        else f"that loses at most {100 * MAX_LOSS:g} points against the reference ({compared:.4f})"
    )
    return Choice(best, f"the fastest file {rule}: {best.top1:.4f} at {best.latency_ms:.2f} ms")


def _nothing(candidates: Sequence[Candidate], limits: Limits) -> str:
    asked = [
        text
        for value, text in (
            (limits.max_latency_ms, f"at most {limits.max_latency_ms} ms"),
            (limits.min_top1, f"top-1 of at least {limits.min_top1}"),
            (limits.max_size_mb, f"at most {limits.max_size_mb} MB"),
        )
        if value is not None
    ]
    best = max(candidates, key=lambda c: c.top1)
    fastest = min(candidates, key=lambda c: c.latency_ms)
    return (
        f"no file meets the limits ({', '.join(asked)}): the most accurate has top-1 {best.top1:.4f} at "
        f"{best.latency_ms:.2f} ms, the fastest {fastest.top1:.4f} at {fastest.latency_ms:.2f} ms; raise a limit, or "
        "give more time with --time-budget"
    )


def against(chosen: Candidate, reference: Trial, trials: Sequence[Trial], latency_ms: Mapping[str, float]) -> Against:
    """The chosen file against the file of the reference that ships, image by image."""
    mine = next(each for trial in trials for each in trial.files if each.file == chosen.file)
    other = reference.best
    drop, interval = _paired(other.val_hits, mine.val_hits)
    tested = _paired(other.test_hits, mine.test_hits) if mine.test_hits else None
    return Against(
        reference=other.file,
        speedup=latency_ms[other.file] / chosen.latency_ms,
        top1_drop=drop,
        interval=interval,
        test_top1_drop=tested[0] if tested else None,
        test_interval=tested[1] if tested else None,
    )


def _paired(before: str, after: str) -> tuple[float, tuple[float, float]]:
    """By how much the accuracy falls, with a 95 % interval from the images that changed sides (McNemar 1947)."""
    count = len(before)
    lost = sum(a == "1" and b == "0" for a, b in zip(before, after, strict=True))
    won = sum(a == "0" and b == "1" for a, b in zip(before, after, strict=True))
    drop = (lost - won) / count
    # Half an image more on either side, so that few changes do not give an interval of nothing
    half = _TWO_SIDED_95 * math.sqrt(max(lost + won + 1 - (lost - won) ** 2 / count, 0)) / count
    return drop, (drop - half, drop + half)


def _share(hits: str) -> float:
    return hits.count("1") / len(hits)


def _interval(hits: str) -> tuple[float, float]:
    return wilson_interval(hits.count("1"), len(hits))
