"""``python -m edgecnn.runtime.admission.sandbox``.

Opens and runs a stranger's model where nothing is lost if that ends the process.

Reads ``PARENT HEIGHT WIDTH`` as arguments and the model on standard input, and writes one JSON line, or dies of what
the model does. Imports as little as it can, since every first sight of a model pays for it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import math
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from edgecnn.errors import ModelError
from edgecnn.runtime.admission.rules import RefusedError, check_structure, plain
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.ort_errors import ort_reason, shares_constants
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu

__all__ = ["CPU_SECONDS", "main"]

CPU_SECONDS = 7  # lite0 needs 0.2 on a server's core
_WALL_SECONDS = 10  # should the parent be gone without a sound; it is sooner itself
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_SPARE_BYTES, _MAX_SPARE_BYTES = 512 << 20, 4 << 30  # lite0 takes 120 MB
_USUALLY_TAKEN_BYTES = 1 << 30  # 150 MB were measured; a build of onnxruntime for a GPU maps more
_SPARE_OF_FILE, _SPARE_OF_INPUT = 8, 512  # times its bytes, times the elements of an image
_TYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "allocate memory", "Failed to allocate", "out of memory")
_LONGEST_REASON = 300


def main() -> None:
    """Reads, evaluates, answers."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _silence()
    parent, height, width = (int(word) for word in sys.argv[1:4])
    _die_with(parent)
    content = sys.stdin.buffer.read()
    resource = _limit(len(content))
    json.dump(
        {"why": _reason_to_refuse(content, (height, width), resource), "onnxruntime": onnxruntime.__version__}, answer
    )
    answer.close()
    os._exit(0)  # what the model left behind is not to be taken down in order


def _silence() -> None:
    """What onnxruntime prints by itself is not to be taken for an answer, nor to reach the user's terminal."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _die_with(parent: int) -> None:
    """No probe outlives the program that asked for it: at once on Linux, after the time limit on other Unixes."""
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.alarm(_WALL_SECONDS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _limit(size_bytes: int) -> Any:
    """Processor time, memory, and no core dump.

    Where memory runs out all the same, the kernel is to end this process and no other.

    Returns the module that sets limits, or None where there is none.
    """
    if sys.platform == "win32":
        return None
    resource = importlib.import_module("resource")  # Unix alone has it, and mypy asks on every system
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource, resource.RLIMIT_CPU, CPU_SECONDS)
    if sys.platform == "linux":
        with suppress(OSError):  # some containers forbid it; the other limits hold
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    _spare(resource, _SPARE_BYTES + _SPARE_OF_FILE * size_bytes)
    return resource


def _spare(resource: Any, count: int) -> None:
    """Limits address space to what is taken already and so many bytes more.

    Other systems than Linux do not keep to such a limit.
    """
    if sys.platform == "linux":
        try:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        except OSError:  # no /proc
            used = _USUALLY_TAKEN_BYTES
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = used + min(count, _MAX_SPARE_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _lower(resource: Any, which: int, limit: int) -> None:
    """Never above what the process was given; a second more for the hard limit, which kills without a reason."""
    hard = resource.getrlimit(which)[1]
    most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (most, hard if hard != resource.RLIM_INFINITY and hard <= most else most + 1))


def _reason_to_refuse(content: bytes, size: tuple[int, int], resource: Any) -> str | None:
    """Why the model is refused; None: it is not."""
    try:
        model = parse_model(content, Path())
        check_structure(model, len(content))
        largest = max(
            (math.prod(d.dim_value or 1 for d in v.type.tensor_type.shape.dim) for v in model.graph.input), default=0
        )
        del model
        _spare(resource, _SPARE_BYTES + _SPARE_OF_FILE * len(content) + _SPARE_OF_INPUT * largest)
        _try_out(content, size)
    except ModelError:
        return "it is no ONNX file, or a broken one (then copy it again)"
    except RefusedError as error:
        return plain(error, _LONGEST_REASON)
    except MemoryError:
        return "it asks for more memory than a model of its size may need"
    return None


def _try_out(content: bytes, size: tuple[int, int]) -> None:
    """Opens it as the runner will, on one thread, and runs a black image and noise.

    Where the batch is free, two images of it.
    """
    options = new_options(severity=SILENT, threads=1)
    options.inter_op_num_threads = 1
    try:
        session = open_on_cpu(content, options)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise _refused("onnxruntime cannot load it", error) from error
    inputs = session.get_inputs()
    try:
        session.run(
            None,
            {value.name: np.zeros(_shape(value.shape, 1, size), _TYPES.get(value.type, np.int64)) for value in inputs},
        )
        session.run(
            None,
            {value.name: _noise(_shape(value.shape, 2, size), _TYPES.get(value.type, np.int64)) for value in inputs},
        )
    except Exception as error:
        refused = _refused("it cannot be run on an image of its own size", error)
        if all(_is_free(value.shape) for value in inputs) and "memory" not in str(refused):
            return  # the size was a guess
        raise refused from error


def _refused(what: str, error: Exception) -> RefusedError:
    if shares_constants(error):
        return RefusedError(ort_reason(error))
    text = " ".join(str(error).removeprefix("[ONNXRuntimeError] : ").split())
    if isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY):
        return RefusedError(f"{what}: it asks for more memory than a model of its size may need")
    return RefusedError(f"{what} ({plain(text, _LONGEST_REASON // 2)})")


def _is_free(shape: list[int | str | None]) -> bool:
    return any(not isinstance(side, int) for side in shape[1:])


def _shape(shape: list[int | str | None], batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    """``[N, H, W, 3]`` or ``[N, 3, H, W]`` with what the file leaves open filled in: rows before columns."""
    sides = iter((*size, *(1 for _ in shape)))
    return tuple(side if isinstance(side, int) else batch if i == 0 else next(sides) for i, side in enumerate(shape))


def _noise(shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Without numpy.random, whose import alone takes longer than a small model."""
    count = int(np.prod(shape, dtype=np.int64))
    values = (np.arange(count, dtype=np.uint32) * np.uint32(2_654_435_761)) >> np.uint32(24)
    return values.astype(kind).reshape(shape)


if __name__ == "__main__":
    main()
