"""A network of your own.

Split where its last linear layer is, left as it was, kept by a checkpoint that only its owner can open.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import CheckpointError, UsageError
from edgecnn.manifest import Manifest, Normalization
from edgecnn.training.inspect_checkpoint import multiply_accumulates
from edgecnn.training.models.own import OWN, OwnNetwork, own_manifest, own_network, own_spec
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgecnn.training.torch_backend import open_checkpoint

SIDE = 16


class Plain(nn.Module):
    """As many write them: layers as attributes, `view`, dropout before the last one."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.hidden = nn.Linear(6 * 8 * 8, 20)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(20, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.convolution(x)))
        x = torch.relu(self.hidden(x.view(x.size(0), -1)))
        return self.last(self.dropout(x))


class Twice(Plain):
    """The last layer's answer is changed once more."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class Reused(nn.Module):
    """One layer, used for features and for logits."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.linear(self.convolution(x).mean((2, 3)))))


class LooksInside(Plain):
    """Needs its last layer to be there."""

    def forward(self, x: Tensor) -> Tensor:
        assert self.last.out_features == 3
        return super().forward(x)


def sequential(classes: int = 3) -> nn.Sequential:
    head = nn.Sequential(nn.Dropout(0.1), nn.Linear(4, classes))
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def convolutional(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def images(count: int = 5) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_the_last_linear_layer_becomes_the_classifier_and_its_input_the_features() -> None:
    for network, width in ((Plain(), 20), (sequential(), 4)):
        own = own_network(network, 3, SIDE).eval()
        with torch.inference_mode():
            features = own.features(images())
            assert features.shape == (5, width)
            torch.testing.assert_close(own(images()), network.eval()(images()))
            torch.testing.assert_close(own.classifier(features), own(images()))
        assert isinstance(own.classifier, nn.Linear)


def test_the_network_given_is_left_as_it_is() -> None:
    network = Plain().train()
    before = copy.deepcopy(network.state_dict())
    own = own_network(network, 3, SIDE)
    nn.init.zeros_(own.classifier.weight)  # type: ignore[arg-type]
    assert network.training
    assert isinstance(network.last, nn.Linear)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_every_parameter_is_there_once_and_learns() -> None:
    network = Plain()
    own = own_network(network, 3, SIDE)
    assert sum(p.numel() for p in own.parameters()) == sum(p.numel() for p in network.parameters())
    nn.functional.cross_entropy(own(images()), torch.tensor([0, 1, 2, 1, 0])).backward()
    assert all(p.grad is not None for p in own.parameters())


@pytest.mark.parametrize(
    "network",
    [convolutional(), Twice(), Reused(), LooksInside()],
    ids=["convolutional", "twice", "reused", "looks-inside"],
)
def test_a_network_that_cannot_be_split_is_kept_whole(network: nn.Module) -> None:
    own = own_network(network, 3, SIDE).eval()
    assert isinstance(own.classifier, nn.Identity)
    with torch.inference_mode():
        torch.testing.assert_close(own(images()), network.eval()(images()))


def test_the_last_layer_may_be_named_and_a_wrong_name_is_refused() -> None:
    assert own_network(Plain(), 3, SIDE, classifier="last").classifier.in_features == 20
    for name in ("hidden", "convolution", "fc"):
        with pytest.raises(UsageError, match=f"'{name}' is not the linear layer"):
            own_network(Plain(), 3, SIDE, classifier=name)


def test_a_network_that_views_its_activations_flat_takes_images_stored_channels_last() -> None:
    own = own_network(Plain(), 3, SIDE).to(memory_format=OwnNetwork.memory_format)  # type: ignore[call-overload]
    with torch.inference_mode():
        assert own(images().to(memory_format=torch.channels_last)).shape == (5, 3)


def test_a_network_with_one_logit_is_one_for_two_classes() -> None:
    assert own_network(Plain(1), 2, SIDE)(images()).shape == (5, 1)
    with pytest.raises(UsageError, match="gives 1 logits, there are 3 classes"):
        own_network(Plain(1), 3, SIDE)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Plain(4), "gives 4 logits, there are 3 classes"),
        (nn.Sequential(sequential(), nn.Softmax(1)), "gives probabilities, expected logits"),
        (nn.Conv2d(3, 3, 3), r"gave \[4, 3, 14, 14\] for 4 images"),
        (nn.Sequential(nn.Flatten(), nn.Linear(10, 3)), r"does not take images \[N, 3, 16, 16\]"),
        (nn.Sequential(nn.Flatten()), "has no parameters"),
        (nn.LSTM(SIDE, 3, batch_first=True), "LSTM: "),
    ],
    ids=["classes", "softmax", "shape", "size", "empty", "tuple"],
)
def test_a_network_that_cannot_be_used_is_refused_with_the_reason(network: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        own_network(network, 3, SIDE)


def test_splitting_twice_gives_the_same_network() -> None:
    own = own_network(Plain(), 3, SIDE)
    again = own_network(own, 3, SIDE)
    assert list(again.state_dict()) == list(own.state_dict())
    assert again is not own


def test_a_spec_of_an_own_network_begins_at_its_weights() -> None:
    network = Plain()
    spec = own_spec(network, SIDE, Normalization(0, 255.0))
    assert (spec.name, spec.imgsz, spec.normalization, spec.weights) == (OWN, SIDE, Normalization(0, 255.0), None)
    built = spec.build(3, SIDE)
    assert torch.equal(built.classifier.weight, network.last.weight)  # type: ignore[arg-type]


def test_own_networks_are_counted_as_the_built_in_ones_are() -> None:
    assert multiply_accumulates(own_network(Plain(), 3, SIDE).eval(), SIDE, SIDE) == 27 * 6 * 64 + 6 * 64 * 20 + 20 * 3


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, OwnNetwork]:
    torch.manual_seed(4)
    own = own_network(Plain(), 3, SIDE)
    save_checkpoint(
        tmp_path / "best.pt",
        Checkpoint(
            OWN, own_manifest("abc", SIDE), SplitRecord.of({"train": [], "val": [], "test": []}), own.state_dict()
        ),
    )
    return tmp_path / "best.pt", own.eval()


