"""The images of a folder in the sizes that a run needs, decoded once, in memory-mapped files.

Read from the disk's cache where memory is short, and never held twice.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import Decoded, Image, fit_decoded
from edgecnn.training.data.disk_space import output_errors

__all__ = ["CachedImages", "PixelCache", "PixelPlan"]


@dataclass(frozen=True)
class PixelPlan:
    """Which sizes of each image a run needs, and where they are kept."""

    folder: Path
    exact: InputSpec  # as the device sees images
    augmented: InputSpec  # as augmentation takes crops from them; the same where it takes none
    preprocess: PreprocessSpec


@dataclass(frozen=True)
class CachedImages:
    """Some of a folder's images in one size, read from disk when they are indexed."""

    pixels: Image  # uint8 [M, H, W, 3], of every image of the folder
    rows: NDArray[np.int64]  # [N], which of them

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | np.integer | slice | NDArray[np.int64]) -> Image:
        """uint8 ``[H, W, 3]`` of one index, ``[K, H, W, 3]`` of several."""
        return self.pixels[self.rows[index]]


class PixelCache:
    """The files of a plan. They are written in the context of :meth:`writing`, and read after it."""

    def __init__(self, plan: PixelPlan, count: int) -> None:
        """Claims the space for ``count`` images. Raises :class:`OutputError`."""
        self._plan = plan
        self._exact = _PixelFile(plan.folder, count, plan.exact)
        same = plan.augmented == plan.exact
        self._augmented = self._exact if same else _PixelFile(plan.folder, count, plan.augmented)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within, images can be written; afterwards they can be read."""
        try:
            yield
        finally:
            self._exact.close()
            self._augmented.close()

    @property
    def model(self) -> ModelInput:
        """What images are decoded for. Both sizes come from one decoding, which leaves enough for the larger one."""
        return ModelInput(self._plan.exact, self._plan.preprocess)

    def write(self, row: int, decoded: Decoded) -> None:
        """Keeps one decoded image, RGB, in each size. Raises :class:`OutputError`.

        Threads may write different rows at once.
        """
        self._exact.write(row, fit_decoded(decoded, self.model))
        if self._augmented is not self._exact:
            self._augmented.write(row, fit_decoded(decoded, ModelInput(self._plan.augmented, self._plan.preprocess)))

    def exact(self, rows: Sequence[int]) -> CachedImages:
        """Images as the device sees them."""
        return CachedImages(self._exact.pixels, np.array(rows, np.int64))

    def augmented(self, rows: Sequence[int]) -> CachedImages:
        """Images as augmentation takes them."""
        return CachedImages(self._augmented.pixels, np.array(rows, np.int64))


class _PixelFile:
    """Images of one size in a file; it has no name, so it goes with the process, however that ends."""

    def __init__(self, folder: Path, count: int, size: InputSpec) -> None:
        self._folder, self._row_bytes, self._lock = folder, size.height * size.width * 3, Lock()
        self._bytes = count * self._row_bytes
        with self._output_errors():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # PixelCache closes it
            _reserve(self._file.fileno(), self._bytes)
            self.pixels: Image = np.memmap(self._file, np.uint8, "r", shape=(count, size.height, size.width, 3))

    def write(self, row: int, image: Image) -> None:
        """Not through the map: a page fault for every 4 KB costs more than copying them."""
        with self._lock, self._output_errors():
            self._file.seek(row * self._row_bytes)
            self._file.write(np.ascontiguousarray(image).data)

    def close(self) -> None:
        """Ends writing; what was written can be read on."""
        with self._output_errors():
            self._file.close()

    def _output_errors(self) -> AbstractContextManager[None]:
        what = f"{self._bytes / 1e6:,.0f} MB for decoded images cannot be written"
        return output_errors(self._folder, lambda: what)


def _reserve(descriptor: int, size: int) -> None:
    """Claims the space at once, so that a full disk is known before the images are read."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
