"""Answers in torch while they are few, then in onnxruntime: the same as of the network itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgecnn.training.answers import answering as module
from edgecnn.training.answers.answering import Answering
from edgecnn.training.answers.folded import FoldedConvolution, folded
from edgecnn.training.answers.onnx_graph import features_graph
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import own_network
from edgecnn.training.models.registry import MODELS, find_model
from edgecnn.training.optim import precision
from edgecnn.training.result import TrainResult
from edgecnn.training.torch_backend import open_checkpoint

_OTHERS = "threeconv"  # its layers the graph does not know


def _network(name: str, seed: int = 0) -> ImageClassifier:
    """With statistics as if it had been trained."""
    torch.manual_seed(seed)
    network = find_model(name).build(3, 64)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
    return network.eval()


def _images(height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(3, height, width, 3, generator=torch.Generator().manual_seed(1)).permute(0, 3, 1, 2)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch is answered by onnxruntime, however small the first one was."""
    monkeypatch.setattr(module, "_PAYS_AFTER", 1)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", MODELS)
def test_torch_and_onnxruntime_give_the_features_of_the_network(name: str) -> None:
    network, images = _network(name), _images()
    answering = Answering(network)
    with torch.inference_mode():
        expected = network.features(images)
        for _ in range(2):
            features = answering.features(images)
            assert float((features - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
            torch.testing.assert_close(answering.logits(features), network(images), rtol=1e-3, atol=1e-4)
    assert (answering._session is None) == name.startswith(_OTHERS)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("height", "width"), [(33, 50), (64, 49), (224, 224)])
def test_padding_is_tensorflows_at_every_size(height: int, width: int) -> None:
    network, images = _network("efficientnet_lite0"), _images(height, width)
    answering = Answering(network)
    with torch.inference_mode():
        expected = network.features(images)
        answering.features(images)
        assert float((answering.features(images) - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    assert answering._session is not None


def test_few_images_are_answered_by_torch() -> None:
    answering = Answering(_network("resnet8"))
    with torch.inference_mode():
        for _ in range(3):
            answering.features(_images())
    assert answering._session is None


def test_what_a_network_learns_from_does_not_depend_on_what_was_answered_before() -> None:
    """A resumed run asks its teacher for the first time where the run before had asked for hundreds."""
    first, second = (Answering(_network("resnet8"), at_once=True) for _ in range(2))
    with torch.inference_mode():
        first.features(_images())
        assert torch.equal(first.features(_images()), second.features(_images()))
    assert second._session is not None


@pytest.mark.usefixtures("at_once")
def test_other_features_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    other = features_graph(folded(_network("resnet8", seed=1)))
    monkeypatch.setattr("edgecnn.training.answers.onnx_graph.features_graph", lambda _: other)
    network, images = _network("resnet8"), _images()
    answering = Answering(network)
    with torch.inference_mode():
        answering.features(images)
        with pytest.warns(UserWarning, match=r"from torch's; torch computes"):
            answering.features(images)
        for _ in range(2):
            torch.testing.assert_close(answering.features(images), network.features(images))


@pytest.mark.usefixtures("at_once")
def test_a_network_that_diverged_answers_as_it_does() -> None:
    network = _network("resnet8")
    nn.init.constant_(next(network.parameters()), float("nan"))
    answering = Answering(network)
    with torch.inference_mode():
        for _ in range(2):
            assert bool(answering.features(_images()).isnan().all())


@pytest.mark.usefixtures("at_once")
def test_a_network_of_ones_own_is_answered_by_torch() -> None:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    network = own_network(nn.Sequential(*layers), 2, (16, 16)).eval()
    answering, images = Answering(network), _images(16, 16)
    with torch.inference_mode():
        for _ in range(2):
            torch.testing.assert_close(answering.logits(answering.features(images)), network(images))


def test_no_batch_norm_is_left_and_the_network_itself_is_as_before() -> None:
    network = _network("mobilenetv2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = list(folded(network).modules())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in found)
    assert sum(isinstance(layer, FoldedConvolution) for layer in found) > 50
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("name", "in_bfloat16"), [("resnet8", False), (_OTHERS, True)])
def test_bfloat16_is_for_networks_that_onnxruntime_cannot_answer(
    name: str, in_bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (module, precision):
        monkeypatch.setattr(place, "has_bfloat16", lambda _: True)
    network = _network(name)
    answering = Answering(network, mixed=True)
    with torch.inference_mode():
        exact = network.features(_images())
        for _ in range(2):
            found = answering.features(_images())
    assert found.dtype == torch.float32
    assert (answering.mixed, answering._session is None) == (in_bfloat16, in_bfloat16)
    apart = float((found - exact).abs().max() / exact.abs().max())
    assert 1e-4 < apart < 0.05 if in_bfloat16 else apart < 1e-4


@pytest.mark.usefixtures("at_once")
def test_a_checkpoint_answers_the_same_before_and_after(trained: TrainResult) -> None:
    backend = open_checkpoint(Path(trained.best_checkpoint))
    size = backend.manifest.input
    images = np.random.default_rng(0).integers(0, 256, (4, size.height, size.width, 3)).astype(np.uint8)
    first = backend.answers(images)
    again = backend.answers(images)
    np.testing.assert_allclose(first[0], again[0], atol=1e-5)
    assert (first[1] is None) == (again[1] is None)
