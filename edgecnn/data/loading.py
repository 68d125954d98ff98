"""Loads image files in batches at the model's input size, in threads. OpenCV releases the GIL while decoding."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS, Image, preprocess

__all__ = ["Batch", "Skipped", "default_workers", "fitted_batches"]


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Images at the model's input size, and their positions in the list of paths."""

    indices: tuple[int, ...]
    images: Image  # uint8 [N, H, W, 3] RGB; N may be 0 where none could be read
    skipped: tuple[Skipped, ...]


def default_workers() -> int:
    """One thread per core, at most eight: beyond that the disk is the limit."""
    return min(8, os.cpu_count() or 1)


def fitted_batches(
    paths: Sequence[Path], manifest: Manifest, batch: int, workers: int | None = None, max_pixels: int = MAX_PIXELS
) -> Iterator[Batch]:
    """Yields batches of images in order, preprocessed by :func:`edgecnn.preprocess.preprocess`.

    Each batch lists its images that could not be read, those with more than ``max_pixels`` among them.
    """
    size, spec = manifest.input, manifest.preprocess

    def load(path: Path) -> Image | Skipped:
        try:
            return preprocess(path, size, spec, max_pixels)
        except (ImageError, InputNotFoundError) as error:
            return Skipped(str(path), str(error).removeprefix(f"{path}: "))

    with ThreadPoolExecutor(workers or default_workers()) as pool:
        ahead: deque[tuple[range, list[Future[Image | Skipped]]]] = deque()
        starts = iter(range(0, len(paths), batch))

        def submit() -> None:
            if (start := next(starts, None)) is not None:
                indices = range(start, min(start + batch, len(paths)))
                ahead.append((indices, [pool.submit(load, paths[i]) for i in indices]))

        submit()
        while ahead:
            submit()  # the next batch is read while the caller works on this one
            indices, futures = ahead.popleft()
            found = [future.result() for future in futures]
            kept = [i for i, item in zip(indices, found, strict=True) if not isinstance(item, Skipped)]
            images = [item for item in found if not isinstance(item, Skipped)]
            yield Batch(
                tuple(kept),
                np.stack(images) if images else np.empty((0, size.height, size.width, 3), np.uint8),
                tuple(item for item in found if isinstance(item, Skipped)),
            )
