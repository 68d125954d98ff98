"""Listeners hear every event; a slow or broken one holds nobody up."""

from __future__ import annotations

import pytest

from edgecnn.serving.engine.events import Event, SourceChanged
from edgecnn.serving.engine.hub import Hub


def event(name: str = "door") -> SourceChanged:
    return SourceChanged(name, up=True, reason=None, retry_in_s=None, at="", first=True)


def test_a_listener_that_raises_is_reported_once_and_others_hear(caplog: pytest.LogCaptureFixture) -> None:
    hub, heard = Hub(), []

    def broken(_: Event) -> None:
        raise RuntimeError("broken")

    hub.subscribe(broken)
    hub.subscribe(heard.append)
    for _ in range(3):
        hub.publish(event())
    assert len(heard) == 3
    assert len(caplog.records) == 1
