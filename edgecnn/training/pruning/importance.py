"""How much a network's answers change if channels or blocks are removed.

Fisher information (Theis et al., "Faster gaze prediction", arXiv 1801.05787; Molchanov et al., arXiv 1906.10771): half
the mean square, over images, of activation times gradient. That is the second-order estimate of the loss in nats which
removing a channel causes. The loss is against classes drawn from the network's own softened answers: a trained
network's gradients on its training labels are nearly zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.pruning.channel_groups import ChannelGroup
from edgecnn.training.tensors import two_columns

__all__ = ["Importance", "importance"]

_TEMPERATURE = 4.0  # of the answers, as distillation softens them


@dataclass(frozen=True, eq=False)
class Importance:
    """Estimated loss in nats an image."""

    channels: Mapping[str, Tensor]  # [count] by a group's name
    blocks: Mapping[str, float]  # by a block's name


def importance(
    network: ImageClassifier, groups: Sequence[ChannelGroup], blocks: Sequence[str], batches: Iterable[Tensor]
) -> Importance:
    """Estimates the loss that each channel and each block prevents.

    Args:
        network: a trained one; its weights stay as they are.
        groups: its groups of channels.
        blocks: names of its residual blocks.
        batches: normalised images, float ``[N, 3, H, W]``.
    """
    random = torch.Generator().manual_seed(0)
    sums = {group.name: torch.zeros(group.count) for group in groups} | {name: torch.zeros(1) for name in blocks}
    images = 0
    before = network.training
    network.eval()
    for batch in batches:
        effects: dict[str, list[Tensor]] = {name: [] for name in sums}
        with _gates(network, groups, blocks, effects):
            # Gradients reach the readers of the first group too, for which the image needs one
            logits = two_columns(network(batch.clone().requires_grad_())).float() / _TEMPERATURE
            drawn = torch.multinomial(logits.detach().softmax(1).cpu(), 1, generator=random)[:, 0]
            loss = functional.cross_entropy(logits, drawn.to(logits.device), reduction="sum") * _TEMPERATURE
            loss.backward()  # type: ignore[no-untyped-call]
        for name, found in effects.items():
            if found:
                sums[name] += torch.stack(found).sum(0).square().sum(0).cpu()
        images += len(batch)
        network.zero_grad(set_to_none=True)
    network.train(before)
    halves = {name: total / (2 * max(images, 1)) for name, total in sums.items()}
    return Importance(
        {group.name: halves[group.name] for group in groups}, {name: float(halves[name]) for name in blocks}
    )


@contextmanager
def _gates(
    network: nn.Module, groups: Sequence[ChannelGroup], blocks: Sequence[str], effects: dict[str, list[Tensor]]
) -> Iterator[None]:
    """Collects the derivative of the loss by a gate, image by image, while gradients flow back."""
    hooks = []

    def reading(name: str, count: int) -> object:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0]
            seen = x.detach()
            x.register_hook(  # type: ignore[no-untyped-call]
                lambda grad: effects[name].append((seen * grad).reshape(len(seen), count, -1).sum(2).float())
            )

        return hook

    def adding(name: str) -> object:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen = output.detach()
            output.register_hook(  # type: ignore[no-untyped-call]
                lambda grad: effects[name].append((seen * grad).flatten(1).sum(1, keepdim=True).float())
            )

        return hook

    for group in groups:
        for reader in group.readers:
            hook = reading(group.name, group.count)
            hooks.append(network.get_submodule(reader).register_forward_pre_hook(hook))  # type: ignore[arg-type]
    for block in blocks:
        branch = network.get_submodule(block).get_submodule("layers")  # what the block adds to its input
        hooks.append(branch.register_forward_hook(adding(block)))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
