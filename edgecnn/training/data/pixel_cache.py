"""Images decoded once, in a memory-mapped file.

Read from the disk's cache where memory is short, and never held twice.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgecnn.data.loading import default_workers
from edgecnn.errors import OutputError
from edgecnn.preprocess import Image
from edgecnn.progress import Progress

__all__ = ["cache_images"]


def cache_images(
    paths: Sequence[Path],
    height: int,
    width: int,
    read: Callable[[Path], Image],
    folder: Path,
    progress: Progress,
    workers: int | None = None,
) -> Image:
    """Reads images into one array on disk: uint8 ``[N, height, width, 3]``.

    The file has no name once it is open, so it goes with the process, however that ends.

    Raises:
        OutputError: the disk is full, or ``folder`` cannot be written.
        ImageError: an image cannot be read any more.
    """
    shape = (len(paths), height, width, 3)
    size = int(np.prod(shape))
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size)
            images = np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(
            f"{folder}: {size / 1e6:,.0f} MB for decoded images cannot be written: {why}; free space or name another "
            "--out"
        ) from error

    def load(i: int) -> None:
        images[i] = read(paths[i])

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        for i, _ in enumerate(pool.map(load, range(len(paths)))):
            progress(i + 1, len(paths))
    return images


def _reserve(descriptor: int, size: int) -> None:
    """Claims the space at once.

    Writing to a mapped file on a full disk would kill the process (SIGBUS) instead of raising.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
