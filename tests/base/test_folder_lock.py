"""Two commands never write into one folder at once, and a lock ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.errors import OutputError
from edgecnn.folder_lock import LOCK_FILE, folder_lock

_HOLD = """
import sys
from pathlib import Path
from edgecnn.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), "--out", print):
    print("held", flush=True)
    sys.stdin.read()
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", _HOLD, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_with_the_first_ones_number_and_what_to_do(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        told = rf"process {process.pid} on .* is writing here; wait until it ends, or name another --out"
        with pytest.raises(OutputError, match=told), folder_lock(tmp_path, "--out", print):
            pass
        assert (tmp_path / LOCK_FILE).exists(), "the refused one leaves the lock as it is"
        process.communicate("")
    assert not list(tmp_path.iterdir())
    with folder_lock(tmp_path, "--out", print):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / LOCK_FILE).exists(), "the file is stale"
        with folder_lock(tmp_path, "--out", print):
            assert f"process {os.getpid()} on" in (tmp_path / LOCK_FILE).read_text()
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_its_holder_removes_meanwhile_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened before, locked after: another command may already hold the new file of that name."""
    fcntl = pytest.importorskip("fcntl")
    lock, opened = fcntl.flock, []

    def late(descriptor: int, how: int) -> None:
        if not opened:
            (tmp_path / LOCK_FILE).unlink()
        opened.append(descriptor)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with folder_lock(tmp_path, "--out", print):
        assert len(opened) == 2
        assert (tmp_path / LOCK_FILE).exists()


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def none(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    said: list[str] = []
    with folder_lock(tmp_path, "--out", said.append):
        pass
    assert said == [
        f"{tmp_path}: this file system has no locks; start no other command with --out {tmp_path} meanwhile"
    ]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with (
        pytest.raises(OutputError, match=r"cannot be written: Read-only file system; .*name another --out$"),
        folder_lock(tmp_path, "--out", print),
    ):
        pass
