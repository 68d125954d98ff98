"""Reads the small files that hold what must not stand in the settings: tokens, passwords, addresses with passwords."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import InputNotFoundError

__all__ = ["read_secret_file"]


def read_secret_file(path: Path, what: str, remedy: str = "write it there") -> str:
    """The text of a file.

    Args:
        path: the file.
        what: it holds, for the error.
        remedy: for the error.

    Raises:
        InputNotFoundError: it cannot be read, or is not UTF-8 text. The message shows nothing of it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        why = "is not UTF-8 text"
    except OSError as error:
        why = error.strerror or str(error)
    raise InputNotFoundError(f"{path}: {what} cannot be read: {why}; {remedy}")
