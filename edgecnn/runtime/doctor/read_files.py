"""Reads every file of a dataset for its checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgecnn.data.loading import default_workers
from edgecnn.progress import Progress

__all__ = ["read_files"]

F = TypeVar("F")  # a file
R = TypeVar("R")  # what is read of it: statistics, or why it cannot be read


def read_files(files: Sequence[F], read: Callable[[F], R], progress: Progress) -> list[R]:
    """Reads the files in threads.

    Args:
        files: images or clips.
        read: returns what is kept of a file. Its pixels should not be kept, since those of all files may not fit into
            memory.
        progress: receives the number of files read and of all.

    Returns:
        What ``read`` returned for each file, in their order.
    """
    found: list[R] = []
    with ThreadPoolExecutor(default_workers()) as pool:
        for read_one in pool.map(read, files):
            found.append(read_one)
            progress(len(found), len(files))
    return found
