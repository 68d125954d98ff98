"""Batch-norm statistics of a pruned network: each channel keeps the mean and deviation that it had before.

A network that was fine-tuned with frozen statistics does not have those of its own images: computing them anew harms
even an unpruned one. So the affine weights are first rewritten for the images' own statistics, which changes no answer.
After channels are gone, the statistics can be computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

__all__ = ["adopt_statistics", "estimate_statistics"]


@dataclass(eq=False)
class _Sums:
    """Over the values of each channel, ``[C]``."""

    values: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    squares: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    count: int = 0

    def add(self, x: Tensor) -> None:
        """``[N, C, H, W]``."""
        self.values = self.values + x.double().sum((0, 2, 3))
        self.squares = self.squares + x.double().square().sum((0, 2, 3))
        self.count += x.numel() // x.shape[1]

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        mean, squares = self.values / self.count, self.squares / self.count
        return mean.float(), (squares - mean.square()).clamp(min=0).float()


def adopt_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Gives each batch-norm the statistics of these images and affine weights that leave its answers as they were.

    Args:
        network: changed in place.
        batches: normalised images, float ``[N, 3, H, W]``.
    """
    norms = _batch_norms(network)
    for name, sums in _inputs_of(network, norms, batches).items():
        norm = norms[name]
        mean, variance = sums.mean_and_variance()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            norm.bias.add_(factor * (mean - norm.running_mean))
            norm.weight.copy_(factor * torch.sqrt(variance + norm.eps))
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def estimate_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Computes the statistics of batch-norm anew: means over these batches, each layer on the new answers before it."""
    norms = _batch_norms(network).values()
    momenta = [norm.momentum for norm in norms]
    before = network.training
    network.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    with torch.no_grad():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(before)


def _batch_norms(network: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}


def _inputs_of(network: nn.Module, norms: Mapping[str, nn.BatchNorm2d], batches: Iterable[Tensor]) -> dict[str, _Sums]:
    found = {name: _Sums() for name in norms}

    def noting(sums: _Sums) -> object:
        return lambda _module, inputs: sums.add(inputs[0])

    hooks = [
        norm.register_forward_pre_hook(noting(found[name]))  # type: ignore[arg-type]
        for name, norm in norms.items()
    ]
    before = network.training
    network.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        network.train(before)
        for hook in hooks:
            hook.remove()
    return found
