"""What stands for every view and model, and for every source, as the broker hears it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.latest import State, StateKey
from edgecnn.serving.engine.service import Service
from edgecnn.serving.mqtt.pacing import Content

__all__ = ["Problem", "Standing", "Standings", "event_values"]


@dataclass(frozen=True)
class Standing:
    """What stands for a view and a model."""

    key: StateKey
    state: State
    stale: bool  # there was a decision, and it is too old

    @property
    def values(self) -> dict[str, Any]:
        """As JSON."""
        state = self.state
        return _values(state.label, state.score, state.status, state.reason, state.since, state.model_sha256, self.key)

    @property
    def content(self) -> Content:
        """For its pacing. Numbers in a reason change all the time (seconds, sharpness): they are no news."""
        state = self.state
        reason = re.sub(r"[\d.]+", "#", state.reason or "")
        return Content((state.status, state.label, state.model_sha256), reason, state.score)


@dataclass(frozen=True)
class Problem:
    """Whether a source is offline, or a model gives no decision on it."""

    source: str
    reason: str | None  # None: there is no problem

    @property
    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {"problem": self.reason is not None, "reason": self.reason}

    @property
    def content(self) -> Content:
        """For its pacing."""
        return Content(self.reason is not None, re.sub(r"[\d.]+", "#", self.reason or ""))


class Standings:
    """Reads what stands from the service.

    Args:
        service: the service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._since = now_rfc3339()

    def sources(self) -> dict[StateKey, str]:
        """The views and models there are now, and the source of each."""
        return {
            StateKey(view, model): source.name
            for source in self._service.settings.sources
            for view in self._service.sources[source.name].view_names
            for model in source.models or tuple(self._service.models)
        }

    def now(self) -> list[Standing]:
        """What stands for every view and model. Where no frame has come yet, that is no decision."""
        return [self._standing(key, source) for key, source in self.sources().items()]

    def problem(self, source: str, standings: Iterable[Standing]) -> Problem:
        """Whether a source has a problem.

        Args:
            source: its name.
            standings: what stands for all views.
        """
        status = self._service.sources[source].status()
        if not status.up:
            return Problem(source, f"offline: {status.reason}" if status.reason else "no frame has come yet")
        for standing in standings:
            if standing.state.source == source and standing.state.status in {"no_decision", "error"}:
                return Problem(source, standing.state.reason)
        return Problem(source, None)

    def _standing(self, key: StateKey, source: str) -> Standing:
        newest, state = self._service.latest.newest(key), self._service.latest.state(key)
        if newest is None or state is None:
            return Standing(key, self._nothing_yet(key, source), stale=False)
        stale = state.status == "no_decision" and newest.prediction.status != "no_decision"
        return Standing(key, state, stale)

    def _nothing_yet(self, key: StateKey, source: str) -> State:
        return State(
            label=None,
            score=None,
            status="no_decision",
            reason="no frame has come yet",
            since=self._since,
            model_sha256=self._service.models[key.model].current.sha256,
            source=source,
            region=_region(key),
            guess=None,
            captured_at=self._since,
        )


def event_values(decided: Decided, at: str) -> dict[str, Any]:
    """A change of a decision as JSON: what stands from then on.

    Args:
        decided: the decision.
        at: when it came, RFC 3339.
    """
    p = decided.prediction
    key = StateKey(decided.view, decided.model)
    return _values(p.label, p.score, p.status, p.reason, at, p.model_sha256, key)


def _values(
    label: str | None, score: float | None, status: str, reason: str | None, since: str, sha256: str, key: StateKey
) -> dict[str, Any]:
    values = {
        "label": label,
        "score": None if score is None else round(score, 4),
        "status": status,
        "reason": reason,
        "since": since,
        "model_sha256": sha256,
    }
    region = _region(key)
    return values if region is None else {**values, "region": region}


def _region(key: StateKey) -> str | None:
    return key.view.partition(".")[2] or None
