"""Covariance of the input patches of a convolution, accumulated batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["PatchCovariance"]

_VALUES = 2**24  # of patches held at once, float32


class PatchCovariance:
    """The mean is subtracted. A depthwise convolution has one covariance per channel, any other has one in total."""

    def __init__(self, weight_shape: tuple[int, ...], strides: Sequence[int], pads: Sequence[int], groups: int) -> None:
        """``weight_shape`` is ``[O, C / groups, kH, kW]``.

        ``pads`` are ONNX's: top, left, bottom, right. ``groups`` is 1, or O (depthwise).
        """
        outputs, channels, *self._kernel = weight_shape
        self._strides, self._pads, self._depthwise = tuple(strides), tuple(pads), groups > 1
        count, size = outputs if self._depthwise else 1, channels * self._kernel[0] * self._kernel[1]
        self._products = torch.zeros(count, size, size, dtype=torch.float64)
        self._sums = torch.zeros(count, size, dtype=torch.float64)
        self._positions = 0

    def add(self, inputs: NDArray[np.float32]) -> None:
        """Inputs ``[N, C, H, W]``."""
        top, left, bottom, right = self._pads
        padded = functional.pad(torch.from_numpy(inputs), (left, right, top, bottom))
        count, size, _ = self._products.shape
        positions = 0
        step = (
            max(1, _VALUES // (size * padded.shape[0] * padded.shape[2] * padded.shape[3]))
            if self._depthwise
            else count
        )
        for first in range(0, count, step):
            part = slice(first, first + step)
            # float32, count x K x P
            patches = self._patches(padded[:, part]) if self._depthwise else self._patches(padded).flatten(0, 1)[None]
            self._products[part] += patches @ patches.transpose(1, 2)
            self._sums[part] += patches.sum(2)
            positions = patches.shape[2]
        self._positions += positions

    def _patches(self, padded: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[C, kH kW, N H' W']``."""
        # [N, C, H', W', kH, kW]
        rows = padded.unfold(2, self._kernel[0], self._strides[0]).unfold(3, self._kernel[1], self._strides[1])
        return rows.permute(1, 4, 5, 0, 2, 3).flatten(3).flatten(1, 2)

    def result(self) -> NDArray[np.float64]:
        """``[O, K, K]`` of a depthwise convolution, ``[1, K, K]`` of another."""
        means = self._sums / max(self._positions, 1)
        found: NDArray[np.float64] = (
            self._products / max(self._positions, 1) - means[:, :, None] * means[:, None, :]
        ).numpy()
        return found
