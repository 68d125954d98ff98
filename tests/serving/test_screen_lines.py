"""What `edgecnn serve` says on the screen: what runs, the first decision of each source, and recoveries."""

from __future__ import annotations

import hashlib
import signal
from contextlib import closing
from pathlib import Path

from mjpeg_server import MjpegCamera
from serving.running import MODELS, TINY, ask, serving, settings_of
from waiting import until

from edgecnn.serving.engine.events import DriftChanged
from edgecnn.serving.engine.service import Service
from edgecnn.serving.screen_lines import ScreenLines


def test_a_person_reads_what_serves_what_is_seen_and_how_it_ended(tmp_path: Path) -> None:
    with serving(TINY, "fake:64x48@20", env={"EDGECNN_SERVE_STATE_DIR": str(tmp_path)}) as service:
        output = service.process.stderr
        assert output is not None
        assert output.readline().startswith("model main: tiny.onnx, 2 classes, on cpu, SHA-256 ")
        first = output.readline()
        assert first.startswith("camera: up, 64 x 48 pixels; first decision: "), first
        assert service.stop(signal.SIGINT) == 130
        assert output.read() == "edgecnn: interrupted; the service has stopped\n"  # and no line per frame


def test_an_outage_ends_with_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    with closing(MjpegCamera(fps=20)) as camera:
        service = Service(settings_of(tmp_path, sources=[{"name": "door", "address": camera.url}]), tmp_path)
        screen = ScreenLines(service, lines.append)

        def printed() -> list[str]:
            screen.print_waiting()
            return lines

        with service:
            until(printed)
            assert lines[0].startswith("door: up, 64 x 64 pixels; first decision: ")
            camera.set_fault("404")
            until(lambda: not service.ready)
            camera.set_fault(None)
            until(lambda: len(printed()) > 1)
            assert lines[1:] == ["door: up again"]


def test_a_service_without_cameras_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    ScreenLines(Service(settings_of(tmp_path), tmp_path), lines.append).begin()
    assert lines[1] == "no camera is set: the service only answers requests (docs/api.md)"


def test_an_alarm_of_drift_and_its_end_are_told(tmp_path: Path) -> None:
    lines: list[str] = []
    service = Service(settings_of(tmp_path), tmp_path)
    screen = ScreenLines(service, lines.append)
    for alarm, reason in ((True, "40 % of the frames are unknown"), (False, None)):
        service.hub.publish(DriftChanged("door.left", "door", "left", "main", alarm, reason, "now"))
    screen.print_waiting()
    assert lines == [
        "door.left, model main: drift: 40 % of the frames are unknown",
        "door.left, model main: no drift any more",
    ]


def test_a_model_that_takes_over_is_told(tmp_path: Path) -> None:
    env = {"EDGECNN_SERVE_STATE_DIR": str(tmp_path)}
    with serving(TINY, env=env) as service:
        output = service.process.stderr
        assert output is not None
        int8 = (MODELS / "tiny.int8.onnx").read_bytes()
        swapped = hashlib.sha256(int8).hexdigest()[:12]
        assert ask(f"{service.url}/api/models", body=int8, token=service.token).status == 202
        said = [output.readline() for _ in range(3)]
        assert said[2] == f"model main: SHA-256 {swapped}… serves from now on\n"
        assert service.stop() == 0
    with serving(TINY, env=env) as service:
        assert service.process.stderr is not None
        assert service.process.stderr.readline().startswith("model main: swapped in, 2 classes")
