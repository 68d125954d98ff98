"""Creates all session options of onnxruntime, so that all sessions compute int8 exactly.

On x86 processors without VNNI (most desktops, every older server) onnxruntime's CPU provider adds pairs of products of
uint8 and int8 in 16 bits, and saturates without an error: weights of more than seven bits may give wrong results there.
The entry ``session.x64quantprecision`` (onnxruntime's ``onnxruntime_session_options_config_keys.h``) has it multiply
such weights as uint8, which is exact and slower. It is set only where it is needed: on a Xeon with VNNI, where nothing
saturates, onnxruntime 1.32 would use the slower kernels too, which take 1.5 times the time of an 8-bit file. Nor is it
set for a file whose pairs of weights cannot saturate (:mod:`edgecnn.runtime.onnx_file.pair_sums`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from edgecnn.runtime.session.fork_safety import keep_in_children
from edgecnn.runtime.system.cpu_features import cpu_flags, has_vnni, is_x86

__all__ = ["ERRORS_ONLY", "EXACT_INT8", "SILENT", "int8_saturates", "new_options", "open_on_cpu"]

EXACT_INT8 = ("session.x64quantprecision", "1")
ERRORS_ONLY, SILENT = 3, 4  # onnxruntime's log severities: its warnings are about its own choices, not the user's

_CHANNELS, _OUTPUT_SCALE = 16, 4096.0


def new_options(
    *, severity: int = ERRORS_ONLY, threads: int | None = None, content: bytes | None = None
) -> onnxruntime.SessionOptions:
    """Returns options of a session that computes int8 exactly on every processor.

    Args:
        severity: the lowest severity of onnxruntime's own messages that is printed on standard error.
        threads: CPU threads per inference; None: onnxruntime's default.
        content: bytes of the model, where it may be one that needs no slower kernels; None: any model.
    """
    options = _plain_options(severity)
    if int8_saturates() and not (content is not None and _needs_no_entry(content)):
        options.add_session_config_entry(*EXACT_INT8)
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_on_cpu(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Opens a session on the CPU provider only.

    Raises:
        Exception: onnxruntime's error classes, which derive directly from Exception.
    """
    return keep_in_children(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))


@cache
def int8_saturates() -> bool:
    """Whether int8 saturates on this processor with onnxruntime's default options.

    Determined from the processor flags or, if the system does not report them, by a test.
    """
    if not is_x86():
        return False
    return not has_vnni() if cpu_flags() else saturates_when_tried()


def _needs_no_entry(content: bytes) -> bool:
    # Not at the top: most processors never ask, and start without protobuf
    from edgecnn.runtime.onnx_file.pair_sums import is_exact  # noqa: PLC0415

    return is_exact(content, Path("model"))


def saturates_when_tried() -> bool:
    """Whether a convolution with the largest products saturates on the CPU provider."""
    # Not at the top: Linux tells what the processor can do, and starts without it
    from edgecnn.runtime.onnx_file.int8_convolutions import int8_convolutions  # noqa: PLC0415

    weights = np.full((1, _CHANNELS, _CHANNELS), 127, np.int8)
    pixels = np.full((1, _CHANNELS, 1, 1), 255, np.uint8)
    session = open_on_cpu(int8_convolutions(weights, 1, _OUTPUT_SCALE), _plain_options(SILENT))
    found = np.asarray(session.run(None, {"x0": pixels})[0])
    return bool(found.min() < int(255 * 127 * _CHANNELS / _OUTPUT_SCALE))


def _plain_options(severity: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = severity
    return options
