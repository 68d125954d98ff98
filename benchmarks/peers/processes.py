"""Starts worker.py in a peer's environment: once for a cold start, or for long, asleep between its turns."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from failures import PeerError, last_line
from models import Contender
from peers import HERE
from venvs import peer_environment

__all__ = ["ColdStart", "Worker", "cold_start"]

_SECONDS_TO_END = 20
_SECONDS_TO_ANSWER = 900  # torch compiles for minutes where other programs run


@dataclass(frozen=True)
class ColdStart:
    """From the start of the process to its answer, and the most memory that it ever held."""

    seconds: float
    peak_mb: float


def cold_start(contender: Contender, threads: int, image: Path, work: Path) -> ColdStart:
    """Raises :class:`PeerError` if there is no answer."""
    start = time.perf_counter()
    with _log(contender, work).open("w") as log:
        process = _start(contender, threads, [str(image)], work, log)
        assert process.stdout is not None
        answer = _line(process)
        seconds = time.perf_counter() - start
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
    if not answer:
        raise PeerError(last_line(_log(contender, work).read_text(), process.returncode))
    return ColdStart(seconds, usage.ru_maxrss * 1024 / 1e6)


class Worker:
    """A way that stays loaded. It is stopped (SIGSTOP) but for its turns, so that threads that spin disturb nobody."""

    def __init__(self, contender: Contender, threads: int, work: Path) -> None:
        self._log = _log(contender, work)
        with self._log.open("w") as log:
            self._process = _start(contender, threads, [], work, log)
        try:
            self._answer()  # it is ready
        except PeerError:
            self.close()
            raise

    def ask(self, **request: object) -> dict[str, Any]:
        """Raises :class:`PeerError` if the worker ended."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerError(str(error)) from error
        return dict(self._answer())

    def close(self) -> None:
        """Ends it, at once if it does not end by itself."""
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.communicate(timeout=_SECONDS_TO_END)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()

    def _answer(self) -> Any:
        line = _line(self._process)
        if not line:
            status = self._process.wait()
            raise PeerError(last_line(self._log.read_text(), status))
        self._process.send_signal(signal.SIGSTOP)
        return json.loads(line)


def _line(process: subprocess.Popen[str]) -> str:
    """The answer; empty if the process ended. Ends a process that does not answer, and raises :class:`PeerError`."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], _SECONDS_TO_ANSWER)[0]:
        process.kill()
        process.wait()
        raise PeerError(f"no answer in {_SECONDS_TO_ANSWER} seconds")
    return process.stdout.readline()


def _log(contender: Contender, work: Path) -> Path:
    folder = work / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{contender.name.replace(' ', '-')}.txt"


def _start(contender: Contender, threads: int, image: list[str], work: Path, log: IO[str]) -> subprocess.Popen[str]:
    assert contender.environment is not None
    command = [contender.environment.python, HERE / "worker.py", contender.way, contender.model, threads, *image]
    return subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE if not image else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=peer_environment(work),
    )
