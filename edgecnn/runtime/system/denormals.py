"""Whether this process computes with denormal numbers, or flushes them to zero.

The first onnxruntime session of a process decides it, by the entry ``session.set_denormal_as_zero``, for NumPy and for
all later sessions in the same thread. EdgeCNN does not set the entry; a host program may have set it before.
"""

from __future__ import annotations

import logging

import numpy as np

__all__ = ["flushes_denormals", "warn_of_flushing"]

log = logging.getLogger("edgecnn")

_DENORMAL = np.full(1, 1e-40, np.float32)
_warned: set[str] = set()


def flushes_denormals() -> bool:
    """Whether a product of a denormal number is 0 in this thread."""
    return not bool((_DENORMAL * np.float32(1))[0])


def warn_of_flushing() -> None:
    """Logs once that answers may differ from those of other processes in their last digits."""
    if flushes_denormals() and not _warned:
        _warned.add("flushing")
        log.warning(
            "this process flushes denormal numbers to zero (an earlier onnxruntime session has "
            "session.set_denormal_as_zero): answers may differ in their last digits; golden samples are replayed for it"
        )
