"""The service and its MQTT without a camera, to compare simulated devices with."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from serving.running import TINY
from simulated_device import CAMERA, LABELS, MODEL

from edgecnn import Classifier
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.capture.live_options import LiveOptions
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.engine.source_runner import SourceRunner, SourceStatus
from edgecnn.serving.engine.source_views import SourceViews
from edgecnn.serving.engine.view import View
from edgecnn.serving.mqtt.part import MqttPart
from edgecnn.serving.mqtt.updates import WaitingSwap
from edgecnn.serving.settings.settings import Settings


class UpSource(SourceRunner):
    """A source that is up, though nothing reads it."""

    def status(self) -> SourceStatus:
        """As it is, but up."""
        return replace(super().status(), up=True)


class NoSwaps:
    """The swaps of a device to which nobody sends a model."""

    waiting: Sequence[WaitingSwap] = ()

    def accept(self, model: str, swap_id: str | None = None) -> object:
        """Never called."""
        raise AssertionError(f"nobody accepts {model} {swap_id}")


@contextlib.contextmanager
def real_device(name: str, url: str) -> Iterator[Service]:
    """The service and its MQTT without a camera."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"device": name, "models": [{"file": TINY}], "mqtt": {"url": url}, "state_dir": folder}
        settings = Settings.model_validate({**given, "sources": [{"name": "door", "address": CAMERA}]})
        loaded = LoadedModel.of(Classifier(TINY, threads=1), TINY)
        assert (loaded.sha256, loaded.labels) == (MODEL, LABELS)
        service = Service(settings, Path(folder), {"main": loaded})
        views = SourceViews([View("door")], list(service.models.values()), FrameQualityThresholds(), None)
        service.sources["door"] = UpSource("door", parse_address(CAMERA), LiveOptions(), views, service.hub)
        assert settings.mqtt is not None
        part = MqttPart(service, settings.mqtt, NoSwaps())
        part.start()
        try:
            yield service
        finally:
            part.stop()
