"""The service as a process: it tells systemd how it is, ends in time, and says what it cannot do in one line."""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mjpeg_server import MjpegCamera
from serving.running import TINY, ask, running, serving, settings_of
from waiting import until

from edgecnn.serving.engine.service import Service
from edgecnn.serving.running import RunningService

FAKE = "fake:64x64@20"


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    return {"EDGECNN_SERVE_STATE_DIR": str(tmp_path / "state")}


def test_systemd_hears_that_it_is_ready_lives_and_stops(state: dict[str, str], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(tmp_path / "notify"))
        hearing.settimeout(20)
        told = {**state, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with serving(TINY, FAKE, env=told) as service:
            assert service.token not in "".join(service.said)  # the journal is read by others
            assert hearing.recv(1000) == b"READY=1"
            assert b"1 sources" in _next(hearing, b"STATUS=")
            pings = []
            for _ in range(4):
                _next(hearing, b"WATCHDOG=1")
                pings.append(time.monotonic())
            # The median: on a busy machine, a single one may be late
            assert statistics.median(later - earlier for earlier, later in pairwise(pings)) < 0.6
            assert service.stop() == 0
            assert _next(hearing, b"STOPPING") == b"STOPPING=1"


def _next(hearing: socket.socket, begin: bytes) -> bytes:
    while True:
        if (message := hearing.recv(1000)).startswith(begin):
            return message


def test_the_watchdog_hears_nothing_while_decisions_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn.serving import running as module
    from edgecnn.serving.supervisor import Supervisor

    class Empty:
        sources: ClassVar[dict[str, object]] = {}
        models: ClassVar[dict[str, object]] = {}

    class Hangs:
        service = Empty()
        alive = False

    class Stop:
        turns = 0

        def wait(self, _: float) -> bool:
            self.turns += 1
            return self.turns > 3

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(tmp_path / "notify"))
        hearing.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000")
        module._watch(Hangs(), Supervisor(), Stop())
        heard = [hearing.recv(1000)]
        with pytest.raises(BlockingIOError):
            heard.append(hearing.recv(1000))
        assert heard[0].startswith(b"STATUS=")
        Hangs.alive = True
        module._watch(Hangs(), Supervisor(), Stop())
        assert b"WATCHDOG=1" in [hearing.recv(1000), hearing.recv(1000)]


def test_it_is_alive_while_requests_are_answered_and_no_source_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as service:
        assert service.alive
        monkeypatch.setattr(Service, "silent_s", 100.0)
        assert not service.alive
        monkeypatch.undo()
        assert service.alive
        service._server._server.should_exit = True
        until(lambda: not service.alive)


def test_what_fails_to_start_ends_what_runs_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no more threads")

    service = RunningService(settings_of(tmp_path))
    url = service.url
    monkeypatch.setattr(Service, "start", fail)
    with pytest.raises(RuntimeError, match="no more threads"), service:
        pass
    assert not service.alive
    with pytest.raises(urllib.error.URLError):
        ask(f"{url}/healthz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_three_seconds_even_if_a_camera_hangs(number: int, state: dict[str, str]) -> None:
    camera = MjpegCamera(fps=20)
    try:
        with serving(TINY, camera.url, env=state) as service:
            until(lambda: ask(f"{service.url}/readyz").status == 200)
            camera.set_fault("stall")
            stuck = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "import sys, urllib.request as u; u.urlopen(sys.argv[1]).read()",
                    f"{service.url}/api/events",
                ],
                stderr=subprocess.DEVNULL,
            )
            begun_s = time.monotonic()
            assert service.stop(number) == (0 if number == signal.SIGTERM else 130)
            assert time.monotonic() - begun_s < 6, "3 s, or a little more on a busy machine"
            stuck.wait(10)
    finally:
        camera.close()


