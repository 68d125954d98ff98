"""Keeps an estimate of the accuracy for every view and model, and publishes when an alarm of drift begins or ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecnn.evaluation.expected_accuracy import ExpectedAccuracy, expected_accuracy
from edgecnn.evaluation.recent_scenes import RecentScenes
from edgecnn.image.scene_signature import scene_signature
from edgecnn.runtime.frame_classifier import Answer
from edgecnn.runtime.sources.frame import Frame, now_rfc3339
from edgecnn.serving.accuracy.model_reference import model_reference
from edgecnn.serving.engine.events import Decided, DriftChanged, Event, ViewsChanged
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel

__all__ = ["AccuracyWatch", "WatchedAccuracy"]

_INTERVAL_S = 1.0  # between two frames that count: those between them hardly ever show another scene
_EVERY = 10  # frames of a slow source one counts, so that this costs less than a hundredth of the inference ...
_LONGEST_S = 10.0  # ... but where they come so seldom that it does not matter
_ESTIMATE_EVERY = 5  # frames that count
_ALARM_ESTIMATES = 2  # in a row with drift, until the alarm begins: hours of looking give chance many occasions
_CALM_ESTIMATES = 4  # in a row without drift, until it ends


@dataclass(frozen=True)
class WatchedAccuracy:
    """What is known of a model on a view."""

    source: str
    region: str | None
    alarm: bool  # stays until the frames have been as taught for a while
    since: str | None  # RFC 3339: when the alarm began or ended last; None: it never did
    reason: str | None  # of the alarm, or why there is no estimate or no alarm
    model_sha256: str
    estimate: ExpectedAccuracy

    @property
    def alarm_or_none(self) -> bool | None:
        """None where drift cannot be told."""
        return self.alarm if self.alarm or self.estimate.alarm else self.estimate.alarm


class _Watched:
    """The frames of one view, seen by one model file. One thread adds to it."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self._looked_at_s = float("-inf")
        self._passed = 0  # frames since then
        self._looks = 0
        self.alarm = False
        self.since: str | None = None
        self.reason: str | None = None
        self._row = 0  # estimates in a row that speak against the alarm as it is
        self._reference = model_reference(loaded.classifier.session)
        self._scenes = RecentScenes(loaded.classifier.manifest.unknown, self._reference)
        self.estimate = expected_accuracy(self._scenes.evidence, self._reference)

    def due(self, now_s: float, interval_s: float) -> bool:
        """Whether the frame that comes now counts."""
        self._passed += 1
        waited_s = now_s - self._looked_at_s
        if waited_s < interval_s or (self._passed < _EVERY and waited_s < min(_LONGEST_S, _EVERY * interval_s)):
            return False
        self._looked_at_s, self._passed = now_s, 0
        return True

    def look(self, frame: Frame, answer: Answer) -> bool:
        """Adds a frame; returns whether the alarm has changed."""
        self._scenes.add(scene_signature(frame.image), answer.probabilities, answer.unknown_score, answer.features)
        self._looks += 1
        return self._looks % _ESTIMATE_EVERY == 0 and self._estimate()

    def _estimate(self) -> bool:
        self.estimate = found = expected_accuracy(self._scenes.evidence, self._reference)
        if found.alarm:
            self.reason = found.reason
        self._row = self._row + 1 if bool(found.alarm) != self.alarm else 0
        if self._row < (_CALM_ESTIMATES if self.alarm else _ALARM_ESTIMATES):
            return False
        self.alarm, self.since, self._row = not self.alarm, now_rfc3339(), 0
        return True

    def now(self, source: str, region: str | None) -> WatchedAccuracy:
        estimate = self.estimate
        reason = self.reason if self.alarm else estimate.reason
        return WatchedAccuracy(source, region, self.alarm, self.since, reason, self.loaded.sha256, estimate)


class AccuracyWatch:
    """Listens to the decisions in the threads that decide, where it takes less than half a millisecond a second.

    A model with memory is left out: its answers are not those to single frames.

    Args:
        models: by name.
        publish: publishes an event.
        clock: seconds that never go back.
        interval_s: between two frames that count.
    """

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        publish: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._models = models
        self._publish = publish
        self._clock = clock
        self._interval_s = interval_s
        self._watched: dict[StateKey, tuple[_Watched, str, str | None]] = {}  # with source and region
        self._changing = threading.Lock()

    def hear(self, event: Event) -> None:
        """Listener of the hub."""
        if isinstance(event, Decided):
            self._decided(event)
        elif isinstance(event, ViewsChanged):
            self._forget(event)

    def all(self) -> dict[StateKey, WatchedAccuracy]:
        """What is known now, by view and model."""
        with self._changing:
            found = sorted(self._watched.items())
        return {key: watched.now(source, region) for key, (watched, source, region) in found}

    def _decided(self, event: Decided) -> None:
        if event.answer is None or event.frame is None or event.answer.prediction.status not in ("ok", "unknown"):
            return
        watched = self._of(event)
        if watched is None or not watched.due(self._clock(), self._interval_s):
            return
        if watched.look(event.frame, event.answer):
            self._tell(event, alarm=watched.alarm, reason=watched.reason if watched.alarm else None)

    def _tell(self, event: Decided, *, alarm: bool, reason: str | None) -> None:
        self._publish(DriftChanged(event.view, event.source, event.region, event.model, alarm, reason, now_rfc3339()))

    def _of(self, event: Decided) -> _Watched | None:
        """Anew for another model file; None: the answer is of a file that serves no more, or of one with memory."""
        key, loaded = StateKey(event.view, event.model), self._models[event.model].current
        known = self._watched.get(key)
        if known is not None and known[0].loaded is loaded:
            return known[0]
        if event.prediction.model_sha256 != loaded.sha256:
            return None
        if known is not None and known[0].alarm:
            self._tell(event, alarm=False, reason="another model serves")
        if loaded.classifier.states is not None:
            with self._changing:
                self._watched.pop(key, None)
            return None
        watched = _Watched(loaded)
        with self._changing:
            self._watched[key] = watched, event.source, event.region
        return watched

    def _forget(self, event: ViewsChanged) -> None:
        """Forgets regions that are gone."""
        with self._changing:
            gone = [k for k, (_, source, _) in self._watched.items() if source == event.source]
            for key in gone:
                if key.view not in event.views:
                    del self._watched[key]
