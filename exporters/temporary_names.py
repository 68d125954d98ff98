"""Keeps the names of temporary files out of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecnn.errors import EdgeCNNError

__all__ = ["naming"]


@contextmanager
def naming(temporary: Path, path: Path) -> Iterator[None]:
    """Errors that name a temporary file name the file that it was to become."""
    try:
        yield
    except EdgeCNNError as error:
        if str(temporary) not in str(error):
            raise
        raise type(error)(str(error).replace(str(temporary), str(path))) from error
