"""The built-in networks: sizes as published, TensorFlow's padding, features apart from the classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgecnn.errors import UsageError
from edgecnn.training.models.registry import MODELS, find_model
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.same_conv import SameConv


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_threeconv_has_the_parameters_of_the_lectures_network() -> None:
    """By hand, as Keras's summary prints it: three convolutions 3 x 3, side 150 -> 74 -> 36 -> 17, dense 512, one logit."""
    convolutions = (27 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 128
    assert convolutions + (17 * 17 * 128 + 1) * 512 + 513 == 19_034_177
    assert _parameters(find_model("threeconv").build(2, 150)) == 19_034_177


def test_resnet8_has_the_parameters_of_mlperf_tiny() -> None:
    """78,666 in the summary that Keras prints of ``resnet_v1_eembc`` (MLPerf Tiny, arXiv 2106.07597), which counts the running statistics."""
    network = ResNet8(10)
    running = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    assert _parameters(network) + running == 78_666


def test_efficientnet_lite0_has_the_published_parameters() -> None:
    """4,652,008 with 1,000 classes: 4.7 M in the table of the TPU repository (``efficientnet/lite``), the exact count of the published weights."""
    assert _parameters(find_model("efficientnet_lite0").build(1000, 224)) == 4_652_008


# TensorFlow's documented arithmetic: total = max((ceil(n / s) - 1) * s + k - n, 0), the smaller half above and to the left
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        (7, 3, 2, 1, 1),
        (8, 3, 2, 0, 1),
        (8, 3, 1, 1, 1),
        (7, 5, 2, 2, 2),
        (8, 5, 2, 1, 2),
        (9, 5, 1, 2, 2),
        (6, 1, 2, 0, 0),
        (7, 1, 2, 0, 0),
        (5, 3, 3, 0, 1),
    ],
)
def test_same_conv_pads_as_tensorflow_does(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    torch.manual_seed(0)
    x, convolution = torch.randn(2, 3, size, size), SameConv(3, 4, kernel, stride)
    padded = torch.zeros(2, 3, size + before + after, size + before + after)
    padded[:, :, before : before + size, before : before + size] = x
    plain = nn.functional.conv2d(padded, convolution.weight, convolution.bias, stride)
    found = convolution(x)
    assert found.shape == (2, 4, -(-size // stride), -(-size // stride))
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


def test_same_conv_pads_height_and_width_apart() -> None:
    x, convolution = torch.ones(1, 1, 8, 7), SameConv(1, 1, 3, 2, bias=False)
    nn.init.ones_(convolution.weight)
    rows, columns = torch.tensor([3.0, 3, 3, 2]), torch.tensor([2.0, 3, 3, 2])  # 8 rows: padded below alone; 7 columns: on both sides
    torch.testing.assert_close(convolution(x)[0, 0].detach(), rows[:, None] * columns)


@pytest.mark.parametrize(
    ("name", "side", "classes", "features", "logits"),
    [
        ("threeconv", 30, 2, 512, 1),
        ("threeconv", 31, 5, 512, 5),
        ("resnet8", 32, 2, 64, 2),
        ("resnet8", 45, 7, 64, 7),
        ("efficientnet_lite0", 33, 3, 1280, 3),
    ],
)
def test_logits_are_the_classifier_of_the_features(name: str, side: int, classes: int, features: int, logits: int) -> None:
    torch.manual_seed(1)
    network = find_model(name).build(classes, side).eval()
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        found = network.features(x)
        assert found.shape == (2, features)
        assert network(x).shape == (2, logits)
        torch.testing.assert_close(network(x), network.classifier(found))


def test_a_picture_too_small_for_threeconv_is_refused_and_the_smallest_is_taken() -> None:
    with pytest.raises(UsageError, match="--imgsz is 21"):
        find_model("threeconv").build(2, 21)
    assert find_model("threeconv").build(2, 22)(torch.zeros(1, 3, 22, 22)).shape == (1, 1)


def test_an_unknown_network_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        find_model("resnet50")
    assert all(name in str(refused.value) for name in ("resnet50", *MODELS))
