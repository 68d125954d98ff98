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
        half = self.kernel_size[0] // 2
        return convolve(x, weight, bias, _pair(self.stride), (half, half), self.groups)


class SameConv(Convolution):
    """A convolution with TensorFlow's SAME padding: the odd pixel of padding goes below and to the right."""

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """By other weights."""
        pads: list[int] = []
        for size, kernel, stride in zip(
            (x.shape[3], x.shape[2]), self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]  # left, right, top, bottom
        if pads[0] == pads[1] and pads[2] == pads[3]:  # symmetric: the convolution pads faster than a copy does
            return convolve(x, weight, bias, _pair(self.stride), (pads[2], pads[0]), self.groups)
        return convolve(functional.pad(x, pads), weight, bias, _pair(self.stride), (0, 0), self.groups)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second
