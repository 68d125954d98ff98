"""The newest decision stands until it is too old."""

from __future__ import annotations

import itertools
import time

import pytest
from serving.running import TINY
from shapes import shape_image

from edgecnn.runtime.classifier import Classifier
from edgecnn.serving.engine.events import Decided, ViewsChanged
from edgecnn.serving.engine.latest import LatestDecisions, StateKey

KEY = StateKey("door", "main")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(TINY)


def decided(classifier: Classifier, shape: str, *, changed: bool, view: str = "door") -> Decided:
    prediction = classifier(shape_image(shape, 1, 64))
    return Decided(view, "door", None, "main", prediction, changed, None, 1)


def test_since_is_when_the_label_came(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    times = (f"2026-01-01T00:00:0{second}.000Z" for second in itertools.count())
    monkeypatch.setattr("edgecnn.serving.engine.latest.now_rfc3339", lambda: next(times))
    latest = LatestDecisions(10)
    latest.hear(decided(classifier, "circle", changed=True))
    since = latest.state(KEY).since
    latest.hear(decided(classifier, "circle", changed=False))
    assert latest.state(KEY).since == since
    latest.hear(decided(classifier, "square", changed=True))
    assert latest.state(KEY).since > since
    assert latest.state(KEY).label == "square"


def test_a_decision_that_is_too_old_is_no_decision(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    latest = LatestDecisions(10)
    latest.hear(decided(classifier, "circle", changed=True))
    now_s[0] += 9.9
    assert latest.state(KEY).status == "ok"
    now_s[0] += 0.2
    state = latest.state(KEY)
    assert (state.status, state.label, state.score) == ("no_decision", None, None)
    assert state.reason.startswith("stale: no frame for 10 s")


def test_a_clock_that_jumps_by_a_year_changes_no_state(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = LatestDecisions(10)
    latest.hear(decided(classifier, "circle", changed=True))
    real = time.time_ns
    for years in (1, -1):
        monkeypatch.setattr(time, "time_ns", lambda years=years: real() + years * 365 * 86400 * 10**9)
        assert latest.state(KEY).status == "ok"


def test_regions_that_are_gone_have_no_state(classifier: Classifier) -> None:
    latest = LatestDecisions(10)
    for view in ("door.left", "door.right"):
        latest.hear(decided(classifier, "circle", changed=True, view=view))
    latest.hear(ViewsChanged("door", ("door.right",), "2026-01-01T00:00:00.000Z"))
    assert [key.view for key in latest.states()] == ["door.right"]
