"""``python -m edgecnn.runtime.admission.sandbox``.

Opens and runs an untrusted model in a child process, which may crash without harm.

Reads ``PARENT HEIGHT WIDTH SECONDS`` as arguments (SECONDS: CPU time for the model; 0: set by its work and this
machine's speed) and the model on standard input. Writes lines of JSON: ``{"limit_s": …}`` when it is ready,
when the work of the model is known, and when the model has run once; then the result, unless the model crashes
it. Imports few modules, because the first opening of each model waits for this process.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import onnxruntime

from edgecnn.errors import ModelError
from edgecnn.runtime.admission.rules import RefusedError, check_structure, plain
from edgecnn.runtime.admission.time_limit import (
    LONGEST_S,
    START_S,
    MachineSpeed,
    allowed_s,
    allowed_then_s,
    elapsed_s,
    measure_speed,
)
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.ort_errors import ort_reason, shares_constants
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu
from edgecnn.runtime.system.child_limits import limit_memory, out_of_memory, perish_first, resource_module
from edgecnn.runtime.system.child_pipes import own_standard_output

__all__ = ["main"]

_PARENT_DEATH = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_SPARE_BYTES, _MAX_SPARE_BYTES = 512 << 20, 4 << 30  # lite0 takes 120 MB
_SPARE_OF_FILE, _SPARE_OF_INPUT = 8, 512  # times its bytes, times the elements of an image
_TYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}
_LONGEST_REASON = 300
_CLIP_RANK, _LENGTHS = 5, "lengths"  # of a file that takes whole clips: [N, T, H, W, 3], and how many frames each has


def main() -> None:
    """Reads the model, checks and runs it, and writes the result."""
    answer = own_standard_output()
    parent, height, width = (int(word) for word in sys.argv[1:4])
    _die_with(parent)
    timer = _Timer(float(sys.argv[4]), answer)
    content = sys.stdin.buffer.read()
    resource = _limit(len(content))
    timer.start(resource)
    why = _reason_to_refuse(content, (height, width), timer)
    answer.write(json.dumps({"why": why, "onnxruntime": onnxruntime.__version__}) + "\n")
    answer.close()
    os._exit(0)  # ends without cleaning up what the model left in the process


def _die_with(parent: int) -> None:
    """Ends the probe together with its parent: immediately on Linux, after the time limit on other Unix systems."""
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.alarm(math.ceil(START_S))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _limit(size_bytes: int) -> Any:
    """Limits memory. Returns the module `resource`, or None if the system has no such limits."""
    perish_first()
    _spare(_SPARE_BYTES + _SPARE_OF_FILE * size_bytes)
    return resource_module()


def _spare(count: int) -> None:
    limit_memory(min(count, _MAX_SPARE_BYTES))


class _Timer:
    """Limits the CPU time of the model, and tells the parent the limit, which waits accordingly.

    Args:
        seconds: CPU time that the caller allows; 0: set by the model's work and the speed of this machine.
        answer: where the limit is written.
    """

    def __init__(self, seconds: float, answer: TextIO) -> None:
        self._seconds = seconds
        self._speed = MachineSpeed(1.0, 0.0) if seconds else measure_speed()
        self._answer = answer
        self._resource: Any = None
        self._begun_s = 0.0
        self._whole_s = 0.0  # for both runs
        self._ratio = 2.0  # images of the second run to those of the first

    def start(self, resource: Any) -> None:
        """Starts to count the time of the model. ``resource`` is None if the system has no limits."""
        self._resource, self._begun_s = resource, time.process_time()
        self._allow(self._seconds or allowed_s(self._speed, 0, 0, 0))

    def extend(self, model: Any, size_bytes: int, size: tuple[int, int]) -> None:
        """Extends the limit by the work of a parsed model that follows the rules: that of its first run."""
        if self._seconds:
            return
        from edgecnn.runtime.analysis.inspect import count_macs  # noqa: PLC0415  # the time of its import counts

        sides = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.input]
        elements = max((math.prod(d or 1 for d in dims[1:]) for dims in sides), default=0)
        first, second = max((_images_of_probe(dims) for dims in sides), key=sum, default=(1, 2))
        pixels = max(elements // 3, math.prod(size))
        work = (count_macs(model), size_bytes, pixels, first + second)
        self._ratio, self._whole_s = second / first, allowed_s(self._speed, *work)
        self._allow(allowed_s(self._speed, *work, part=first / (first + second)))

    def first_run_took(self, seconds: float) -> None:
        """Extends the limit for the second run. What a file declares may be false, what its first run took is not."""
        if not self._seconds:
            spent_s = time.process_time() - self._begun_s
            self._allow(allowed_then_s(self._speed, self._whole_s, spent_s, seconds, self._ratio))

    def _allow(self, seconds: float) -> None:
        if self._resource is not None:
            most = math.ceil(self._begun_s + max(seconds, self._seconds or LONGEST_S)) + 1
            _lower(self._resource, self._resource.RLIMIT_CPU, math.ceil(self._begun_s + seconds), most)
            signal.alarm(
                math.ceil(elapsed_s(seconds)) + 1
            )  # in case the parent is gone; normally the parent ends it sooner
        self._answer.write(json.dumps({"limit_s": seconds}) + "\n")
        self._answer.flush()


def _lower(resource: Any, which: int, limit: int, most: int) -> None:
    """Sets a soft and a hard limit, never above the inherited hard limit. Only the soft one tells its reason."""
    hard = resource.getrlimit(which)[1]
    hard = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (min(limit, hard), hard))


def _reason_to_refuse(content: bytes, size: tuple[int, int], timer: _Timer) -> str | None:
    """Returns why the model is refused, or None."""
    try:
        model = parse_model(content, Path())
        check_structure(model, len(content))
        largest = max(
            (math.prod(d.dim_value or 1 for d in v.type.tensor_type.shape.dim) for v in model.graph.input), default=0
        )
        timer.extend(model, len(content), size)
        del model
        _spare(_SPARE_BYTES + _SPARE_OF_FILE * len(content) + _SPARE_OF_INPUT * largest)
        _try_out(content, size, timer)
    except ModelError:
        return "it is not an ONNX file, or it is corrupt (then copy it again)"
    except RefusedError as error:
        return plain(error, _LONGEST_REASON)
    except MemoryError:
        return "it allocates more memory than allowed for a model of its size"
    return None


def _try_out(content: bytes, size: tuple[int, int], timer: _Timer) -> None:
    """Opens the model as the runtime does, on one thread, and runs a black image and a noise image.

    Runs two images in a batch if the batch size is not fixed.
    """
    options = new_options(severity=SILENT, threads=1)
    options.inter_op_num_threads = 1
    try:
        session = open_on_cpu(content, options)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise _refused("onnxruntime cannot load it", error) from error
    inputs = session.get_inputs()
    try:
        begun_s = time.process_time()
        session.run(None, {value.name: _black(value, _shape(value.shape, 1, size)) for value in inputs})
        timer.first_run_took(time.process_time() - begun_s)
        session.run(None, {value.name: _noise(value, _shape(value.shape, 2, size)) for value in inputs})
    except Exception as error:
        refused = _refused("onnxruntime cannot run it on an image of its input size", error)
        if all(_is_free(value.shape) for value in inputs) and "memory" not in str(refused):
            return  # the size was a guess
        raise refused from error


def _refused(what: str, error: Exception) -> RefusedError:
    if shares_constants(error):
        return RefusedError(ort_reason(error))
    if out_of_memory(error):
        return RefusedError(f"{what}: it allocates more memory than allowed for a model of its size")
    text = " ".join(str(error).removeprefix("[ONNXRuntimeError] : ").split())
    return RefusedError(f"{what} ({plain(text, _LONGEST_REASON // 2)})")


def _is_free(shape: list[int | str | None]) -> bool:
    return any(not isinstance(side, int) for side in shape[1:])


def _shape(shape: list[int | str | None], batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    """``[N, H, W, 3]`` or ``[N, 3, H, W]`` with open dimensions filled in, height before width.

    ``[N, T, H, W, 3]``, the frames of clips, gets as many frames as clips.
    """
    frames = (batch,) if len(shape) == _CLIP_RANK else ()
    sides = iter((*frames, *size, *(1 for _ in shape)))
    return tuple(side if isinstance(side, int) else batch if i == 0 else next(sides) for i, side in enumerate(shape))


def _images_of_probe(dims: list[int]) -> tuple[int, int]:
    """How many images each of the two runs takes, of an input with these sides (0: open)."""
    counted = dims[: 2 if len(dims) == _CLIP_RANK else 1]  # N clips of T frames, or N images
    return math.prod(d or 1 for d in counted), math.prod(d or 2 for d in counted or [0])


def _black(value: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Zeros; of the lengths of clips, which no clip has, ones."""
    return (np.ones if value.name == _LENGTHS else np.zeros)(shape, _TYPES.get(value.type, np.int64))


def _noise(value: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Returns noise. Does not use numpy.random: its import takes longer than running a small model.

    The lengths of clips are not noise, because only those up to the number of frames, which is two, are valid.
    """
    count = int(np.prod(shape, dtype=np.int64))
    if value.name == _LENGTHS:
        return (1 + np.arange(count) % 2).astype(_TYPES.get(value.type, np.int64)).reshape(shape)
    values = (np.arange(count, dtype=np.uint32) * np.uint32(2_654_435_761)) >> np.uint32(24)
    return values.astype(_TYPES.get(value.type, np.int64)).reshape(shape)


if __name__ == "__main__":
    main()
