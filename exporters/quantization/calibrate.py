"""Calibration: finds the range of every activation, with two passes over the images and one histogram per tensor.

onnxruntime's own calibrators keep every activation of every image (or lose some on the way, see its issue 18893), and
its default entropy method can only answer what min-max does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.runtime.session.model_session import filled_batch
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu
from exporters.graph.passes import consumers

__all__ = ["METHODS", "Histogram", "Range", "collect_histograms", "find_ranges"]

BINS = 2048
_LEVELS = 256  # of a uint8
_CANDIDATES = 40  # ranges tried by the MSE search, from all of the histogram down to a quarter of it
_PERCENTILE = 0.99999
_BATCH = 4
_COUNTED = 2**24  # values at once: OpenCV counts in float32

Range = tuple[float, float]
"""Lowest and highest value that stays exact."""


@dataclass(frozen=True)
class Histogram:
    """Counts of a tensor's values in BINS bins of equal width."""

    lowest: float
    highest: float
    counts: NDArray[np.int64]

    @property
    def centres(self) -> NDArray[np.floating]:
        """The bins' middles."""
        width = (self.highest - self.lowest) / BINS
        return self.lowest + width * (np.arange(BINS) + 0.5)


def collect_histograms(model: ModelProto, images: Image, progress: Progress) -> dict[str, Histogram]:
    """Runs the images through the float model twice: once for the extremes, once for the histograms between them.

    Args:
        model: takes ``image``, uint8 ``[N, H, W, 3]``.
        images: uint8 ``[N, H, W, 3]``.
        progress: receives the number of images, both passes counted.
    """
    names = _float_tensors(model)
    session = _session_with_outputs(model, names)
    total = 2 * len(images)
    lowest, highest = dict.fromkeys(names, np.inf), dict.fromkeys(names, -np.inf)
    for done, values in _runs(session, names, images):
        for name, value in zip(names, values, strict=True):
            lowest[name], highest[name] = min(lowest[name], float(value.min())), max(highest[name], float(value.max()))
        progress(done, total)
    # A tensor with NaN or infinity, such as an attention mask, has no range
    names = [name for name in names if np.isfinite([lowest[name], highest[name]]).all()]
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for done, values in _runs(session, names, images):
        for name, value in zip(names, values, strict=True):
            counts[name] += _bin(value, lowest[name], highest[name])
        progress(len(images) + done, total)
    return {name: Histogram(lowest[name], highest[name], counts[name]) for name in names}


def find_ranges(model: ModelProto, histograms: Mapping[str, Histogram], method: str) -> dict[str, Range]:
    """Finds a range for each tensor by ``minmax``, ``mse``, ``percentile`` or ``entropy``.

    A tensor that feeds only a Relu or a Clip takes the range of its output: the quantizer then leaves the activation
    out.
    """
    ranges = {name: METHODS[method](histogram) for name, histogram in histograms.items()}
    absorbed = _absorbed(model)
    for before in absorbed:
        after = before
        while after in absorbed:  # a Relu may feed a Clip
            after = absorbed[after]
        if after in ranges:
            ranges[before] = ranges[after]
    return ranges


def _absorbed(model: ModelProto) -> dict[str, str]:
    """Tensors that feed only a Relu or a Clip, with the output of that node."""
    used = consumers(model.graph)
    activations = (node for node in model.graph.node if node.op_type in ("Relu", "Clip"))
    return {node.input[0]: node.output[0] for node in activations if len(used[node.input[0]]) == 1}


def _float_tensors(model: ModelProto) -> list[str]:
    """Names of the float tensors whose range is needed.

    onnxruntime copies each observed tensor, so unneeded ones would cost time.
    """
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*model.graph.value_info, *model.graph.output)}
    absorbed = _absorbed(model)
    names = [name for node in model.graph.node for name in node.output]
    return [name for name in names if kinds.get(name) == onnx.TensorProto.FLOAT and name not in absorbed]


def _session_with_outputs(model: ModelProto, names: list[str]) -> onnxruntime.InferenceSession:
    observed = ModelProto()
    observed.CopyFrom(model)
    del observed.graph.output[:]
    observed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    options = new_options()
    # Fusions would hide the tensors
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return open_on_cpu(observed.SerializeToString(), options)


