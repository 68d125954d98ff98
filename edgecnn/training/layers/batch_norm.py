"""Batch normalization: which layers of a network estimate, and from how few values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BATCH_NORMS", "fewest_values"]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fewest_values(network: nn.Module, image: Tensor) -> int | None:
    """Number of values per channel that one image gives the layer that gets the fewest.

    Only layers in training mode count. The network is left as it is.

    Args:
        network: takes ``image``; layers that estimate statistics are in training mode.
        image: float ``[1, 3, H, W]``.

    Returns:
        At least 1; None if no layer estimates.
    """
    found: list[int] = []
    modes = {module: module.training for module in network.modules()}
    hooks = [
        module.register_forward_pre_hook(lambda _module, inputs: found.append(inputs[0][0, 0].numel()))
        for module, training in modes.items()
        if training and isinstance(module, BATCH_NORMS)
    ]
    network.eval()
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return min(found, default=None)
