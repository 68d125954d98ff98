"""Counts decisions, inference times and swaps as they happen."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from edgecnn.runtime.decision import Status
from edgecnn.serving.engine.events import Decided, Event, SwapChanged, SwapState
from edgecnn.serving.http.metrics.reasons import reason_kind

__all__ = ["DecisionMetrics"]

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_RESULTS: dict[SwapState, str] = {
    "accepted": "accepted",
    "refused": "refused",
    "superseded": "superseded",
    "rolled back": "rolled_back",
}
"""How a swap can end. The other states are steps on the way."""


class DecisionMetrics:
    """Listens to the hub in the threads that decide, so it only adds numbers: looking a series up is what costs, so
    each is looked up once.

    The label ``source`` is the name of the view: SOURCE, or SOURCE.REGION.

    Args:
        registry: of the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # They double the number of series, and nothing here needs them
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._frames = Counter(
            "edgecnn_frames_total",
            "Frames and outages that were decided on. `source` is SOURCE or SOURCE.REGION; `reason` is the kind of "
            "reason why there is no label.",
            ("source", "model", "status", "reason"),
            registry=registry,
        )
        self._inference = Histogram(
            "edgecnn_inference_seconds",
            "Time of one inference.",
            ("source", "model"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._swaps = Counter(
            "edgecnn_model_swaps_total", "Swaps of a model that have ended.", ("result",), registry=registry
        )
        for result in _RESULTS.values():
            self._swaps.labels(result)  # so that the first one is an increase from 0
        self._frames_of: dict[tuple[str, str, Status, str], Counter] = {}
        self._inference_of: dict[tuple[str, str], Histogram] = {}

    def hear(self, event: Event) -> None:
        """Listener of the hub."""
        if isinstance(event, Decided):
            self._decided(event)
        elif isinstance(event, SwapChanged) and event.state in _RESULTS:
            self._swaps.labels(_RESULTS[event.state]).inc()

    def _decided(self, event: Decided) -> None:
        prediction = event.prediction
        key = event.view, event.model, prediction.status, reason_kind(prediction.status, prediction.reason)
        frames = self._frames_of.get(key)
        if frames is None:
            frames = self._frames_of[key] = self._frames.labels(*key)
        frames.inc()
        inference_ms = prediction.latency_ms.inference
        if inference_ms is None:
            return
        inference = self._inference_of.get(key[:2])
        if inference is None:
            inference = self._inference_of[key[:2]] = self._inference.labels(*key[:2])
        inference.observe(inference_ms / 1e3)
