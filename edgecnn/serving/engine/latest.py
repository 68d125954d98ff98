"""The newest decision of every view and model. A decision that is too old is no decision any more."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from edgecnn.runtime.decision import Status
from edgecnn.runtime.sources.frame import now_rfc3339, rfc3339
from edgecnn.serving.engine.events import Decided, Event, ViewsChanged

__all__ = ["LatestDecisions", "State", "StateKey"]


@dataclass(frozen=True, order=True)
class StateKey:
    """Names a state."""

    view: str
    model: str


@dataclass(frozen=True)
class State:
    """What stands now for a view and a model. ``label`` and ``score`` are None unless ``status`` is ``ok``."""

    label: str | None
    score: float | None
    status: Status
    reason: str | None
    since: str  # RFC 3339: when this label or status came
    model_sha256: str
    source: str
    region: str | None
    guess: str | None  # the best class of an `unknown`
    captured_at: str  # RFC 3339: of the newest frame


@dataclass(frozen=True, eq=False)
class _Kept:
    decided: Decided
    since: str
    at_s: float  # monotonic
    at_ns: int  # since 1970


class LatestDecisions:
    """Keeps the newest decision of every view and model.

    Args:
        max_age_s: seconds after which a decision is too old, by the monotonic clock.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._kept: dict[StateKey, _Kept] = {}
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        """Listener of the hub."""
        if isinstance(event, ViewsChanged):
            self._forget(event)
        if not isinstance(event, Decided):
            return
        key = StateKey(event.view, event.model)
        with self._lock:
            before = self._kept.get(key)
            goes_on = before is not None and not event.changed and not self._stale(before)
            since = before.since if goes_on and before is not None else now_rfc3339()
            self._kept[key] = _Kept(event.without_frame(), since, time.monotonic(), time.time_ns())

    def newest(self, key: StateKey) -> Decided | None:
        """The newest decision, however old."""
        kept = self._kept.get(key)
        return None if kept is None else kept.decided

    def state(self, key: StateKey) -> State | None:
        """What stands now; None: there was no decision yet."""
        kept = self._kept.get(key)
        return None if kept is None else self._state(kept)

    def states(self) -> dict[StateKey, State]:
        """All states, by view and model."""
        with self._lock:
            kept = sorted(self._kept.items())
        return {key: self._state(value) for key, value in kept}

    def _forget(self, event: ViewsChanged) -> None:
        """Forgets the decisions on regions that are gone."""
        with self._lock:
            source = [key for key, kept in self._kept.items() if kept.decided.source == event.source]
            for key in source:
                if key.view not in event.views:
                    del self._kept[key]

    def _stale(self, kept: _Kept) -> bool:
        return time.monotonic() - kept.at_s > self._max_age_s

    def _state(self, kept: _Kept) -> State:
        p, age_s = kept.decided.prediction, time.monotonic() - kept.at_s
        stale = self._stale(kept)
        reason = f"stale: no frame for {age_s:.0f} s, at most {self._max_age_s:g} s are allowed" if stale else p.reason
        return State(
            label=None if stale else p.label,
            score=None if stale else p.score,
            status="no_decision" if stale else p.status,
            reason=reason,
            since=rfc3339(kept.at_ns + int(self._max_age_s * 1e9)) if stale else kept.since,
            model_sha256=p.model_sha256,
            source=kept.decided.source,
            region=kept.decided.region,
            guess=p.top[0].label if p.top and p.status == "unknown" and not stale else None,
            captured_at=p.captured_at,
        )
