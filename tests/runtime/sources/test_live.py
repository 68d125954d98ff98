"""Cameras and streams: the newest frame, through every kind of outage, from a real server over a real connection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mjpeg_server import jpeg, mjpeg_camera
from processes import alive, children_of, command_of
from waiting import outage_of, until

from edgecnn import Classifier, Frame, open_source
from edgecnn.errors import SourceError
from edgecnn.runtime.sources import LiveOptions, LiveSource, Outage, parse_address
from edgecnn.runtime.sources.capture import worker
from edgecnn.runtime.sources.capture.worker_order import CaptureOrder
from edgecnn.runtime.sources.drivers.driver import DriverError
from edgecnn.runtime.sources.drivers.table import DRIVERS, Driver

QUICK = LiveOptions(stall_s=0.8, open_s=3.0, first_wait_s=0.05, longest_wait_s=0.2)


def capture_processes() -> set[int]:
    """Of this process's children, those that capture."""
    commands = {child: command_of(child) for child in children_of(os.getpid())}
    return {  # the fork server has preloaded all
        child for child, command in commands.items() if "capture.worker" in command and "forkserver" not in command
    }


def test_a_fake_camera_gives_frames_with_their_ages_and_numbers() -> None:
    with open_source("fake:320x240@100") as source:
        frames = [next(source) for _ in range(20)]
    assert all(frame.image.shape == (240, 320, 3) and frame.kind == "stream" for frame in frames)
    assert all(0 <= time.monotonic() - frame.captured_monotonic_s < 30 for frame in frames)
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))


def test_a_slow_reader_gets_the_newest_frame_not_the_next() -> None:
    with open_source("fake:64x64@100") as source:
        next(source)
        for _ in range(3):
            before = source.counters.captured
            until(lambda: source.counters.captured > before + 20)  # noqa: B023  # called here
            captured = source.counters.captured
            assert next(source).index >= captured - 1  # numbered from 0; a queue would give the one after the last
        counters = source.counters
    assert counters.captured > counters.delivered + 50


def test_mjpeg_gives_the_server_s_images() -> None:
    with mjpeg_camera() as camera, open_source(camera.url) as source:
        frame = next(source)
    assert frame.image.shape == (64, 64, 3)
    assert frame.decode_ms is not None


def test_mjpeg_without_lengths_is_read_by_its_boundaries() -> None:
    with mjpeg_camera(lengths=False) as camera, open_source(camera.url) as source:
        assert [next(source).image.shape for _ in range(3)] == [(64, 64, 3)] * 3


def test_an_image_over_http_is_one_frame_and_the_end() -> None:
    with mjpeg_camera(content_type="image/jpeg") as camera, open_source(camera.url) as source:
        assert [frame.image.shape for frame in source] == [(64, 64, 3)]


def test_a_page_is_no_camera() -> None:
    with mjpeg_camera(content_type="text/html") as camera:
        camera.frames = [b"<html><body>Log in, please</body></html>"]
        with open_source(camera.url) as source, pytest.raises(SourceError, match=r"sends text/html; expected image"):
            next(source)


def test_user_and_password_open_a_camera_and_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    with mjpeg_camera(password="admin:hunter2") as camera:
        with open_source(camera.url) as source:
            frame = next(source)
            assert frame.name == f"http://***@127.0.0.1:{camera.port}/video"
        wrong = camera.url.replace("hunter2", "hunter3")
        with LiveSource(parse_address(wrong), QUICK) as source:
            outage = outage_of(source)
    assert "401" in outage.reason
    assert "hunter" not in f"{outage} {caplog.text} {camera.requests}"


def test_a_stall_is_noticed_within_five_seconds_as_things_are_set() -> None:
    with mjpeg_camera() as camera, LiveSource(parse_address(camera.url)) as source:
        next(source)
        camera.set_fault("stall")
        stalled_s = time.monotonic()
        until(lambda: source.counters.outages == 1)
        assert 3 < time.monotonic() - stalled_s < 5


@pytest.mark.parametrize("fault", ["fin", "reset", "stall", "404", "closed"])
def test_a_disconnect_is_told_and_survived(fault: str) -> None:
    with mjpeg_camera() as camera, LiveSource(parse_address(camera.url), QUICK) as source:
        first = next(source)
        camera.set_fault(fault)
        told: list[Outage] = []

        def outage() -> bool:
            taken = source.take()
            if isinstance(taken, Outage):
                told.append(taken)
            return len(told) >= (1 if fault == "stall" else 2)

        until(outage)
        camera.set_fault(None)
        later = next(source)
    assert later.index > first.index
    assert told[-1].retry_in_s <= QUICK.longest_wait_s
    expected = {
        "fin": "ended",
        "reset": "reset|ended",
        "stall": "timeout|no frame",
        "404": "404",
        "closed": "refused|ended",
    }[fault]
    assert any(word in told[-1].reason for word in expected.split("|")), told
    assert source.counters.connections == 2
    assert source.counters.outages == 1


