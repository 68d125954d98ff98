"""What a search reports."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Against", "Candidate", "SearchResult", "with_interval", "with_points"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model file that was trained and measured. Candidates are chosen by the validation images."""

    model: str
    imgsz: int
    pruned: float  # share of the multiply-accumulates that was removed
    trainings: int  # one after another, each from the weights of the one before
    precision: str
    top1: float  # on the validation images
    interval: tuple[float, float]  # 95 %
    test_top1: float | None  # on images that nothing was chosen by; None: there are none
    test_interval: tuple[float, float] | None
    latency_ms: float  # of one image, on the device
    size_bytes: int
    file: str
    checkpoint: str
    on_front: bool  # no other file is both as fast and as accurate


@dataclass(frozen=True, kw_only=True)
class Against:
    """The chosen file against the reference: the default network at its own size, on the same images."""

    reference: str  # its file
    speedup: float
    top1_drop: float  # on the validation images
    interval: tuple[float, float]  # 95 %, paired
    test_top1_drop: float | None
    test_interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The report of ``edgecnn search``; field names are the JSON keys."""

    chosen: Candidate | None  # None: nothing meets the limits
    reason: str
    against: Against | None
    candidates: tuple[Candidate, ...]  # the fastest first
    untried: tuple[str, ...]  # networks that the time did not suffice for, the most promising first
    val_images: int
    test_images: int
    cpu: str  # what was timed
    threads: int
    repeat: tuple[str, ...]  # commands that make the chosen file again
    seconds: float
    report: str


def with_points(drop: float, interval: tuple[float, float]) -> str:
    """A fall of the accuracy, or its rise, in words. The drop and its interval are fractions."""
    word = "less"
    if drop < 0:
        drop, interval, word = -drop, (-interval[1], -interval[0]), "more"
    return f"{100 * drop:.2f} points {word} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def with_interval(value: float | None, interval: tuple[float, float] | None, digits: int) -> str:
    """A share with its interval; empty where there is none."""
    if value is None or interval is None:
        return ""
    return f"{value:.{digits}f} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"
