"""Depthwise convolution with a quick backward pass in bfloat16 on a CPU.

oneDNN, torch's library for a CPU, has no bfloat16 kernel for two gradients and falls back to a reference one: that of
the input at stride 2, and that of a 5 x 5 weight. In EfficientNet-Lite0 the two took more than half of a training step.
Both are sums that its quick 3 x 3 kernels can compute:

* At stride 2 the input's even and odd rows and columns each get their gradient from taps of their own: four
convolutions of the output's gradient
  with up to 3 x 3 taps (the transposed convolution in its sub-pixel form, Shi et al., arXiv 1609.07009).
* The 25 taps of a 5 x 5 weight are covered by four blocks of 3 x 3, each the weight's gradient for a shifted part of
the input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["convolve"]

Pair = tuple[int, int]


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, groups: int) -> Tensor:
    """As ``torch.nn.functional.conv2d``.

    ``[N, C, H, W]`` and ``[O, C / groups, K, K]`` -> ``[N, O, H', W']``, autocast included.
    """
    if not (torch.is_grad_enabled() and _falls_back(x, weight, stride, groups)):
        return functional.conv2d(x, weight, bias, stride, padding, 1, groups)
    x, weight = x.bfloat16(), weight.bfloat16()  # here, not within: the gradients of the casts are autograd's
    added = None if bias is None else bias.bfloat16()
    result: Tensor = _Depthwise.apply(x, weight, added, stride[0], padding)  # type: ignore[no-untyped-call]
    return result


def _falls_back(x: Tensor, weight: Tensor, stride: Pair, groups: int) -> bool:
    if x.device.type != "cpu" or not (
        torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    ):
        return False
    depthwise = groups == x.shape[1] == weight.shape[0] and groups > 1
    return depthwise and (
        (stride == (2, 2) and weight.shape[2:] in ((3, 3), (5, 5))) or (stride == (1, 1) and weight.shape[2:] == (5, 5))
    )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        grad = grad.contiguous(memory_format=torch.channels_last)
        return (
            _input_gradient(grad, x, weight, ctx.stride, ctx.padding) if of_x else None,
            _weight_gradient(grad, x, weight, ctx.stride, ctx.padding) if of_weight else None,
            grad.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: Pair) -> Tensor:
    """``[N, C, H', W']`` -> ``[N, C, H, W]``."""
    if stride == 1:
        return _native(grad, x, weight, stride, padding, (True, False))
    channels, (height, width), (above, left) = len(weight), x.shape[2:], padding
    result = torch.empty_like(x)
    for row in (0, 1):
        for column in (0, 1):  # of the padded input: these pixels meet every second tap alone
            taps = weight[:, :, row::2, column::2].flip(2, 3)
            three = functional.pad(taps, (3 - taps.shape[3], 0, 3 - taps.shape[2], 0))  # [C, 1, 3, 3]
            found = functional.conv2d(grad, three, None, 1, 2, 1, channels)
            # the first of them that is a pixel, not padding: its place in the input, and in what was found
            y, x_ = (row - above) % 2, (column - left) % 2
            first, second = (y + above - row) // 2, (x_ + left - column) // 2
            rows, columns = -(-(height - y) // 2), -(-(width - x_) // 2)
            result[:, :, y::2, x_::2] = found[:, :, first : first + rows, second : second + columns]
    return result


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: Pair) -> Tensor:
    """``[N, C, H', W']`` -> ``[C, 1, K, K]``."""
    if weight.shape[-1] == 3:
        return _native(grad, x, weight, stride, padding, (False, True))
    padded = functional.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    height, width = ((size - 1) * stride + 3 for size in grad.shape[2:])
    result = torch.empty_like(weight)
    for row in (0, 2):
        for column in (0, 2):
            part = padded[:, :, row : row + height, column : column + width].contiguous(
                memory_format=torch.channels_last
            )
            block = result[:, :, row : row + 3, column : column + 3]
            block.copy_(_native(grad, part, block, stride, (0, 0), (False, True)))
    return result


def _native(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: Pair, wanted: tuple[bool, bool]) -> Tensor:
    """The gradient of the input or of the weight, by torch's own kernel."""
    groups = len(weight)
    found = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride, stride], list(padding), [1, 1], False, [0, 0], groups, [*wanted, False]
    )
    result: Tensor = found[0 if wanted[0] else 1]
    return result
