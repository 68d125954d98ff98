"""What the service can tell when it is asked: the sources, the models, the shadows."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from edgecnn._version import __version__
from edgecnn.serving.engine.service import Service

__all__ = ["StateCollector"]


class StateCollector(Collector):
    """Reads the service at each request, so these values cost the deciding threads nothing and none of them stays when
    what it tells of has gone: a model has one row, that of the file that serves."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """Yields the metrics."""
        yield from self._sources()
        yield from self._models()
        yield from self._accuracy()

    def describe(self) -> Iterable[Metric]:
        """Names the metrics without reading anything."""
        return ()

    def _sources(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("edgecnn_source_up", "1: the source gives frames, 0: it is offline.", labels=["source"])
        reconnects = CounterMetricFamily(
            "edgecnn_source_reconnects", "Connections that broke and came back.", labels=["source"]
        )
        dropped = CounterMetricFamily(
            "edgecnn_source_frames_dropped", "Frames that could not be decoded.", labels=["source"]
        )
        age = GaugeMetricFamily(
            "edgecnn_frame_age_seconds", "Time since the newest frame was captured.", labels=["source"]
        )
        for name, source in self._service.sources.items():
            status, frame = source.status(), source.image.frame
            up.add_metric([name], float(status.up))
            reconnects.add_metric([name], status.reconnects)
            dropped.add_metric([name], status.frames_dropped)
            if frame is not None:
                age.add_metric([name], max(0.0, time.monotonic() - frame.captured_monotonic_s))
        yield from (up, reconnects, dropped, age)

    def _models(self) -> Iterable[Metric]:
        info = InfoMetricFamily("edgecnn_model", "The model file that serves under a name.", labels=["model"])
        agreement = GaugeMetricFamily(
            "edgecnn_shadow_agreement_ratio",
            "Share of the frames on which the model in the shadow and the one that serves agree.",
            labels=["model"],
        )
        for name, model in self._service.models.items():
            loaded, shadow = model.current, model.shadow
            session = loaded.classifier.session
            precision = loaded.classifier.manifest.precision
            values = {"sha256": loaded.sha256, "file": loaded.file.name, "precision": precision, "ep": session.ep}
            info.add_metric([name], values)
            share = None if shadow is None else shadow.agreement
            if share is not None:
                agreement.add_metric([name], share)
        yield from (info, agreement)
        build = InfoMetricFamily("edgecnn_build", "The version of EdgeCNN.")
        build.add_metric([], {"version": __version__})
        yield build

    def _accuracy(self) -> Iterable[Metric]:
        """Nothing where it is not known: a gauge of 0 would be a model that is always wrong."""
        labels = ["source", "model"]
        expected = GaugeMetricFamily(
            "edgecnn_expected_accuracy_ratio", "Expected share of right answers on the recent frames.", labels=labels
        )
        lower = GaugeMetricFamily(
            "edgecnn_expected_accuracy_lower_ratio", "Lower end of its 95 % interval.", labels=labels
        )
        upper = GaugeMetricFamily(
            "edgecnn_expected_accuracy_upper_ratio", "Upper end of its 95 % interval.", labels=labels
        )
        alarm = GaugeMetricFamily(
            "edgecnn_drift_alarm", "1: the frames are others than what the model was taught on.", labels=labels
        )
        for key, found in self._service.accuracy.all().items():
            values, estimate = [key.view, key.model], found.estimate
            if estimate.expected_top1 is not None:
                expected.add_metric(values, estimate.expected_top1)
            if estimate.interval is not None:
                lower.add_metric(values, estimate.interval[0])
                upper.add_metric(values, estimate.interval[1])
            if (drifted := found.alarm_or_none) is not None:
                alarm.add_metric(values, float(drifted))
        yield from (expected, lower, upper, alarm)
