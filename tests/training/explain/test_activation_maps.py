"""Class-activation maps.

Equal to CAM where that is defined, for every kind of network, and right about where the evidence is.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.errors import CheckpointError
from edgecnn.training.explain.activation_maps import activation_maps, map_layer
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import own_network
from edgecnn.training.models.registry import MODELS, find_model
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.threeconv import ThreeConv


class BrightSpot(ImageClassifier):
    """Class 1 is red, class 0 blue, by construction; batch norm and a residual sum follow the last convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.classifier = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[0.0, 0, 1], [1, 0, 0]])[:, :, None, None])
            self.classifier.weight.copy_(torch.eye(2))

    def features(self, images: Tensor) -> Tensor:
        return functional.relu(self.conv(images)).mean((2, 3))


def _shuffled(network: ImageClassifier) -> ImageClassifier:
    """Running statistics as after some training, so that batch norm does something."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.parametrize("name", ["resnet8", "efficientnet_lite0", "mobilenetv1_025", "mobilenetv2"])
def test_for_networks_that_pool_and_weigh_it_is_the_class_activation_map_of_zhou(name: str) -> None:
    """Zhou et al.: the classifier's weights of the class, times the map before pooling, summed over the channels."""
    network = _shuffled(find_model(name).build(4, 96))
    images = torch.rand(3, 3, 96, 96) * 2 - 1
    classes = [0, 3, 1]
    pooled_from: list[Tensor] = []
    hook = network.pool.register_forward_pre_hook(lambda _m, inputs: pooled_from.append(inputs[0].detach()))
    with torch.no_grad():
        network(images)
    hook.remove()
    linear = [m for m in network.classifier.modules() if isinstance(m, nn.Linear)][-1]
    cam = torch.einsum("nc,nchw->nhw", linear.weight.detach()[classes], pooled_from[0])[:, None].relu()
    cam = cam / cam.amax((2, 3), keepdim=True).clamp_min(1e-30)
    assert cam.any()
    expected = functional.interpolate(cam, (96, 96), mode="bilinear", align_corners=False)[:, 0].numpy()
    np.testing.assert_allclose(activation_maps(network, images, classes), expected, atol=2e-5)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_every_network_gives_maps_from_0_to_1_in_the_images_size(name: str, classes: int) -> None:
    torch.manual_seed(1)
    side = 64
    network = find_model(name).build(classes, side)
    maps = activation_maps(network.eval(), torch.rand(2, 3, side, side), [0, 1])
    assert maps.shape == (2, side, side)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_a_network_of_the_users_own_has_maps_too() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.SiLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(8 * 13 * 13, 3),
    )
    network = own_network(body, 3, 32).eval()
    maps = activation_maps(network, torch.rand(2, 3, 32, 32), [0, 2])
    assert maps.shape == (2, 32, 32)
    assert maps.max() > 0.5


def test_the_map_lies_where_the_evidence_is() -> None:
    image = torch.zeros(1, 3, 16, 16)
    image[0, 0, 2:5, 2:5] = 1  # red, top left
    image[0, 2, 10:13, 10:13] = 1  # blue, bottom right
    blue, red = (activation_maps(BrightSpot().eval(), image, [c])[0] for c in (0, 1))
    assert red[2:5, 2:5].min() == 1
    assert red[8:].max() == 0
    assert blue[10:13, 10:13].min() == 1
    assert blue[:8].max() == 0


def test_of_one_logit_the_two_classes_have_maps_of_their_own() -> None:
    torch.manual_seed(0)
    network = ThreeConv(2, 40).eval()
    images = torch.rand(1, 3, 40, 40)
    against, speaks_for = activation_maps(network, images, [0]), activation_maps(network, images, [1])
    assert np.abs(against - speaks_for).max() > 0.5


def test_an_image_has_the_same_map_alone_and_in_company() -> None:
    torch.manual_seed(0)
    network = _shuffled(ResNet8(3))
    images = torch.rand(4, 3, 32, 32)
    together = activation_maps(network, images, [0, 1, 2, 0])
    for i, c in enumerate([0, 1, 2, 0]):
        np.testing.assert_allclose(activation_maps(network, images[i : i + 1], [c])[0], together[i], atol=1e-5)


def test_the_layer_is_the_last_with_places_through_norm_and_activation() -> None:
    efficientnet, resnet, threeconv = (
        find_model(name).build(2, 40).eval() for name in ("efficientnet_lite0", "resnet8", "threeconv")
    )
    assert map_layer(efficientnet, torch.zeros(1, 3, 64, 64)) is efficientnet.head
    assert map_layer(resnet, torch.zeros(1, 3, 32, 32)) is resnet.blocks
    assert map_layer(threeconv, torch.zeros(1, 3, 40, 40)) is threeconv.convolutions[7]  # the last ReLU, before pooling


def test_weights_gradients_and_hooks_are_left_as_they_were() -> None:
    network = ResNet8(2).eval().requires_grad_(False)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    activation_maps(network, torch.rand(1, 3, 32, 32), [0])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_class_that_nothing_speaks_for_has_an_empty_map() -> None:
    image = torch.zeros(1, 3, 8, 8)
    assert activation_maps(BrightSpot().eval(), image, [1]).max() == 0


def test_a_network_without_places_is_refused_by_name() -> None:
    class Flat(ImageClassifier):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 8)
            self.classifier = nn.Linear(4, 2)

        def features(self, images: Tensor) -> Tensor:
            return self.conv(images).flatten(1)

    with pytest.raises(CheckpointError, match="Flat"):
        activation_maps(Flat().eval(), torch.rand(1, 3, 8, 8), [0])
