"""Where a run with ``--prune`` begins: a smaller network made of the one that it starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from edgecnn.progress import Reporter
from edgecnn.training.calibration.ood_score import spread
from edgecnn.training.data.prepared import PreparedData
from edgecnn.training.images.beginning import fit_classifier
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import find_model
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.pruning.prune import pruned
from edgecnn.training.pruning.widths import Widths
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.setup import Setup
from edgecnn.training.tensors import normalize

__all__ = ["pruned_start"]

_IMAGES = 256  # that the importance of channels is computed on


def pruned_start(
    network: ImageClassifier, share: float, setup: Setup, prepared: PreparedData, reporter: Reporter
) -> tuple[ImageClassifier, Setup]:
    """The network with a share of its multiply-accumulates, and the setup with its widths; the same in every process.

    Args:
        network: with its starting weights; its classifier is fitted if it is new, else the network is left as it is.
        share: of the multiply-accumulates, above 0, below 1.
        setup: of the run.
        prepared: its images; the importance of channels is computed on training images as the device sees them.
        reporter: told of stages.

    Raises:
        UsageError: the network cannot become so small.
    """
    labels = prepared.data.labels
    if setup.start_from is None or load_checkpoint(setup.start_from).manifest.labels != labels:
        fit_classifier(network, setup, prepared, reporter)
    images = prepared.exact("train")
    chosen = spread(len(images), _IMAGES)

    def batches() -> Iterator[Tensor]:
        for i in range(0, len(chosen), prepared.batch):
            yield normalize(
                images[torch.tensor(chosen[i : i + prepared.batch]).numpy()], setup.normalization, setup.device
            )

    found = pruned(network, share, batches, setup.imgsz, reporter.stage("pruning"))
    before = setup.spec.widths or Widths()
    # gathered from one process: rounding may differ between machines, and with it the choice
    widths, weights, left = prepared.world.agree(
        (before.then(found.widths), found.network.state_dict(), found.macs_share)
    )
    spec = narrowed(find_model(setup.spec.name), widths)
    network = spec.build(len(labels), setup.imgsz)
    network.load_state_dict(weights)
    parameters = sum(p.numel() for p in network.parameters())
    reporter.say(
        f"pruned to {left:.0%} of the multiply-accumulates, {parameters:,} parameters: fewer channels in "
        f"{len(found.widths.channels)} groups of layers, {len(found.widths.dropped)} blocks removed"
    )
    return network.to(setup.device), replace(setup, spec=spec)
