"""Removes channels and blocks of a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edgecnn.errors import UsageError
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.pruning.channel_groups import ChannelGroup, channel_groups
from edgecnn.training.pruning.widths import Widths

__all__ = ["drop_block", "droppable_blocks", "keep_channels", "narrow"]


def narrow(network: ImageClassifier, widths: Widths) -> ImageClassifier:
    """Gives a full network these widths, in place, to load or train weights; of each group the first channels stay.

    Raises:
        UsageError: the widths are not those of this network.
    """
    droppable = droppable_blocks(network)
    for block in widths.dropped:
        if block not in droppable:
            raise UsageError(f"pruned network: it has no block {block} that could be dropped")
        drop_block(network, block)
    groups = {group.name: group for group in channel_groups(network)}
    kept = {}
    for name, count in widths.channels.items():
        if name not in groups or not 0 < count <= groups[name].count:
            raise UsageError(f"pruned network: it cannot have {count} channels of {name}")
        kept[name] = torch.arange(count)
    keep_channels(network, list(groups.values()), kept)
    return network


def droppable_blocks(network: nn.Module) -> list[str]:
    """Names of the blocks that add to their input, and leave it unchanged if they add nothing."""
    return [name for name, module in network.named_modules() if getattr(module, "residual", False) is True]


def drop_block(network: nn.Module, name: str) -> None:
    """Replaces a residual block by its shortcut, in place."""
    parent, _, child = name.rpartition(".")
    network.get_submodule(parent).add_module(child, nn.Identity())


def keep_channels(network: nn.Module, groups: list[ChannelGroup], kept: Mapping[str, Tensor]) -> None:
    """Removes the other channels, in place.

    Args:
        network: whose layers the groups name.
        groups: of the network.
        kept: by a group's name, the places of the channels that stay, int64 ``[K]``, ascending.
    """
    for group in groups:
        if group.name not in kept:
            continue
        places = kept[group.name]
        for name in (*group.makers, *group.keepers):
            _keep_outputs(network.get_submodule(name), places)
        for name in group.readers:
            _keep_inputs(network.get_submodule(name), places, group.count)


def _keep_outputs(layer: nn.Module, places: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        _select(layer, name, 0, places)
    if isinstance(layer, nn.BatchNorm2d):
        layer.num_features = len(places)
    elif isinstance(layer, nn.Linear):
        layer.out_features = len(places)
    elif isinstance(layer, nn.Conv2d):
        layer.out_channels = len(places)
        if layer.groups > 1:  # depthwise
            layer.in_channels = layer.groups = len(places)


def _keep_inputs(layer: nn.Module, places: Tensor, channels: int) -> None:
    if isinstance(layer, nn.Conv2d):
        _select(layer, "weight", 1, places)
        layer.in_channels = len(places)
        return
    assert isinstance(layer, nn.Linear)
    cells = layer.in_features // channels  # of a map that was flattened, each channel's side by side
    _select(layer, "weight", 1, (places[:, None] * cells + torch.arange(cells)).flatten())
    layer.in_features = len(places) * cells


def _select(layer: nn.Module, name: str, axis: int, places: Tensor) -> None:
    found = getattr(layer, name, None)
    if not isinstance(found, Tensor):
        return
    chosen = found.detach().index_select(axis, places.to(found.device)).clone()
    setattr(layer, name, nn.Parameter(chosen) if isinstance(found, nn.Parameter) else chosen)