def test_a_signal_is_heard_wherever_it_comes() -> None:
    """A handler may run within the wait itself, where a lock would be held that is never given back."""
    code = (
        "import os, signal\n"
        "from edgecnn.serving.stop_signals import StopSignals\n"
        "for turn in range(4000):\n"
        "    stop = StopSignals()\n"
        "    signal.signal(signal.SIGALRM, stop._hear)\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.00002 + turn % 200 * 1e-6)\n"
        "    while not stop.wait(0.02):\n"
        "        pass  # a signal just before a wait is noticed at its end\n"
        "os._exit(0)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_the_password_of_a_camera_is_nowhere(tmp_path: Path, state: dict[str, str]) -> None:
    camera = MjpegCamera(fps=20, password="user:CANARY-4711")
    try:
        address = tmp_path / "address"
        address.write_text(camera.url)
        file = tmp_path / "edgecnn.toml"
        file.write_text(f'[[models]]\nfile = "{TINY}"\n[[sources]]\nname = "door"\naddress_file = "{address}"\n')
        with serving("--config", file, env=state) as service:
            until(lambda: ask(f"{service.url}/readyz").status == 200)
            camera.set_fault("404")
            until(lambda: ask(f"{service.url}/readyz").status == 503)
            seen = [ask(f"{service.url}{path}").content for path in ("/", "/api/state", "/metrics", "/readyz")]
            with_events = ask(f"{service.url}/api/state").json["events"]
            assert any(not event.get("up", True) for event in with_events)
            tree = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
            assert service.stop() == 0
            assert service.process.stderr is not None
            seen += [tree, "".join(service.said).encode(), service.process.stderr.read().encode()]
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert files
        assert not [text for text in [*seen, *(path.read_bytes() for path in files)] if b"CANARY" in text]
    finally:
        camera.close()


def test_a_password_on_the_command_line_is_warned_of_and_not_repeated(state: dict[str, str]) -> None:
    with serving(TINY, "http://user:CANARY@127.0.0.1:9/video", env=state) as service:
        assert "every user here can read; use `address_file`" in "".join(service.said)
        assert "CANARY" not in "".join(service.said)
    with serving(TINY, FAKE, env=state) as service:
        assert "password" not in "".join(service.said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a model file and a camera"),
        (("none.onnx", "0"), "none.onnx: no such model file"),
        ((TINY, "image.jpg"), "source 'camera': image.jpg is no camera or stream"),
        ((TINY, FAKE, "--host", "0.0.0.0"), "a token is required; name its file with --token-file"),
        ((TINY, FAKE, "--host", "192.0.2.1", "--token-file", "token"), "cannot listen there"),
        ((TINY, FAKE, "--host", "a..b", "--token-file", "token"), "a..b:4912: cannot listen there"),
        (("--config", "none.toml"), "none.toml: no such settings file"),
        (("--demo",), "no finished demo"),
    ],
)
def test_what_it_cannot_do_is_one_line_and_status_2(
    arguments: tuple[str, ...], said: str, state: dict[str, str], tmp_path: Path, edgecnn: Callable[..., Any]
) -> None:
    (tmp_path / "token").write_text("a" * 20)
    found = edgecnn("serve", *arguments, env=state, cwd=tmp_path)
    assert found.returncode == 2, found.stderr
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told(state: dict[str, str], edgecnn: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = edgecnn("serve", TINY, FAKE, "--port", taken.getsockname()[1], env=state)
    assert found.returncode == 2
    assert "cannot listen there: Address already in use; choose another --port" in found.stderr


def test_settings_are_checked_without_starting_anything(
    tmp_path: Path, state: dict[str, str], edgecnn: Callable[..., Any]
) -> None:
    file = tmp_path / "edgecnn.toml"
    file.write_text(f'[[models]]\nfile = "{TINY}"\n[[sources]]\naddress = "fake:"\nhealth = "none.json"\n')
    found = edgecnn("serve", "--config", file, "--check-config", env=state)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "none.json" in found.stderr
    file.write_text(file.read_text().replace('health = "none.json"\n', ""))
    found = edgecnn("serve", "--config", file, "--check-config", env=state)
    assert (found.returncode, found.stderr) == (0, "the settings are valid\n")