def test_waits_double_up_to_their_limit_and_begin_anew_with_a_frame() -> None:
    options = LiveOptions(stall_s=0.8, open_s=3.0, first_wait_s=0.05, longest_wait_s=0.15)
    with mjpeg_camera() as camera, LiveSource(parse_address(camera.url), options) as source:
        next(source)
        waits: list[float] = []

        def four() -> bool:
            taken = source.take()
            if isinstance(taken, Outage):
                waits.append(taken.retry_in_s)
            return len(waits) >= 4

        camera.set_fault("closed")
        until(four)
        assert waits[:4] == [0.05, 0.1, 0.15, 0.15]
        camera.set_fault(None)
        next(source)
        waits.clear()
        camera.set_fault("closed")
        until(lambda: four() or bool(waits))
        assert waits[0] == 0.05


def test_a_camera_that_is_absent_at_the_start_is_waited_for() -> None:
    with mjpeg_camera() as camera:
        camera.set_fault("closed")
        with LiveSource(parse_address(camera.url), QUICK) as source:
            until(lambda: source.counters.failed_attempts >= 2)
            camera.set_fault(None)
            assert isinstance(next(source), Frame)


def test_with_fail_fast_it_is_an_error() -> None:
    with mjpeg_camera() as camera:
        camera.set_fault("closed")
        with (
            open_source(camera.url, live=LiveOptions(fail_fast=True)) as source,
            pytest.raises(SourceError, match="refused"),
        ):
            next(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("/dev/video97", "video97"),
        ("fake:nonsense", "expected fake:"),
        ("csi:", "picamera2"),
        ("videotestsrc ! appsink", "GStreamer"),
        ("rtsp://", "no host"),
        ("http://[::1/video", "invalid address: Invalid IPv6"),
        ("rtsp://camera:99999/stream", "invalid address: Port out of range"),
    ],
)
def test_what_can_never_be_opened_is_an_error_at_the_first_frame(source: str, why: str) -> None:
    with open_source(source) as opened, pytest.raises(SourceError, match=why):
        next(opened)


