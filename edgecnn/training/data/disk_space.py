"""The error of a disk that cannot hold what a run keeps while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecnn.errors import OutputError

__all__ = ["output_errors"]


@contextmanager
def output_errors(folder: Path, what: Callable[[], str]) -> Iterator[None]:
    """Turns an :class:`OSError` into an :class:`OutputError`.

    Args:
        folder: where the run keeps its files.
        what: called for an error: what cannot be written, as the subject of a sentence.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(f"{folder}: {what()}: {why}; free space or name another --out") from error
