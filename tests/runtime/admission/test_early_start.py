"""A child for a new model file is started before anything large is imported; for known files, none stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_models import as_file, harmless
from processes import alive
from waiting import until

from edgecnn.runtime.admission import early_start
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.admission.early_start import CHILD, IMAGE, child_arguments, start_early, verdict_folder

OURS = child_arguments(CHILD, IMAGE, None)


@pytest.fixture(autouse=True)
def ended(cache: Path) -> Iterator[None]:
    yield
    early_start.unneeded()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(harmless())
    return path


def early() -> subprocess.Popen[bytes] | None:
    return early_start._early.get(OURS)


def test_a_new_file_is_tried_out_by_the_child_that_waits(model: Path, started: list[int]) -> None:
    start_early(["--topk", "3", str(model), "image.jpg"])
    waiting = early()
    assert waiting is not None
    admit(as_file(harmless()))
    assert started == [waiting.pid]
    assert early() is None


def test_no_child_is_started_where_a_verdict_is_newer_or_no_file_is_there(model: Path, tmp_path: Path) -> None:
    start_early([str(tmp_path / "missing.onnx")])
    start_early(["image.jpg", str(model.with_suffix(".pt"))])
    start_early(["a\0b.onnx"])
    assert early() is None
    admit(as_file(harmless()))
    os.utime(verdict_folder(), (time.time() + 10, time.time() + 10))
    start_early([str(model)])
    assert early() is None


def test_a_wrong_guess_ends_the_child_and_is_not_made_again(model: Path) -> None:
    admit(as_file(harmless()))
    os.utime(verdict_folder(), (0, 0))
    start_early([str(model)])
    waiting = early()
    assert waiting is not None
    admit(as_file(harmless()))
    assert waiting.poll() is not None
    start_early([str(model)])
    assert early() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_that_nobody_needs_ends_with_this_process(model: Path) -> None:
    program = (
        "import sys\nfrom edgecnn.runtime.admission import early_start as e\n"
        "e.start_early(sys.argv[1:])\nprint(*(c.pid for c in e._early.values()))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(model)], check=True, capture_output=True, timeout=60)
    pid = int(done.stdout)
    until(lambda: not alive(pid))


def test_nothing_large_is_imported_to_start_a_child(model: Path) -> None:
    program = (
        "import sys\nfrom edgecnn.runtime.admission.early_start import start_early, unneeded\n"
        "start_early(sys.argv[1:])\nprint(*sys.modules)\nunneeded()"
    )
    done = subprocess.run([sys.executable, "-c", program, str(model)], check=True, capture_output=True, timeout=60)
    assert not {"numpy", "onnxruntime", "cv2"} & set(done.stdout.decode().split())
