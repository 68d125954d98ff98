"""The quick backward pass of depthwise convolutions, and batch-norm that is folded into convolutions while they train."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.training.layers.convolution import Convolution, SameConv
from edgecnn.training.layers.depthwise import convolve
from edgecnn.training.layers.inverted_residual import ConvNorm, Style
from edgecnn.training.models.registry import find_model

RELU = Style(nn.ReLU)


def _far(found: Tensor, wanted: Tensor) -> float:
    """Relative distance. bfloat16 rounds to 1 in 256, and each sum here has at least 18 terms."""
    return ((found.float() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kernel", "stride", "height", "width", "padding"),
    [
        (5, 1, 9, 8, 2),
        (5, 1, 6, 7, 0),
        (5, 2, 11, 8, 2),
        (5, 2, 12, 9, 0),
        (5, 2, 9, 11, 0),
        (3, 2, 9, 8, 1),
        (3, 2, 8, 7, 0),
        (3, 2, 3, 3, 1),
        (3, 2, 4, 4, 0),
        (3, 1, 7, 8, 1),  # left to torch
    ],
)
def test_gradients_of_depthwise_convolutions_are_those_of_torch(
    kernel: int, stride: int, height: int, width: int, padding: int, bias: bool
) -> None:
    torch.manual_seed(0)
    channels = 12
    x = (
        torch.randn(3, channels, height, width)
        .bfloat16()
        .float()
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    weight = torch.randn(channels, 1, kernel, kernel).bfloat16().float().requires_grad_()
    offset = torch.randn(channels).bfloat16().float().requires_grad_() if bias else None
    wanted = functional.conv2d(x, weight, offset, stride, padding, 1, channels)
    upstream = torch.randn_like(wanted).bfloat16().float()
    inputs = [t for t in (x, weight, offset) if t is not None]
    gradients = torch.autograd.grad(wanted, inputs, upstream)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = convolve(x, weight, offset, (stride, stride), (padding, padding), channels)
    assert found.dtype == torch.bfloat16
    assert _far(found, wanted) < 0.005
    for mine, theirs in zip(torch.autograd.grad(found, inputs, upstream.bfloat16()), gradients, strict=True):
        assert mine.shape == theirs.shape
        assert _far(mine, theirs) < 0.01


def test_a_frozen_input_or_weight_gets_no_gradient() -> None:
    layer = SameConv(8, 8, 5, 2, groups=8)
    layer.weight.requires_grad_(False)
    x = torch.randn(2, 8, 10, 10, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    layer.weight.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x.detach()).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_pads_as_torchvision_does(stride: int) -> None:
    layer, x = Convolution(4, 6, 5, stride), torch.randn(2, 4, 9, 8)
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.weight, layer.bias, stride, 2))


def test_batch_norm_with_frozen_statistics_learns_the_same_within_the_convolution() -> None:
    torch.manual_seed(0)
    folded = ConvNorm(6, 8, 3, RELU, stride=2)
    norm = folded[1]
    (
        nn.init.uniform_(norm.running_mean),
        nn.init.uniform_(norm.running_var, 0.5, 2.0),
        nn.init.uniform_(norm.weight),
        nn.init.normal_(norm.bias),
    )
    apart = copy.deepcopy(folded)
    folded.train()[1].eval()
    apart.eval()  # batch-norm on its own
    x = torch.randn(4, 6, 9, 9)
    torch.testing.assert_close(folded(x), apart(x), rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(apart(x))
    for module in (folded, apart):
        (module(x) * weights).sum().backward()
    for mine, theirs in zip(folded.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_a_step_of_a_whole_network_in_bfloat16_points_where_one_in_float32_does() -> None:
    torch.manual_seed(0)
    network = find_model("efficientnet_lite0").build(3, 64).to(memory_format=torch.channels_last).eval()
    x = torch.randn(8, 3, 64, 64)
    network.classifier(network.features(x)).square().sum().backward()
    wanted = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    network.zero_grad()
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Dropout):
            module.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(x).float().square().sum().backward()
    found = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert functional.cosine_similarity(found, wanted, dim=0) > 0.98
