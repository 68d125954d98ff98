"""The steps of all clips of a run in one unnamed temporary file.

The system deletes the file when the process ends, even after a crash.
"""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from edgecnn.training.data.disk_space import output_errors

__all__ = ["StepStore"]


class StepStore:
    """Rows of one shape: the pixels of a step, uint8 ``[H, W, 3]``, or its embedding, float32 ``[D]``.

    Rows are appended first and read afterwards, through a memory map, so that they need not all lie in memory.

    Args:
        folder: where the file is made.
        shape: of a row.
        dtype: of a row.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._folder, self._shape, self._dtype = folder, shape, np.dtype(dtype)
        self._rows: NDArray[Any] | None = None
        self.count = 0
        """Rows so far."""
        with self._output_errors():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed with this object

    def append(self, rows: NDArray[Any]) -> int:
        """Adds rows ``[K, *shape]`` and returns the index of the first one. Raises :class:`OutputError`."""
        if rows.shape[1:] != self._shape or rows.dtype != self._dtype:
            raise AssertionError(f"internal error: rows {rows.dtype} {rows.shape} for {self._dtype} {self._shape}")
        with self._output_errors():
            self._file.write(np.ascontiguousarray(rows).data)
        first, self.count, self._rows = self.count, self.count + len(rows), None
        return first

    def read(self, first: int, count: int) -> NDArray[Any]:
        """``count`` rows from index ``first`` on, ``[count, *shape]``: a view of the file."""
        if self._rows is None:
            with self._output_errors():
                self._file.flush()
                self._rows = np.memmap(self._file, self._dtype, "r", shape=(self.count, *self._shape))
        return self._rows[first : first + count]

    def _output_errors(self) -> AbstractContextManager[None]:
        return output_errors(self._folder, self._unwritten)

    def _unwritten(self) -> str:
        size_mb = self.count * np.prod(self._shape) * self._dtype.itemsize / 1e6
        return f"the steps of the clips cannot be written ({size_mb:,.0f} MB so far)"
