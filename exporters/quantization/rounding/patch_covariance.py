"""Covariance of the input patches of a convolution, accumulated batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["PatchCovariance"]

_SIDE = 16  # rows and columns of the output that are looked at, of each batch: 32 images show thousands of patches
_VALUES = 2**23  # of patches held at once, float32


class PatchCovariance:
    """The mean is subtracted. A depthwise convolution has one covariance per channel, any other has one in total.

    Of a large output, each batch shows other rows and columns, drawn at random: borders, which see padding, count as
    often as they are there.
    """

    def __init__(self, weight_shape: tuple[int, ...], strides: Sequence[int], pads: Sequence[int], groups: int) -> None:
        """``weight_shape`` is ``[O, C / groups, kH, kW]``.

        ``pads`` are ONNX's: top, left, bottom, right. ``groups`` is 1, or O (depthwise).
        """
        outputs, channels, *self._kernel = weight_shape
        self._strides, self._pads, self._depthwise = tuple(strides), tuple(pads), groups > 1
        count, size = outputs if self._depthwise else 1, channels * self._kernel[0] * self._kernel[1]
        self._products = np.zeros((count, size, size))
        self._sums = np.zeros((count, size))
        self._positions = 0
        self._random = np.random.default_rng(0)

    def add(self, inputs: NDArray[np.float32]) -> None:
        """Inputs ``[N, C, H, W]``."""
        most = min(_SIDE, max(1, isqrt(_VALUES // (self._sums.size * len(inputs)))))
        rows, columns = (self._inputs_under(axis, inputs.shape[2 + axis], most) for axis in (0, 1))
        patches = _gather(_gather(inputs, rows, 2), columns, 4)  # [N, C, kH, H', kW, W']
        patches = patches.transpose(1, 2, 4, 0, 3, 5).reshape(*self._sums.shape, -1)  # count x K x P
        self._products += patches @ patches.transpose(0, 2, 1)
        self._sums += patches.sum(2)
        self._positions += patches.shape[2]

    def _inputs_under(self, axis: int, length: int, most: int) -> NDArray[np.intp]:
        """Rows, or columns, of the input under the kernel at some of the outputs, ``[k, H']``; outside is padding."""
        kernel, stride, before, after = (
            self._kernel[axis],
            self._strides[axis],
            self._pads[axis],
            self._pads[2 + axis],
        )
        outputs = (length + before + after - kernel) // stride + 1
        chosen = np.sort(self._random.choice(outputs, min(outputs, most), replace=False))
        return np.arange(kernel)[:, None] + chosen * stride - before

    def result(self) -> NDArray[np.float64]:
        """``[O, K, K]`` of a depthwise convolution, ``[1, K, K]`` of another."""
        count = max(self._positions, 1)
        means = self._sums / count
        return np.asarray(self._products / count - means[:, :, None] * means[:, None, :])


def _gather(values: NDArray[np.float32], places: NDArray[np.intp], axis: int) -> NDArray[np.float32]:
    """Puts ``places``, ``[k, H']``, in the stead of an axis; zeros where they lie outside."""
    length = values.shape[axis]
    inside = (places >= 0) & (places < length)
    found = values.take(places.clip(0, length - 1), axis)
    return np.asarray(found * inside.reshape(*places.shape, *[1] * (values.ndim - 1 - axis)).astype(np.float32))