def _runs(
    session: onnxruntime.InferenceSession, names: list[str], images: Image
) -> Iterator[tuple[int, list[NDArray[np.float32]]]]:
    size = session.get_inputs()[0].shape[0]
    step = size if isinstance(size, int) else _BATCH
    for i in range(0, len(images), step):
        batch = images[i : i + step]
        filled = filled_batch(batch, size) if isinstance(size, int) else batch
        yield min(i + step, len(images)), [value[: len(batch)] for value in session.run(names, {"image": filled})]


def _bin(value: NDArray[np.float32], lowest: float, highest: float) -> NDArray[np.int64]:
    if highest <= lowest:
        return np.bincount([0], minlength=BINS) * value.size
    # OpenCV leaves out values at the upper end, so that lies a little beyond the highest
    end = max(float(np.nextafter(np.float32(highest), np.float32(np.inf))), highest + 1e-6 * (highest - lowest))
    flat, counts = value.ravel(), np.zeros(BINS, np.int64)
    for i in range(0, flat.size, _COUNTED):
        found = cv2.calcHist([flat[i : i + _COUNTED]], [0], None, [BINS], [lowest, end])
        counts += found.ravel().astype(np.int64)
    return counts


def _minmax(histogram: Histogram) -> Range:
    return histogram.lowest, histogram.highest


def _percentile(histogram: Histogram) -> Range:
    """Leaves out the same share of values at both ends (asymmetric, as uint8 is)."""
    if histogram.highest <= histogram.lowest:
        return _minmax(histogram)
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    centres = histogram.centres
    low, high = int(np.searchsorted(share, 1 - _PERCENTILE)), int(np.searchsorted(share, _PERCENTILE))
    return (min(float(centres[low]), 0.0) if histogram.lowest < 0 else histogram.lowest), float(
        centres[min(high, BINS - 1)]
    )


def _mse(histogram: Histogram) -> Range:
    """The range with the least squared error of rounding and clipping together (Banner et al., arXiv 1810.05723, by
    search)."""
    return _search(
        histogram, lambda values, weights, low, high: float((weights * _rounding_error(values, low, high) ** 2).sum())
    )


def _entropy(histogram: Histogram) -> Range:
    """The range whose quantized histogram diverges least from the histogram itself, clipped values counted at the edge
    (Migacz, 2017)."""
    return _search(histogram, _divergence)


def _search(
    histogram: Histogram, cost: Callable[[NDArray[np.floating], NDArray[np.floating], float, float], float]
) -> Range:
    if histogram.highest <= histogram.lowest:
        return _minmax(histogram)
    values, weights = histogram.centres, histogram.counts / histogram.counts.sum()
    shares = np.linspace(1.0, 0.25, _CANDIDATES)
    candidates = [
        (histogram.lowest * s if histogram.lowest < 0 else histogram.lowest, histogram.highest * s) for s in shares
    ]
    if histogram.lowest < 0:  # either end alone, too: few activations are symmetric
        candidates += [(histogram.lowest * s, histogram.highest) for s in shares] + [
            (histogram.lowest, histogram.highest * s) for s in shares
        ]
    return min(candidates, key=lambda r: cost(values, weights, *r))


def _rounding_error(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    low, high = min(low, 0.0), max(high, 0.0)
    step = max((high - low) / (_LEVELS - 1), 1e-12)
    return np.clip(np.round(values / step) * step, low, high) - values


def _divergence(values: NDArray[np.floating], weights: NDArray[np.floating], low: float, high: float) -> float:
    low, high = min(low, 0.0), max(high, 0.0)
    step = max((high - low) / (_LEVELS - 1), 1e-12)
    level = np.round((np.clip(values, low, high) - low) / step).astype(np.intp)
    inside = (values >= low) & (values <= high)
    p = np.where(inside, weights, 0.0)
    edge_low, edge_high = weights[values < low].sum(), weights[values > high].sum()
    places = np.flatnonzero(inside)
    if not len(places):
        return np.inf
    p[places[0]] += edge_low
    p[places[-1]] += edge_high
    filled = (weights > 0) & inside
    of_level = np.bincount(level, np.where(inside, weights, 0.0), minlength=_LEVELS)
    bins_of_level = np.bincount(level[filled], minlength=_LEVELS)
    q = np.where(filled, of_level[level] / np.maximum(bins_of_level[level], 1), 1e-12)
    q = q / q.sum()
    used = p > 0
    return float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-12))).sum())


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": _minmax,
    "mse": _mse,
    "percentile": _percentile,
    "entropy": _entropy,
}
