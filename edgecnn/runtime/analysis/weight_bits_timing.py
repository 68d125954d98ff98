"""Measures whether int8 weights of seven or of eight bits are faster on this processor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

from edgecnn.runtime.onnx_file.int8_convolutions import int8_convolutions
from edgecnn.runtime.onnx_file.weight_bits import WeightBits, with_weight_bits
from edgecnn.runtime.session.ort_options import new_options, open_on_cpu

__all__ = ["WeightBitsTiming", "time_convolutions", "time_weight_bits"]

_ROUNDS = 15
_MARGIN = 1.1  # less is chance in so short a race
_CHANNELS, _SIDE, _LAYERS, _OUTPUT_SCALE = 64, 28, 4, 1000.0


@dataclass(frozen=True)
class WeightBitsTiming:
    """Median latency of one inference on one thread, in milliseconds."""

    seven_ms: float
    eight_ms: float

    @property
    def faster(self) -> WeightBits | None:
        """The faster number of bits; None if the difference is within the noise."""
        if self.eight_ms > _MARGIN * self.seven_ms:
            return 7
        return 8 if self.seven_ms > _MARGIN * self.eight_ms else None

    def __str__(self) -> str:
        times = f"7-bit weights {self.seven_ms:.2f} ms, 8-bit weights {self.eight_ms:.2f} ms"
        if self.faster is None:
            return f"{times}: equally fast here"
        slower, faster = sorted((self.seven_ms, self.eight_ms), reverse=True)
        names = ("seven", "eight") if self.faster == 7 else ("eight", "seven")
        return f"{times}: {names[0]} bits are faster here, {names[1]} bits take {slower / faster:.2f}x the time"


def time_weight_bits(content: bytes, path: Path) -> WeightBitsTiming:
    """Measures an int8 file with 7-bit and with 8-bit weights in alternation, on one thread.

    Args:
        content: bytes of a model file with a dynamic or missing batch dimension.
        path: name of the file in error messages.

    Raises:
        ModelError: the bytes are not an ONNX model.
    """
    both: tuple[WeightBits, WeightBits] = (7, 8)
    forms = [with_weight_bits(content, bits, path) for bits in both]
    sessions = [open_on_cpu(form, new_options(threads=1, content=form)) for form in forms]
    feed = _noise(*sessions[0].get_inputs())
    times_ms: tuple[list[float], list[float]] = ([], [])
    for i in range(-1, _ROUNDS):  # the first round warms up
        for session, found in zip(sessions, times_ms, strict=True):
            begun = time.perf_counter()
            session.run(None, feed)
            if i >= 0:
                found.append((time.perf_counter() - begun) * 1e3)
    return WeightBitsTiming(median(times_ms[0]), median(times_ms[1]))


def time_convolutions() -> WeightBitsTiming:
    """Measures a small int8 network that is generated here, if there is no model file."""
    weights = np.random.default_rng(0).integers(-60, 60, (_LAYERS, _CHANNELS, _CHANNELS)).astype(np.int8)
    return time_weight_bits(int8_convolutions(weights, _SIDE, _OUTPUT_SCALE), Path("convolutions"))


def _noise(value: onnxruntime.NodeArg, *states: onnxruntime.NodeArg) -> dict[str, np.ndarray]:
    """One image of noise and, of a recurrent model, the state before the first frame."""
    pixels = np.random.default_rng(0).integers(0, 256, _shape(value))
    return {
        value.name: pixels.astype(np.uint8 if value.type == "tensor(uint8)" else np.float32),
        **{state.name: np.zeros(_shape(state), np.float32) for state in states},
    }


def _shape(value: onnxruntime.NodeArg) -> list[int]:
    return [side if isinstance(side, int) else 1 for side in value.shape]
