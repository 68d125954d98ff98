"""Keeps the names of temporary files out of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecnn.errors import EdgeCNNError

__all__ = ["naming"]


@contextmanager
def naming(temporary: Path, path: Path) -> Iterator[None]:
    """Replaces the name of a temporary file in errors by the name of the final file."""
    try:
        yield
    except EdgeCNNError as error:
        if str(temporary) not in str(error):
            raise
        raise type(error)(str(error).replace(str(temporary), str(path))) from error
