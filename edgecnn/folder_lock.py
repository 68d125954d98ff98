"""A lock on an output folder, so that two programs do not mix their files in it.

The operating system releases the lock when its process ends, even by ``kill -9``: a lock file that is left over holds
nothing. The lock file names process, host and start.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from edgecnn.errors import OutputError

__all__ = ["LOCK_FILE", "FolderInUseError", "folder_lock"]

LOCK_FILE = ".edgecnn.lock"
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_TAKEN = {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_WINDOWS_OFFSET = 1 << 20  # Windows lets nobody read what is locked


class FolderInUseError(OutputError):
    """Another process holds the lock of a folder."""


@contextmanager
def folder_lock(folder: Path, option: str, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of a folder that exists.

    Args:
        folder: the output folder.
        option: that names the folder, for the message.
        say: told that the file system has no locks; nothing is locked then.

    Raises:
        FolderInUseError: another process holds the lock.
        OutputError: the folder cannot be written.
    """
    path = folder / LOCK_FILE
    descriptor = _locked(path, option)
    if descriptor is None:
        say(f"{folder}: this file system has no locks; start no other command with {option} {folder} meanwhile")
    else:
        with suppress(OSError):  # the disk is full: the lock holds without the text
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _this_process().encode())
    try:
        yield
    finally:
        # Before the lock goes, so that nobody locks a file that is then removed; Windows removes no open file
        with suppress(OSError):
            path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def _locked(path: Path, option: str) -> int | None:
    """A descriptor that holds the lock; None where the file system has none."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(
                f"{path.parent}: cannot be written: {error.strerror}; allow writing there, or name another {option}"
            ) from error
        try:
            _lock(descriptor)
            if _is_open_file(descriptor, path):
                return descriptor
            os.close(descriptor)  # its holder has removed it since it was opened
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise FolderInUseError(
                    f"{path.parent}: {_holder(path)} is writing here; wait until it ends, or name another {option}"
                ) from error
            if error.errno in _WITHOUT_LOCKS:
                return None
            raise


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt  # noqa: PLC0415  # of Windows alone

        os.lseek(descriptor, _WINDOWS_OFFSET, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl  # noqa: PLC0415  # Windows has none

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_open_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _this_process() -> str:
    since = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {socket.gethostname()}, since {since}"


def _holder(path: Path) -> str:
    """What the lock file says of its holder; the holder may not have written it yet, or has just removed it."""
    with suppress(OSError, UnicodeDecodeError):
        if told := path.read_text(encoding="utf-8").strip():
            return f"another run of EdgeCNN ({told})"
    return "another run of EdgeCNN"
