"""Makes a smaller network of a trained one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from edgecnn.errors import UsageError
from edgecnn.image_size import ImageSize
from edgecnn.progress import Progress
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.pruning.channel_groups import channel_groups
from edgecnn.training.pruning.choice import choose
from edgecnn.training.pruning.importance import importance
from edgecnn.training.pruning.layer_cost import layer_costs, macs
from edgecnn.training.pruning.narrow import drop_block, droppable_blocks, keep_channels
from edgecnn.training.pruning.statistics import adopt_statistics, estimate_statistics
from edgecnn.training.pruning.widths import Widths

__all__ = ["Pruned", "pruned"]

_ROUNDS = 2  # the importance of what stays changes with what goes


@dataclass(frozen=True, eq=False)
class Pruned:
    """A pruned network, not yet fine-tuned."""

    network: ImageClassifier
    widths: Widths
    macs_share: float  # of the network before


def pruned(
    network: ImageClassifier,
    share: float,
    batches: Callable[[], Iterable[Tensor]],
    imgsz: ImageSize,
    progress: Progress | None = None,
) -> Pruned:
    """A copy of a network with fewer channels and blocks: those that its answers on these images depend on least.

    Args:
        network: a trained one, not pruned yet; it is left as it is.
        share: of its multiply-accumulates that may stay, above 0, below 1.
        batches: gives the same normalised training images in each call, float ``[N, 3, H, W]``; 256 in all are enough.
        imgsz: image size in pixels.
        progress: told of finished rounds.

    Raises:
        UsageError: the share is outside its range, or the network cannot become so small, or not be pruned at all.
    """
    if not 0 < share < 1:
        raise UsageError(f"--prune {share:g}: expected a share of the multiply-accumulates above 0, below 1")
    found = copy.deepcopy(network)
    adopt_statistics(found, batches())
    full = sum(macs(layer, layer.inputs, layer.outputs) for layer in layer_costs(found, channel_groups(found), imgsz))
    dropped: list[str] = []
    left = 1.0
    for number in range(1, _ROUNDS + 1):
        groups, blocks = channel_groups(found), droppable_blocks(found)
        layers = layer_costs(found, groups, imgsz)
        choice = choose(groups, layers, importance(found, groups, blocks, batches()), share ** (number / _ROUNDS), full)
        keep_channels(found, groups, choice.kept)
        for block in choice.dropped:
            drop_block(found, block)
        dropped += choice.dropped
        left = choice.macs_share
        estimate_statistics(found, batches())
        if progress:
            progress(number, _ROUNDS)
    if left > share:
        raise UsageError(f"--prune {share:g}: this network cannot become smaller than {left:.2f}; give a larger share")
    return Pruned(found, Widths(_changed(network, found), tuple(dropped)), left)


def _changed(full: ImageClassifier, found: ImageClassifier) -> dict[str, int]:
    before = {group.name: group.count for group in channel_groups(full)}
    return {g.name: g.count for g in channel_groups(found) if g.count != before[g.name]}
