"""Atomic file writes: a reader sees the complete old file or the complete new file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecnn.errors import EdgeCNNError, OutputError

__all__ = ["atomic_path", "check_apart", "check_writable", "flush", "make_folder", "write_bytes", "write_text"]


@contextmanager
def atomic_path(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside ``target``. On success, flushes that file to disk and renames it to ``target``.

    Args:
        target: the file to write.
        private: whether only the owner may read it, at every moment.

    Raises:
        OutputError: the disk is full, or ``target`` cannot be written. ``target`` stays unchanged.
    """
    target = Path(os.path.realpath(target))  # a symbolic link stays, and its target is written
    if _is_no_file(target):
        raise OutputError(
            f"{target}: cannot be written: it is a folder or a device, not a file; choose another output path"
        )
    make_folder(target.parent)
    import tempfile  # noqa: PLC0415  # the runner imports this module and hardly ever writes

    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        if not private:
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; a model is shared like any other
        temporary.replace(target)
        flush(target.parent)
    except EdgeCNNError:
        raise
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def check_writable(target: Path) -> None:
    """Checks that ``target`` can be written, before a long computation starts. Leaves nothing behind.

    Raises:
        OutputError: :func:`atomic_path` would fail for this target.
    """
    missing = _missing_folders(target)
    try:
        with suppress(_NothingWrittenError), atomic_path(target):
            raise _NothingWrittenError
    finally:
        with suppress(OSError):  # somebody else has put something there
            for folder in missing:
                folder.rmdir()


def _missing_folders(target: Path) -> list[Path]:
    """The folders above ``target`` that would have to be made, the deepest first."""
    try:
        return [folder for folder in Path(os.path.realpath(target)).parents if not folder.exists()]
    except OSError as error:
        raise _cannot_write(target, error) from error


def check_apart(target: Path, *sources: str | Path) -> None:
    """Raises :class:`OutputError` where a file that is about to be written is one of those that it is made from, by
    whatever name."""
    if any(_is_same(target, source) for source in sources):
        raise OutputError(f"{target}: the output would overwrite its own input; choose another output path")


def _is_same(target: Path, source: str | Path) -> bool:
    try:
        return target.samefile(source)
    except OSError:  # one of them does not exist; the code that reads it reports that
        return False


class _NothingWrittenError(EdgeCNNError):
    """Ends an :func:`atomic_path` block without writing a file."""


def write_bytes(target: Path, content: bytes) -> None:
    """Writes a whole file atomically. Raises :class:`OutputError`."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Writes a whole UTF-8 text file atomically. Raises :class:`OutputError`.

    A name of a file that is no UTF-8 is written as the bytes that it has on the disk.
    """
    write_bytes(target, content.encode(errors="surrogateescape"))


def _is_no_file(target: Path) -> bool:
    """Whether something else stands there. Raises :class:`OutputError` where the folder above may not be searched."""
    try:
        return target.exists() and not target.is_file()
    except OSError as error:
        raise _cannot_write(target, error) from error


def make_folder(folder: Path, *, private: bool = False) -> None:
    """Creates a folder and its parents. Raises :class:`OutputError`.

    ``private``: only the owner may look into it, from the first moment on. One that exists keeps its mode.
    """
    try:
        folder.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(target: Path, error: OSError) -> OutputError:
    why = error.strerror or str(error)
    return OutputError(
        f"{target}: cannot be written: {why}; free disk space, allow writing there, or choose another output path"
    )


def flush(path: Path) -> None:
    """Flushes a file or a folder to disk. A rename is on disk only after its folder is flushed (fsync(2)).

    On Windows a folder cannot be opened, so folders are skipped there.
    """
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
