"""A pruned network: what stays of it, what its answers are, and that it can be built again."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from untrained import SIZES, shared_backend

from edgecnn.errors import UsageError
from edgecnn.training.inspect_checkpoint import multiply_accumulates
from edgecnn.training.models.own import own_network
from edgecnn.training.models.registry import MODELS, find_model
from edgecnn.training.pruning.channel_groups import channel_groups
from edgecnn.training.pruning.layer_cost import layer_costs, macs
from edgecnn.training.pruning.narrow import droppable_blocks, narrow
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.pruning.prune import pruned
from edgecnn.training.pruning.statistics import adopt_statistics
from edgecnn.training.pruning.widths import Widths

# Int8 kernels of depthwise convolutions take more than twice as long where the channels are no multiple of 16, which
# these networks begin with
OTHER_WIDTHS = {"mobilenetv3_small", "mobilenetv1_025"}


def _images(side: int, count: int = 8) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", list(SIZES))
def test_every_built_in_network_is_pruned_and_built_again_from_its_widths(name: str) -> None:
    """Its depthwise convolutions keep multiples of 16 channels."""
    network, side = shared_backend(name).network, SIZES[name]
    images, before = _images(side), copy.deepcopy(network.state_dict())
    found = pruned(network, 0.6, lambda: [images], side)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    full, left = (multiply_accumulates(n, side, side) for n in (network, found.network))
    assert left / full == pytest.approx(found.macs_share)
    assert found.macs_share <= 0.6
    assert found.widths == Widths.from_json(found.widths.to_json())
    classes = network.classifier(network.features(images)).shape[1]
    labels = 2 if name == "threeconv" else classes
    again = narrowed(find_model(name), found.widths).build(labels, side).eval()
    again.load_state_dict(found.network.state_dict())
    assert torch.equal(again(images), found.network(images))
    depthwise = [m.groups for m in found.network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert name in OTHER_WIDTHS or all(count % 16 == 0 for count in depthwise)


def test_channels_and_blocks_that_do_nothing_go_first() -> None:
    """Up to a quarter of each hidden layer, and one block."""
    network = shared_backend("mobilenetv2").network
    side, images = SIZES["mobilenetv2"], _images(SIZES["mobilenetv2"], 32)
    with torch.no_grad():
        for block in network.blocks[1:]:  # type: ignore[index, union-attr]
            project = block.layers[2][0].weight
            project[:, : project.shape[1] // 4 // 16 * 16] = 0
        network.blocks[8].layers[2][1].weight.zero_()  # type: ignore[index, union-attr]
        network.blocks[8].layers[2][1].bias.zero_()  # type: ignore[index, union-attr]
    found = pruned(network, 0.93, lambda: [images], side)
    assert found.widths.dropped == ("blocks.8",)
    assert len(found.widths.channels) >= 3
    before = {group.name: group.count for group in channel_groups(network)}
    assert all(before[name] - count <= before[name] // 4 for name, count in found.widths.channels.items())


def test_layers_that_are_added_or_multiplied_share_their_channels() -> None:
    groups = {group.name: group for group in channel_groups(find_model("mobilenetv3_small").build(2, 64))}
    hidden = groups["blocks.4.layers.0.0"]  # expand, and the weights of squeeze-and-excitation
    assert hidden.makers == ["blocks.4.layers.0.0", "blocks.4.layers.2.weights.3"]
    assert "blocks.4.layers.1.0" in hidden.keepers  # the depthwise convolution
    assert set(hidden.readers) == {"blocks.4.layers.2.weights.1", "blocks.4.layers.3.0"}
    stream = groups["blocks.3.layers.3.0"]  # the outputs of blocks 3 to 5 are sums of each other
    assert stream.makers == ["blocks.3.layers.3.0", "blocks.4.layers.3.0", "blocks.5.layers.3.0"]
    residual = {group.name: group for group in channel_groups(find_model("resnet8").build(2, 32))}["stem.0"]
    assert residual.makers == ["stem.0", "blocks.0.layers.3"]
    assert droppable_blocks(find_model("resnet8").build(2, 32)) == ["blocks.0"]


def test_the_cost_of_layers_adds_up_to_the_multiply_accumulates() -> None:
    for name, side in SIZES.items():
        network = find_model(name).build(2, side).eval()
        layers = layer_costs(network, channel_groups(network), side)
        assert sum(macs(layer, layer.inputs, layer.outputs) for layer in layers) == multiply_accumulates(
            network, side, side
        )


def test_adopted_statistics_leave_the_answers_as_they_were() -> None:
    backend = shared_backend("resnet8")
    changed, images = copy.deepcopy(backend.network), _images(SIZES["resnet8"])
    adopt_statistics(changed, [images + 1])
    norm = changed.get_submodule("stem.1")
    assert not torch.allclose(norm.running_mean, backend.network.get_submodule("stem.1").running_mean)  # type: ignore[arg-type]
    assert torch.allclose(changed(images), backend.network(images), atol=1e-4)


def test_a_network_is_pruned_twice() -> None:
    network, side = shared_backend("resnet8").network, SIZES["resnet8"]
    images = _images(side)
    first = pruned(network, 0.8, lambda: [images], side)
    second = pruned(first.network, 0.8, lambda: [images], side)
    both = first.widths.then(second.widths)
    again = narrowed(MODELS["resnet8"], both).build(3, side).eval()
    again.load_state_dict(second.network.state_dict())
    assert torch.equal(again(images), second.network(images))


def test_widths_that_a_network_cannot_have_are_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot have 17 channels of stem\.0"):
        narrow(find_model("resnet8").build(2, 32), Widths({"stem.0": 17}))
    with pytest.raises(UsageError, match=r"no block blocks\.1 that could be dropped"):
        narrow(find_model("resnet8").build(2, 32), Widths({}, ("blocks.1",)))


def test_what_cannot_be_pruned_is_refused_by_name() -> None:
    network = shared_backend("resnet8").network
    with pytest.raises(UsageError, match=r"--prune 0\.01: this network cannot become smaller than 0\.\d+"):
        pruned(network, 0.01, lambda: [_images(40)], 40)
    with pytest.raises(UsageError, match=r"--prune 1\.5: expected a share"):
        pruned(network, 1.5, lambda: [_images(40)], 40)
    own = own_network(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)), 2, 32
    )
    with pytest.raises(UsageError, match="this network cannot be pruned"):
        channel_groups(own)