def test_a_checkpoint_of_an_own_network_opens_with_that_network(saved: tuple[Path, OwnNetwork]) -> None:
    path, own = saved
    backend = open_checkpoint(path, Plain())
    with torch.inference_mode():
        torch.testing.assert_close(backend.network(images()), own(images()))
    assert not backend.network.training
    assert torch.equal(
        load_checkpoint(path).build(own_network(Plain(), 3, SIDE)).classifier.weight, own.classifier.weight
    )  # type: ignore[arg-type]


def test_a_checkpoint_of_an_own_network_without_it_asks_for_it(saved: tuple[Path, OwnNetwork]) -> None:
    with pytest.raises(CheckpointError, match=r"best\.pt: the checkpoint holds.*a network of your own.*network="):
        open_checkpoint(saved[0])


def test_a_checkpoint_with_another_network_than_its_own_is_refused(saved: tuple[Path, OwnNetwork]) -> None:
    checkpoint = load_checkpoint(saved[0])
    with pytest.raises(CheckpointError, match="do not fit custom.*give the network that was trained"):
        checkpoint.build(sequential())
    with pytest.raises(UsageError, match="gives 5 logits"):
        checkpoint.build(Plain(5))
    with pytest.raises(CheckpointError, match="holds a resnet8, which is built in"):
        replace(checkpoint, model="resnet8").build(Plain())


def test_the_manifest_of_an_own_network_survives_json() -> None:
    manifest = own_manifest(["a", "b"], 48, Normalization(0, 255.0))
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert (manifest.input.height, manifest.training.model) == (48, OWN)