def test_a_driver_that_is_not_installed_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a frozen program whose packer left it out."""
    monkeypatch.setitem(DRIVERS, "fake", Driver("left_out", "read"))
    order = CaptureOrder("fake", "fake:", "", 0, 0, 0, 1, 1, 1.0, None, "/")
    with pytest.raises(DriverError, match="left_out'; reinstall it, or add the module to the froz") as raised:
        worker._open(order)
    assert raised.value.permanent


def test_frames_that_cannot_be_decoded_are_counted_and_passed_over() -> None:
    with mjpeg_camera() as camera:
        whole = list(camera.frames)
        camera.frames = [whole[0], whole[1][:-200], b"text", whole[2]]
        with open_source(camera.url) as source:
            for _ in range(4):
                assert next(source).image.shape == (64, 64, 3)
            until(lambda: source.counters.dropped >= 2)


def test_a_camera_may_change_its_resolution_and_its_bombs_are_dropped() -> None:
    bomb = jpeg(np.zeros((3000, 3000, 3), np.uint8))
    with mjpeg_camera() as camera:
        camera.frames = [jpeg(np.full((48, 64, 3), 90, np.uint8)), bomb, jpeg(np.full((96, 128, 3), 90, np.uint8))]
        with open_source(camera.url, max_pixels=1_000_000) as source:
            seen = {next(source).image.shape for _ in range(12)}
            until(lambda: source.counters.dropped >= 2)
    assert seen == {(48, 64, 3), (96, 128, 3)}


def test_frames_that_are_passed_over_are_a_sign_of_life() -> None:
    with LiveSource(parse_address("fake:64x64@50"), LiveOptions(every=75, stall_s=0.8, open_s=3.0)) as source:
        assert [next(source).index for _ in range(3)] == [0, 75, 150]
        assert source.counters.outages == 0


def test_a_stream_of_which_nothing_can_be_decoded_is_told_as_such() -> None:
    with mjpeg_camera() as camera:
        camera.frames = [camera.frames[0][:500]]
        with LiveSource(parse_address(camera.url), LiveOptions(open_s=1.0, first_wait_s=0.05)) as source:
            until(source.has_news)
            outage = source.take()
    assert isinstance(outage, Outage)
    assert outage.reason.startswith("no decodable frame for 1 s: frame: ")


def test_a_broken_image_over_http_is_an_error() -> None:
    with mjpeg_camera(content_type="image/jpeg") as camera:
        camera.frames = [camera.frames[0][:500]]
        with open_source(camera.url) as source, pytest.raises(SourceError, match="truncated"):
            next(source)


def test_a_password_goes_with_a_redirect_to_another_path_of_the_host() -> None:
    with mjpeg_camera(password="root:hunter2") as camera:
        camera.moved_to = "/axis-cgi/video.cgi"
        with open_source(camera.url) as source:
            assert next(source).image.shape == (64, 64, 3)


def test_two_cameras_that_differ_in_what_is_hidden_alone_are_two(tiny_model: Path) -> None:
    with mjpeg_camera() as camera:
        classifier = Classifier(tiny_model, ep="cpu", threads=1)
        stream = classifier.stream(f"{camera.url}?token=one", f"{camera.url}?token=two", health=None, max_frames=30)
        names = {prediction.source for _, prediction in stream}
        assert names == set(stream.counters) == {f"{camera.url}?token=***", f"{camera.url}?token=*** (2)"}


def test_a_machine_that_can_start_nothing_more_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("edgecnn.runtime.sources.capture.live.Connection", no_thread)
    with LiveSource(parse_address("fake:"), QUICK) as source:
        until(source.has_news)
        outage = source.take()
    assert isinstance(outage, Outage)
    assert "can't start new thread" in outage.reason


def test_every_n_th_frame_alone_is_decoded() -> None:
    with open_source("fake:64x64@200", every=5) as source:
        assert all(next(source).index % 5 == 0 for _ in range(10))


def test_closing_ends_the_process_also_while_it_hangs() -> None:
    with mjpeg_camera() as camera:
        source = LiveSource(parse_address(camera.url))
        next(source)
        (child,) = capture_processes()
        os.kill(child, signal.SIGSTOP)  # a native read that never returns, as seen from outside
        start = time.monotonic()
        source.close()
        assert time.monotonic() - start < 3
        assert not capture_processes()
        source.close()


def test_a_hung_capture_process_is_replaced() -> None:
    with LiveSource(parse_address("fake:64x64@100"), QUICK) as source:
        next(source)
        (child,) = capture_processes()
        os.kill(child, signal.SIGSTOP)
        until(lambda: source.counters.outages == 1)
        source.take()
        next(source)
        until(lambda: source.counters.connections == 2)
        assert child not in capture_processes()


def test_a_killed_runner_leaves_no_process_behind() -> None:
    program = (
        "from edgecnn import open_source\nwith open_source('fake:') as s:\n    for f in s: print(f.index, flush=True)"
    )
    runner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert runner.stdout is not None
    runner.stdout.readline()
    started = children_of(runner.pid)
    assert started
    runner.kill()
    runner.wait()
    until(lambda: not any(map(alive, started)))


def test_two_cameras_are_answered_together(tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu", threads=1)
    names = {p.source for _, p in classifier.stream("fake:64x64@50", "fake:96x96@50", max_frames=30)}
    assert names == {"fake:64x64@50", "fake:96x96@50"}
    until(lambda: not capture_processes())


def test_an_outage_is_an_answer_without_a_decision(tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu", threads=1)
    stream = classifier.stream("fake:64x64@100,outage=3", live=QUICK)
    frame, prediction = next(item for item in stream if item[0] is None)
    assert frame is None
    assert (prediction.status, prediction.label, prediction.frame) == ("no_decision", None, None)
    assert prediction.reason is not None
    assert prediction.reason.startswith("offline: the fake camera goes offline")
    assert any(item[0] is not None for item in (next(stream) for _ in range(3)))


def test_sources_share_no_memory_by_name() -> None:
    before = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").exists() else set()
    with open_source("fake:") as source:
        next(source)
        assert (set(Path("/dev/shm").iterdir()) if Path("/dev/shm").exists() else set()) == before


def test_descriptors_and_threads_stay_level_over_reconnections() -> None:
    def levels() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    with LiveSource(parse_address("fake:64x64@200,outage=5"), QUICK) as source:
        until(lambda: source.counters.connections >= 2 and source.take() is not None)
        before = levels()
        until(lambda: source.counters.connections >= 8)
        until(lambda: all(a <= b + 3 for a, b in zip(levels(), before, strict=True)))


def test_a_server_that_hangs_before_its_first_frame_is_given_up_in_time() -> None:
    with mjpeg_camera() as camera:
        camera.set_fault("stall")
        options = LiveOptions(stall_s=0.5, open_s=0.7, first_wait_s=0.05)
        with LiveSource(parse_address(camera.url), options) as source:
            start = time.monotonic()
            until(lambda: source.counters.failed_attempts == 1)
            assert time.monotonic() - start < 5
