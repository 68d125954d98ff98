"""Kills this process at its Nth change of files: when it opens a file to write, flushes, renames, links or removes one.

Only changes below one folder count, and the process is gone just before the Nth. Python reports all of them but flushes
to audit hooks (PEP 578), whatever code makes them; flushes are counted around :func:`os.fsync`.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

__all__ = ["changes_of", "count_changes", "kill_at_change", "killed_at"]

_CHANGES = frozenset(("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_at_change(folder: str | Path, number: int) -> None:
    """From now on: SIGKILL to this process just before change ``number`` below ``folder``; the first is 1."""
    seen = 0

    def changes(_what: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _watch(folder, changes)


def count_changes(folder: str | Path, count: str | Path) -> None:
    """From now on: the file ``count``, which must lie elsewhere, has a line for each change below ``folder``."""
    told = os.open(count, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _watch(folder, lambda what: os.write(told, f"{what}\n".encode()))


def _watch(folder: str | Path, heard: Callable[[str], object]) -> None:
    root, pid, fsync = os.path.realpath(folder), os.getpid(), os.fsync

    def is_inside(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False  # a descriptor
        return f"{os.path.abspath(os.fsdecode(path))}/".startswith(f"{root}/")  # noqa: PTH100  # follows no link

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITES):
                return
        elif event not in _CHANGES:
            return
        else:
            path = arguments[1] if event == "os.link" else arguments[0]
        if os.getpid() == pid and is_inside(path):
            heard(f"{event} {os.fsdecode(path)}")  # type: ignore[arg-type]

    def flush(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  # by the name alone
        if os.getpid() == pid and is_inside(name):
            heard(f"fsync {name}")
        fsync(descriptor)

    sys.addaudithook(audit)
    os.fsync = flush


Write = Callable[[Path], object]


def changes_of(write: Write, folder: Path, count: Path) -> list[str]:
    """What changes ``write(folder)`` makes, in a process of its own that is not killed."""
    assert _run(_counted, write, folder, count) == 0
    return count.read_text().splitlines()


def killed_at(number: int, write: Write, folder: Path) -> bool:
    """Runs ``write(folder)`` in a process of its own that is killed at a change; False where it ended before that."""
    status = _run(_killed, write, folder, number)
    assert status in (0, -signal.SIGKILL), f"exit status {status}"
    return status == -signal.SIGKILL


def _run(what: Callable[..., None], *arguments: object) -> int:
    """A fork, which takes milliseconds where a new Python would import everything again for every kill."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            what(*arguments)
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is: the parent must not be run on here
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _counted(write: Write, folder: Path, count: Path) -> None:
    count_changes(folder, count)
    write(folder)


def _killed(write: Write, folder: Path, number: int) -> None:
    kill_at_change(folder, number)
    write(folder)
