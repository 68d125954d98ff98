"""Measures the latency from image to prediction, and the share of it outside the network."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import UsageError
from edgecnn.preprocess import MAX_PIXELS, Image
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.streaming.stream import LARGEST_BATCH
from edgecnn.runtime.system.cpu_features import cpu_name

__all__ = ["BenchmarkResult", "Percentiles", "benchmark"]

_WARM_UP = 5
_MIN_ROUNDS = 10
_FRAME_HEIGHT, _FRAME_WIDTH = 480, 640  # a webcam's


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of the latency of one call, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class BenchmarkResult:
    """The report of ``edgecnn benchmark``; field names are the JSON keys."""

    ep: str
    threads: int
    batch: int
    latency_ms: Percentiles  # frame to answer, a batch
    session_run_ms_p50: (
        float  # the network alone, on the same batch; the layout nchw-float32 has its normalisation in it
    )
    overhead_ratio: float  # frame to answer / network alone
    images_per_s: float
    # From the file to the first answer possible: reading, hashing, opening; golden samples too where `ep` was auto
    load_ms: float
    rss_mb: float | None  # most memory this process ever held, in 10^6 bytes; None where the system does not tell
    cpu: str
    # Of the graph, by the provider that runs them; None where this onnxruntime does not tell
    nodes: Mapping[str, int] | None


def benchmark(
    model: str | Path,
    ep: str = "auto",
    threads: int | None = None,
    batch: int = 1,
    seconds: float = 5.0,
    source: Path | None = None,
    *,
    options: RunOptions | None = None,
    max_pixels: int = MAX_PIXELS,
) -> BenchmarkResult:
    """Measures the complete call and the network alone in alternation, on the same pixels, under the same machine load.

    Args:
        model: the ``.onnx`` file.
        ep: execution provider.
        threads: CPU threads per inference; None: the value in ``options``.
        batch: batch size.
        seconds: duration of the measurement, in seconds.
        source: an image file, decoded in each call; None: a 640 x 480 frame in memory.
        options: threads, power, memory and provider options.
        max_pixels: of ``source``; a larger image is refused.

    Raises:
        UsageError: a number is out of range.
        EdgeCNNError: the model or the image cannot be opened.
    """
    _check(threads, batch, seconds)
    options = options or RunOptions()
    if threads is not None:
        options = replace(options, threads=threads)
    start = time.perf_counter()
    classifier = Classifier(model, ep=ep, max_pixels=max_pixels, options=options)
    load_ms = (time.perf_counter() - start) * 1e3
    frames: list[Image | Path] = [source or _frame()] * batch
    whole, bare = _measure(classifier, frames, seconds)
    p50, p95, p99 = (float(p) for p in np.percentile(whole, (50, 95, 99)))
    bare_p50 = float(np.median(bare))
    return BenchmarkResult(
        ep=classifier.ep,
        threads=options.thread_count,
        batch=batch,
        latency_ms=Percentiles(p50, p95, p99),
        session_run_ms_p50=bare_p50,
        overhead_ratio=p50 / bare_p50,
        images_per_s=batch / (float(whole.mean()) / 1e3),
        load_ms=load_ms,
        rss_mb=_peak_memory_mb(),
        cpu=cpu_name(),
        nodes=classifier.session.nodes,
    )


def _check(threads: int | None, batch: int, seconds: float) -> None:
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: expected at least 1")
    if not 1 <= batch <= LARGEST_BATCH:
        raise UsageError(f"--batch {batch}: expected 1 to {LARGEST_BATCH:,}")
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"--seconds {seconds:g}: expected a time above 0")


def _measure(
    classifier: Classifier, frames: list[Image | Path], seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns milliseconds per call: of the complete calls, and of the network alone."""
    fitted = classifier.fitted(frames)
    session = classifier.session
    whole: list[float] = []
    bare: list[float] = []
    end = float("inf")
    i = -_WARM_UP
    while i < _MIN_ROUNDS or time.perf_counter() < end:
        if i == 0:
            end = time.perf_counter() + seconds
        begun = time.perf_counter()
        classifier.batch(frames)
        answered = time.perf_counter()
        session.probabilities(fitted)
        done = time.perf_counter()
        if i >= 0:
            whole.append((answered - begun) * 1e3)
            bare.append((done - answered) * 1e3)
        i += 1
    return np.array(whole), np.array(bare)


def _frame() -> Image:
    """Returns a reproducible image of gradients and noise: uint8 ``[480, 640, 3]``."""
    random = np.random.default_rng(0)
    smooth = cv2.resize(
        random.integers(0, 256, (6, 8, 3)).astype(np.uint8),
        (_FRAME_WIDTH, _FRAME_HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )
    noise = random.integers(-8, 9, smooth.shape)
    frame: Image = np.clip(smooth.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    return frame


def _peak_memory_mb() -> float | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return _peak_memory_by_usage_mb()


def _peak_memory_by_usage_mb() -> float | None:
    try:
        import resource  # noqa: PLC0415  # Windows has none
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
