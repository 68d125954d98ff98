"""The page shows the expected accuracy with its interval, and an alarm of drift."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from page_visit import Visit, Watched, needs_chromium
from playwright.sync_api import expect

from edgecnn.evaluation.expected_accuracy import ExpectedAccuracy
from edgecnn.serving.accuracy.watch import WatchedAccuracy
from edgecnn.serving.engine.events import DriftChanged
from edgecnn.serving.engine.latest import StateKey

pytestmark = needs_chromium

GOOD = ExpectedAccuracy(0.962, (0.931, 0.984), 640, 212, 0.043, 0.08, False, None)
DRIFTED = ExpectedAccuracy(None, (0.31, 0.99), 700, 240, 0.4, 0.3, True, "40 % of the frames are unknown to the model")
FEW = ExpectedAccuracy(None, None, 90, 4, 0.0, None, None, "4 different scenes are too few: at least 20 are needed")


def known(estimate: ExpectedAccuracy) -> dict[StateKey, WatchedAccuracy]:
    alarm = bool(estimate.alarm)
    watched = WatchedAccuracy("door", None, alarm, None, estimate.reason, "1" * 64, estimate)
    return {StateKey("door", "main"): watched}


def test_the_accuracy_is_shown_with_its_interval_and_an_alarm_at_once(
    watched: Watched, visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = watched.service.service
    monkeypatch.setattr(service.accuracy, "all", lambda: known(GOOD))
    page = visit(watched.service)
    page.shows("#accuracy-value", "96 %")
    page.shows("#accuracy-interval", "93 % to 98 %")
    page.shows("#accuracy-basis", "212 scenes, 640 frames, 4 % unknown")
    expect(page.page.locator("#accuracy-alarm")).to_be_hidden()
    left, width = page.page.locator("#accuracy-range span").evaluate("e => [e.style.left, e.style.width]")
    assert np.allclose([float(left.rstrip("%")), float(width.rstrip("%"))], [93.1, 5.3])
    monkeypatch.setattr(service.accuracy, "all", lambda: known(DRIFTED))
    service.hub.publish(DriftChanged("door", "door", None, "main", True, DRIFTED.reason, "2026-11-28T12:00:00.000Z"))
    # it does not wait for the next look
    expect(page.page.locator("#accuracy-alarm")).to_have_text("drift", timeout=4000)
    page.shows("#accuracy-value", "–")
    page.shows("#accuracy-interval", "anything from 31 % to 99 %")
    page.shows("#accuracy-reason", "40 % of the frames are unknown to the model")
    page.page.select_option("#log-kind", "drift")
    page.shows("#log-list li:first-child .what", re.compile("^drift: 40 % of the frames"))


def test_without_anything_known_there_is_no_panel_and_too_few_scenes_are_no_estimate(
    watched: Watched, visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched.service.service.accuracy, "all", dict)
    page = visit(watched.service)
    page.live()
    expect(page.page.locator("#accuracy")).to_be_hidden()
    monkeypatch.setattr(watched.service.service.accuracy, "all", lambda: known(FEW))
    page.page.reload()
    page.shows("#accuracy-interval", "no estimate yet")
    page.shows("#accuracy-reason", FEW.reason or "")
    expect(page.page.locator("#accuracy-range")).to_be_hidden()
