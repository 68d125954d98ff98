"""Chooses the frames that are worth labelling. It runs in the deciding threads, so it looks at answers alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.candidate import Candidate, OtherAnswer
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.settings.settings import CollectReason, CollectSettings

__all__ = ["FrameChooser"]

_ORDER: tuple[CollectReason, ...] = ("disagreement", "unknown", "changed", "uncertain")
"""A frame with several reasons is kept for the first of them: the rarer ones come first."""

_LEAST_MARGIN = 0.1  # between the two best classes: below it, the frame is uncertain whatever its score


@dataclass
class _Seen:
    """What a view has shown so far."""

    number: int = -1  # of the frame that is being decided on
    decisions: list[Decided] = field(default_factory=list)  # on that frame
    before: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # the last answer of each model


class FrameChooser:
    """Says which frames are kept, at most one of a source in ``min_interval_s``.

    A frame counts when all models of its view have answered, so that their answers can be compared.

    Args:
        settings: which reasons count, and their limits.
        models: names of the models that see each source.
        labels: returns the class names of the model that serves under a name.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        settings: CollectSettings,
        models: Mapping[str, Sequence[str]],
        labels: Callable[[str], Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._models = models
        self._labels = labels
        self._clock = clock
        self._views: dict[str, _Seen] = {}
        self._kept_at_s: dict[str, float] = {}  # by source

    def decided(self, decided: Decided) -> Candidate | None:
        """Takes a decision in; returns the frame if it is to be kept."""
        seen = self._views.setdefault(decided.view, _Seen())
        if decided.number != seen.number or decided.frame is None:
            seen.number, seen.decisions = decided.number, []
        if decided.frame is None:  # the source is offline
            return None
        seen.decisions.append(decided)
        if len(seen.decisions) < len(self._models[decided.source]):
            return None
        decisions, seen.decisions = seen.decisions, []
        return self._chosen(seen, [d for d in decisions if d.prediction.status in ("ok", "unknown")])

    def disagreed(self, frame: Frame, view: str, model: str, answer: Prediction, other: Prediction) -> Candidate | None:
        """Takes in a frame on which the shadow answers otherwise; returns it if it is to be kept.

        Args:
            frame: what was classified.
            view: the view's name. Frames that are of no source's view are never kept.
            model: name of the model that serves.
            answer: its answer.
            other: the shadow's answer.
        """
        source = view.partition(".")[0]
        statuses = {answer.status, other.status}
        if source not in self._models or not statuses <= {"ok", "unknown"} or not self._is_due(source, "disagreement"):
            return None
        others = (OtherAnswer.of("shadow", other),)
        return Candidate(frame, source, view, model, "disagreement", answer, others)

    def _chosen(self, seen: _Seen, decisions: Sequence[Decided]) -> Candidate | None:
        found: dict[CollectReason, Decided] = {}
        for decided in decisions:
            for reason in self._reasons(seen, decided):
                found.setdefault(reason, decided)
        others = self._others(decisions)
        if others:
            found["disagreement"] = decisions[0]
        wanted = [reason for reason in _ORDER if reason in found and reason in self._settings.when]
        if not wanted or not self._is_due(decisions[0].source, wanted[0]):
            return None
        chosen = found[wanted[0]]
        assert chosen.frame is not None
        return Candidate(
            chosen.frame,
            chosen.source,
            chosen.view,
            chosen.model,
            wanted[0],
            chosen.prediction,
            others if wanted[0] == "disagreement" else (),
        )

    def _reasons(self, seen: _Seen, decided: Decided) -> list[CollectReason]:
        """Those that one model's answer gives."""
        prediction = decided.prediction
        now = prediction.status, prediction.label
        before = seen.before.get(decided.model, now)
        seen.before[decided.model] = now
        reasons: list[CollectReason] = []
        if before != now:
            reasons.append("changed")
        if prediction.status == "unknown":
            reasons.append("unknown")
        elif _is_uncertain(prediction, self._settings.uncertain_below):
            reasons.append("uncertain")
        return reasons

    def _others(self, decisions: Sequence[Decided]) -> tuple[OtherAnswer, ...]:
        """The answers that differ from the first model's, of models that know the same classes."""
        if len(decisions) < 2:
            return ()
        first = decisions[0]
        answer = first.prediction.status, first.prediction.label
        differing = [d for d in decisions[1:] if (d.prediction.status, d.prediction.label) != answer]
        if not differing:
            return ()
        classes = set(self._labels(first.model))
        return tuple(OtherAnswer.of(d.model, d.prediction) for d in differing if set(self._labels(d.model)) == classes)

    def _is_due(self, source: str, reason: CollectReason) -> bool:
        if reason not in self._settings.when:
            return False
        now_s = self._clock()
        before_s = self._kept_at_s.get(source)
        if before_s is not None and now_s - before_s < self._settings.min_interval_s:
            return False
        self._kept_at_s[source] = now_s
        return True


def _is_uncertain(prediction: Prediction, below: float) -> bool:
    """By the answer to this frame alone: smoothing would hide what the model is unsure of."""
    if not prediction.top:
        return False
    best = prediction.top[0].score
    margin = best - prediction.top[1].score if len(prediction.top) > 1 else best
    return best < below or margin < _LEAST_MARGIN
