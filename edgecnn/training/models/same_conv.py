"""A convolution with TensorFlow's padding, for networks whose weights were trained there."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SameConv"]


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel of padding goes below and to the right."""

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[N, outputs, ceil(H / stride), ceil(W / stride)]``."""
        pads: list[int] = []
        for size, kernel, stride in zip((x.shape[3], x.shape[2]), self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]  # left, right, top, bottom
        if pads[0] == pads[1] and pads[2] == pads[3]:  # symmetric: the convolution pads faster than a copy does
            return functional.conv2d(x, self.weight, self.bias, self.stride, (pads[2], pads[0]), self.dilation, self.groups)
        return functional.conv2d(functional.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
