"""Whenever SIGTERM or Ctrl-C comes, and however often, the service ends in time, with its status and one line at most."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving.running import TINY, serving

STATUS = {signal.SIGTERM: 0, signal.SIGINT: 130}


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_while_modules_are_imported_ends_it_without_a_traceback(number: int, tmp_path: Path) -> None:
    """The command line replaces the handlers first. Then this module sends the signals, in place of pydantic."""
    (tmp_path / "pydantic.py").write_text(
        f"import os\nos.kill(os.getpid(), {number})\nos.kill(os.getpid(), {number})\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edgecnn.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", str(TINY), "fake:"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (found.returncode, found.stderr) == (STATUS[number], "")


@pytest.mark.parametrize("number", STATUS)
def test_what_does_not_stop_is_ended(number: int) -> None:
    """The main thread is busy for long, as with the opening of a large model."""
    code = (
        "import time\n"
        "from edgecnn.serving.stop_signals import EndLimit, StopSignals\n"
        "stop, limit = StopSignals(), EndLimit(0.3)\n"
        "print('begun', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(10) == STATUS[number]
        assert process.stderr.read() == "edgecnn: something did not stop in time; the process was ended\n"


def test_without_a_signal_the_limit_is_lifted() -> None:
    code = (
        "import os, signal, time\n"
        "from edgecnn.serving.stop_signals import EndLimit, StopSignals\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "stop, limit = StopSignals(), EndLimit(0.1)\n"
        "stop.restore()\n"
        "limit.lift()\n"
        "assert signal.getsignal(signal.SIGTERM) is before\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.5)\n"  # longer than the limit, which must not act
        "print('lives')\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (found.stdout, found.stderr) == ("lives\n", "")


@pytest.mark.parametrize("number", STATUS)
def test_many_signals_until_the_very_end_change_nothing(number: int, tmp_path: Path) -> None:
    with serving(TINY, "fake:64x64@20", env={"EDGECNN_SERVE_STATE_DIR": str(tmp_path / "state")}) as service:
        begun_s = time.monotonic()
        while service.process.poll() is None and time.monotonic() - begun_s < 5:
            service.process.send_signal(number)
            time.sleep(0.005)
        assert service.process.wait(1) == STATUS[number]
        assert time.monotonic() - begun_s < 3
        assert service.process.stderr is not None
        said = service.process.stderr.read()
        assert "Traceback" not in said
        assert said.endswith("edgecnn: interrupted; the service has stopped\n") == (number == signal.SIGINT)
