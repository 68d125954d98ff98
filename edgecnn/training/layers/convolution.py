"""Convolutions that train quickly on a CPU, with torchvision's padding or TensorFlow's."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from edgecnn.training.layers.depthwise import convolve

__all__ = ["Convolution", "SameConv"]


class Convolution(nn.Conv2d):
    """``torch.nn.Conv2d`` with ``kernel // 2`` of zeros on each side, and :mod:`~edgecnn.training.layers.depthwise`'s
    backward pass."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[N, outputs, ceil(H / stride), ceil(W / stride)]``."""
        return self.convolve(x, self.weight, self.bias)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """By other weights, as where batch-norm is folded into them."""
        padded, padding = self.padded(x)
        return convolve(padded, weight, bias, _pair(self.stride), padding, self.groups)

    def padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The input, and how many rows and columns of zeros the convolution itself is to add on each side."""
        half = self.kernel_size[0] // 2
        return x, (half, half)


class SameConv(Convolution):
    """A convolution with TensorFlow's SAME padding: the odd pixel of padding goes below and to the right."""

    def padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The input, padded where the sides differ, and the zeros that the convolution itself is to add."""
        pads: list[int] = []
        for size, kernel, stride in zip(
            (x.shape[3], x.shape[2]), self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]  # left, right, top, bottom
        if pads[0] == pads[1] and pads[2] == pads[3]:  # symmetric: the convolution pads faster than a copy does
            return x, (pads[2], pads[0])
        return functional.pad(x, pads), (0, 0)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second
