"""The latest frame of a camera, in shared memory between two processes.

The writer never waits; the reader never gets an incomplete frame.

Three slots, written in turn. A slot's number is 0 during a write, else its frame number. A reader copies a
slot and keeps the copy only if the number was the expected one before and after (a seqlock; Lameter, "Effective
Synchronization on Linux/NUMA Systems", 2005). The memory has no name in the file system, so it is
released when the processes end, even after a crash.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import time
import uuid

import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["LatestFrame"]

_SLOTS = 3
_HEADER_BYTES, _STATE_OFFSET = 64, 32
_POLL_S = 0.001


class LatestFrame:
    """Shared memory for frames of at most ``capacity`` bytes each. Unused pages take no physical memory.

    Args:
        capacity: largest size of a frame, in bytes.
        handle: the ``handle`` of memory that another process created; None: create new memory.
    """

    def __init__(self, capacity: int, handle: str | None = None) -> None:
        self.capacity = capacity
        size = _HEADER_BYTES + _SLOTS * capacity
        if sys.platform == "win32":
            self.handle = handle or f"edgecnn-{uuid.uuid4().hex}"
            self._memory = mmap.mmap(-1, size, tagname=self.handle)
        else:
            self._descriptor = int(handle) if handle else _nameless_file(size)
            self.handle = str(self._descriptor)
            self._memory = mmap.mmap(self._descriptor, size)
        self._numbers: NDArray[np.uint64] = np.frombuffer(self._memory, np.uint64, _SLOTS)
        # The number of the frame that was read last, and whether the writer rests until it is read
        self._state: NDArray[np.uint64] = np.frombuffer(self._memory, np.uint64, 2, offset=_STATE_OFFSET)
        self._bytes: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, offset=_HEADER_BYTES)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that a child process must inherit."""
        return () if sys.platform == "win32" else (self._descriptor,)

    def write(self, image: Image, number: int, file: bytes = b"") -> None:
        """Writes a frame, uint8 ``[H, W, 3]``, with its number (1, 2, …) into the next slot, and its file behind it.

        The caller must ensure that both fit into ``capacity``.
        """
        slot, size = number % _SLOTS, image.size
        self._numbers[slot] = 0
        memory = self._slot(slot, size + len(file))
        np.copyto(memory[:size].reshape(image.shape), image)  # [H * W * 3] -> [H, W, 3]
        if file:
            memory[size:] = np.frombuffer(file, np.uint8)
        self._numbers[slot] = number

    def read(self, number: int, height: int, width: int, file_bytes: int = 0) -> tuple[Image, bytes] | None:
        """Returns copies of frame ``number``, uint8 ``[height, width, 3]``, and of its file; None if a newer frame
        replaced it."""
        slot, size = number % _SLOTS, height * width * 3
        if self._numbers[slot] != number:
            return None
        memory = self._slot(slot, size + file_bytes)
        image, file = memory[:size].reshape(height, width, 3).copy(), memory[size:].tobytes()
        if self._numbers[slot] != number:
            return None
        self._state[0] = number
        return image, file

    @property
    def writer_rests(self) -> bool:
        """Whether no newer frame comes before the newest one is read."""
        return not self._memory.closed and bool(self._state[1])

    def rest_until_read(self, number: int, limit_s: float) -> None:
        """Waits until frame ``number`` was read, for at most ``limit_s`` seconds. Called by the writer: to decode a
        frame that a newer one replaces at once would take processor time from those that are classified."""
        end_s = time.monotonic() + limit_s
        self._state[1] = limit_s > 0
        while self._state[0] < number and time.monotonic() < end_s:
            time.sleep(_POLL_S)
        self._state[1] = 0

    def close(self) -> None:
        """Releases the memory. The object cannot be used afterwards. Repeated calls do nothing."""
        if self._memory.closed:
            return
        del self._numbers, self._state, self._bytes
        self._memory.close()
        if sys.platform != "win32":
            os.close(self._descriptor)

    def _slot(self, slot: int, size: int) -> NDArray[np.uint8]:
        start = slot * self.capacity
        return self._bytes[start : start + size]


def _nameless_file(size: int) -> int:
    """Returns a file descriptor of anonymous memory."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("edgecnn-frames")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
