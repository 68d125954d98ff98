"""Progress as people see it: on a terminal of 80 columns and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

PROGRAM = """
from edgecnn.cli.reporting import reporting
with reporting() as reporter:
    reporter.plan([("reading", 1), ("calibrating the activation ranges", 3)])
    for name in ("reading", "calibrating the activation ranges", "epoch 3 of 13"):
        progress = reporter.stage(name)
        if name == "reading": first = progress
        for done in range(1, 11):
            progress(done * 100, 1000, "loss 0.312, 48 images/s, best val 0.8612, run 14 min left, " * 2)
        bars = getattr(reporter, "_bars", None)
        if bars: bars.refresh()
        progress(1000, 1000, "loss 0.31, val 86.1 % (best)")
    first(1, 1000, "of a stage that is over")
    reporter.say("[not markup] next: edgecnn export")
    if INTERRUPTED: raise KeyboardInterrupt
"""


def on_a_terminal(program: str, columns: int) -> str:
    """What the program writes to a terminal of that width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", program], stderr=follower, stdout=subprocess.DEVNULL, env=env)
    os.close(follower)
    read = b""
    while chunk := _read(leader):
        read += chunk
    process.wait()
    os.close(leader)
    return read.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux: the other side is closed
        return b""


def plain(text: str) -> list[str]:
    """Lines without what positions the cursor and colours."""
    return [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)) if line.strip()]


@pytest.mark.parametrize("columns", [80, 60])
def test_a_terminal_has_one_live_line_with_its_bar_and_counts(columns: int) -> None:
    shown = plain(on_a_terminal(PROGRAM.replace("INTERRUPTED", "False"), columns))
    live = [line for line in shown if re.search(r"\d+/1000", line)]
    assert live
    assert all("━" in line for line in live)
    assert all(len(line.rstrip()) <= columns for line in live), live
    assert any("left of all" in line for line in live) or columns < 80
    finished = [line for line in shown if re.match(r"(reading|calibrating|epoch)[^/]*: ", line)]
    assert [line.partition(":")[0] for line in finished] == [
        "reading",
        "calibrating the activation ranges",
        "epoch 3 of 13",
    ]
    assert re.fullmatch(r"epoch 3 of 13: loss 0.31, val 86.1 % \(best\), \d+\.\d s", finished[-1].strip())
    assert any(line.startswith("[not markup] next") for line in shown)


def test_an_interrupted_stage_leaves_no_bar() -> None:
    shown = on_a_terminal(PROGRAM.replace("INTERRUPTED", "True"), 80)
    last_live = shown.rindex("1000/1000")
    assert "\x1b[2K" in shown[last_live:]  # erased


def test_a_log_has_a_line_a_stage() -> None:
    program = PROGRAM.replace("INTERRUPTED", "False")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "reading",
        "calibrating the activation ranges",
        "[not markup] next",
        "epoch 3 of 13",
    ]
    assert not done.stdout
