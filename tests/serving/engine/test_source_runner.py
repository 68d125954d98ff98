"""A source is read until it is stopped, whatever fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from mjpeg_server import MjpegCamera
from serving.running import running
from waiting import until

from edgecnn.serving.engine.view import ViewDecisions


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(tmp_path: Path) -> None:
    camera = MjpegCamera(fps=20)
    try:
        camera.set_fault("closed")
        with running(tmp_path, sources=[{"name": "door", "address": camera.url}]) as service:
            status = service.service.sources["door"].status
            until(lambda: status().reason)
            assert not status().up
            assert status().retry_in_s is not None
            camera.set_fault(None)
            until(lambda: status().up)
            assert status().reason is None
    finally:
        camera.close()


def test_an_address_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with running(tmp_path, sources=[{"name": "door", "address": f"loop:{tmp_path / 'images'}@20"}]) as service:
        runner = service.service.sources["door"]
        until(lambda: "no images in" in (runner.status().reason or ""))
        assert runner.silent_s < 5


def test_an_unexpected_error_is_told_and_reading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decide, failed = ViewDecisions.frame, []

    def frame(self, frame, number, changed=None):
        if number == 3:
            failed.append(number)
            raise ZeroDivisionError("some fault of the program")
        return decide(self, frame, number, changed)

    monkeypatch.setattr(ViewDecisions, "frame", frame)
    with running(tmp_path, sources=[{"name": "door", "address": "fake:64x64@30"}]) as service:
        runner = service.service.sources["door"]
        until(lambda: runner.status().frames > 10 and runner.status().up)
    assert failed == [3]
    assert any("unexpected error" in record.message for record in caplog.records)
    assert any(type(e).__name__ == "SourceChanged" and not e.up for e in service.service.log)


def test_several_sources_are_decided_on_side_by_side(tmp_path: Path) -> None:
    sources = [{"name": f"c{i}", "address": "fake:64x64@30"} for i in range(4)]
    with running(tmp_path, sources=sources) as service:
        frames = [lambda source=source: source.status().frames for source in service.service.sources.values()]
        until(lambda: all(count() > 5 for count in frames))  # all have started
        before = [count() for count in frames]
        until(lambda: max(count() - then for count, then in zip(frames, before, strict=True)) > 30)
        assert min(count() - then for count, then in zip(frames, before, strict=True)) > 5
