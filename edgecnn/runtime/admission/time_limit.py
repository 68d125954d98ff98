"""How much processor time the trial run of a new model gets: by the speed of this machine and the model's work.

A fixed limit refuses good models on slow devices: EfficientNet-Lite0 takes 0.1 s on a core of a server, and minutes on
an emulated one. Processor time is limited, not elapsed time, so that other programs on the machine change nothing.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST_S", "START_S", "MachineSpeed", "allowed_s", "allowed_then_s", "elapsed_s", "measure_speed"]

# Elapsed time until the child is ready: Python's and onnxruntime's imports say nothing of the model. Where the system
# tells that the child still computes, it gets as much again, up to LONGEST_S
START_S = 120.0
LONGEST_S = 600.0  # a limit that is computed here is never longer

_BASE_S = 7.0  # for parsing, opening and small networks, on the machine of `_REFERENCE_LOOP_S`
_LOOP_STEPS, _REFERENCE_LOOP_S = 5_000, 0.33e-3  # interpreted steps; on one core of an Intel Xeon with AVX512
_SIDE = 64  # of the matrices whose product is timed
_REPEATS = 3
_MARGIN = 5  # a convolution takes up to three times as long as a matrix product with as many multiplications
_THEN_MARGIN = 4  # of the second run, by the time of the first one, whose shapes were true
_MOST_MACS = 300e9  # in all: three images of ViT-L/16 need 185e9
# Where the file lacks shapes: networks of this field need 70 to 170 MACs a weight at 224 x 224; a weight takes 1 to 4
# bytes
_MACS_PER_BYTE, _USUAL_PIXELS = 200, 224 * 224
# A file may declare false shapes, so what it declares counts only as far as its size backs it. DenseNet-121 needs 360
# MACs a weight at 224 x 224; SqueezeNet needs 670, and is below _FEW_MACS
_MOST_MACS_PER_BYTE, _FEW_MACS = 400, 3e9
_MOST_PIXELS, _MOST_IMAGES = 1024 * 1024, 128  # of the image and the batch that such a file may declare
# Elapsed seconds per second of processor time before the machine counts as too busy. Windows has no limit of processor
# time, there elapsed time alone counts
_PATIENCE = 1.5 if sys.platform == "win32" else 4.0


@dataclass(frozen=True)
class MachineSpeed:
    """What a measured calibration loop says of this machine."""

    slowdown: float  # how many times slower than the reference it interprets Python, at least 1
    mac_s: float  # seconds of one multiply-accumulate of a float32 matrix product


def measure_speed() -> MachineSpeed:
    """Times two loops, in less than 2 ms on a desktop. Processor time, so that a busy machine is not a slow one."""
    loop_s = min(_loop_s() for _ in range(_REPEATS))
    matrix = np.full((_SIDE, _SIDE), 0.5, np.float32)
    product_s = min(_product_s(matrix) for _ in range(_REPEATS))
    return MachineSpeed(max(1.0, loop_s / _REFERENCE_LOOP_S), product_s / _SIDE**3)


def allowed_s(
    speed: MachineSpeed, macs: int | None, size_bytes: int, pixels: int, images: int = 3, part: float = 1.0
) -> float:
    """Processor time in seconds that a model may take on this machine, at most :data:`LONGEST_S`.

    Args:
        speed: of this machine.
        macs: multiply-accumulates of one image; None: the file lacks shapes.
        size_bytes: of the file.
        pixels: of one input image, as the file declares it.
        images: how many the trial run classifies, as the file declares it.
        part: of these images, those that are classified until then.
    """
    work = images * (_MACS_PER_BYTE * size_bytes * pixels / _USUAL_PIXELS if macs is None else macs)
    return min(
        LONGEST_S,
        _BASE_S * speed.slowdown + _MARGIN * part * min(work, _backed_macs(size_bytes, pixels, images)) * speed.mac_s,
    )


def allowed_then_s(speed: MachineSpeed, whole_s: float, spent_s: float, first_s: float, ratio: float) -> float:
    """Processor time in seconds that a model may have taken after the second run.

    Args:
        speed: of this machine.
        whole_s: what :func:`allowed_s` says of all images.
        spent_s: until the first run had ended.
        first_s: by the first run.
        ratio: images of the second run to those of the first.
    """
    return min(whole_s, spent_s + _BASE_S * speed.slowdown + _THEN_MARGIN * ratio * first_s)


def _backed_macs(size_bytes: int, pixels: int, images: int) -> float:
    """The multiply-accumulates that a file of this size may declare in all."""
    counted = min(images, _MOST_IMAGES) * min(pixels, _MOST_PIXELS) / _USUAL_PIXELS
    return min(_MOST_MACS, max(_FEW_MACS, _MOST_MACS_PER_BYTE * size_bytes * counted))


def elapsed_s(processor_s: float) -> float:
    """How long to wait for so much processor time, in seconds: other programs may take most of the machine."""
    return _PATIENCE * processor_s + 2.0


def _loop_s() -> float:
    begun, state = time.process_time(), 0
    for step in range(_LOOP_STEPS):
        state = (31 * state + step) & 0xFFFF
    return time.process_time() - begun


def _product_s(matrix: NDArray[np.float32]) -> float:
    begun = time.process_time()
    _ = matrix @ matrix
    return time.process_time() - begun
