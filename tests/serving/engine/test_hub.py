"""Listeners hear every event; a slow or broken one holds nobody up."""

from __future__ import annotations

import threading
import time

import pytest

from edgecnn.serving.engine.events import Event, SourceChanged
from edgecnn.serving.engine.hub import EventQueue, Hub


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


def test_a_full_queue_loses_its_oldest_event_and_blocks_nobody() -> None:
    hub = Hub()
    with hub.queue(3) as queue:
        begun_s = time.monotonic()
        for number in range(10):
            hub.publish(event(str(number)))
        assert time.monotonic() - begun_s < 1
        assert [queue.get(0).source for _ in range(3)] == ["7", "8", "9"]
        assert queue.dropped == 7
        assert queue.get(0) is None
    hub.publish(event())
    assert queue.closed


def test_closing_a_queue_ends_the_wait_of_its_reader() -> None:
    queue, ended = EventQueue(3), threading.Event()

    def read() -> None:
        assert queue.get() is None
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    queue.close()
    assert ended.wait(10)
