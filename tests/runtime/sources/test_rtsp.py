"""RTSP cameras, from GStreamer's own server; skipped where the system's Python has none."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from waiting import outage_of

from edgecnn import open_source
from edgecnn.errors import SourceError
from edgecnn.runtime.sources import LiveOptions, LiveSource, parse_address

SERVER = Path(__file__).parents[2] / "rtsp_server.py"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None); assert all(map(Gst.ElementFactory.find, '{}'.split()))"


def has_server(*elements: str) -> bool:
    python = Path("/usr/bin/python3")
    probe = [python, "-c", PROBE.format(" ".join(elements))]
    return python.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not has_server("x264enc"), reason="needs GStreamer's RTSP server and x264enc for the system's Python"
)


@contextmanager
def rtsp_camera(*account: str, port: int = 0, kind: str = "progressive") -> Iterator[tuple[subprocess.Popen[str], int]]:
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    server = subprocess.Popen(
        ["/usr/bin/python3", SERVER, str(port), kind, *account], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield server, port
    finally:
        server.kill()
        server.wait()


def test_frames_come_and_no_older_than_they_must() -> None:
    with rtsp_camera() as (_, port), open_source(f"rtsp://127.0.0.1:{port}/test") as source:
        next(source)
        time.sleep(1)
        frame = next(source)
        assert frame.image.shape == (240, 320, 3)
        assert time.monotonic() - frame.captured_monotonic_s < 0.5


def test_a_password_opens_it_and_a_wrong_one_is_told_without_showing_it() -> None:
    with rtsp_camera("admin", "hunter2") as (_, port):
        with open_source(f"rtsp://admin:hunter2@127.0.0.1:{port}/test") as source:
            assert next(source).name == f"rtsp://***@127.0.0.1:{port}/test"
        with (
            open_source(f"rtsp://admin:hunter3@127.0.0.1:{port}/test", live=LiveOptions(fail_fast=True)) as source,
            pytest.raises(SourceError, match="check path, user name and password") as raised,
        ):
            next(source)
        assert "hunter" not in str(raised.value)


def test_a_server_that_hangs_is_noticed_within_five_seconds_and_its_return_too() -> None:
    with rtsp_camera() as (server, port), LiveSource(parse_address(f"rtsp://127.0.0.1:{port}/test")) as source:
        next(source)
        server.send_signal(signal.SIGSTOP)
        hung = time.monotonic()
        while time.monotonic() - hung < 0.5:  # what was on its way
            source.take()
            time.sleep(0.02)
        outage_of(source)
        assert time.monotonic() - hung < 6  # five, and the time this test takes to look
        server.send_signal(signal.SIGCONT)
        back = time.monotonic()
        next(source)
        assert time.monotonic() - back < 10


def test_a_server_that_is_gone_is_waited_for() -> None:
    with rtsp_camera() as (server, port):
        source = LiveSource(parse_address(f"rtsp://127.0.0.1:{port}/test"))
        next(source)
        server.kill()
        outage_of(source)
    with rtsp_camera(port=port), source:
        assert next(source).image.shape == (240, 320, 3)
        assert source.counters.outages == 1


@pytest.mark.skipif(not has_server("interlace", "x264enc"), reason="needs GStreamer's interlace")
def test_interlaced_frames_of_a_camera_come_deinterlaced() -> None:
    with rtsp_camera(kind="h264 interlaced") as (_, port), open_source(f"rtsp://127.0.0.1:{port}/test") as source:
        seen = [next(source) for _ in range(15)]
    assert {frame.image.shape for frame in seen} == {(240, 320, 3)}
    # The ball moves by several pixels between the two instants of a frame: undone, this is 240 to 255; progressive, 53
    assert max(ball_combing(frame.image) for frame in seen) < 100
    assert max(float(frame.image.max()) for frame in seen) > 150  # it is there


def ball_combing(image: np.ndarray) -> float:
    """How far the odd lines stand off from the even ones beside them at the ball, in levels."""
    grey = image[:, :, 0].astype(int)
    apart = np.abs(grey[1:-1:2] - (grey[:-2:2] + grey[2::2]) / 2)
    return float(np.sort(apart, axis=None)[-40:].mean())
