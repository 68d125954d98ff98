"""The loss of a batch of clips."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.manifest import Normalization
from edgecnn.training.learner import BatchLearner
from edgecnn.training.optim.precision import mixed_precision
from edgecnn.training.temporal.clip_batches import ClipBatch
from edgecnn.training.temporal.frame_labels import UNLABELLED
from edgecnn.training.temporal.network import ClipClassifier
from edgecnn.training.tensors import normalize

__all__ = ["ClipLearner", "clip_embeddings", "clip_losses"]


class ClipLearner(BatchLearner[ClipBatch]):
    """Trains on clips: on frames, which train the CNN too, or on embeddings of a frozen CNN."""

    def losses(self, batch: ClipBatch, network: nn.Module) -> Tensor:
        """The mean loss of the labelled steps of each clip ``[N]``, in nats."""
        setup = self._setup
        assert isinstance(network, ClipClassifier)  # not wrapped for several processes
        with mixed_precision(setup.device, wanted=setup.recipe.mixed_precision):
            embeddings = clip_embeddings(network, batch, setup.normalization, setup.device)
            logits = network.at_every_step(embeddings)
        targets = torch.from_numpy(batch.targets).to(logits.device)
        return clip_losses(logits.float(), targets, setup.recipe.label_smoothing)


def clip_embeddings(
    network: ClipClassifier, batch: ClipBatch, normalization: Normalization, device: torch.device
) -> Tensor:
    """Embeddings ``[N, T, D]`` of the CNN; zeros after the end of a clip.

    The CNN gets no padding, whose zeros would falsify the statistics of its batch normalization.
    """
    if batch.steps.ndim == 3:
        return torch.from_numpy(batch.steps).to(device)
    clips, longest = batch.steps.shape[:2]
    valid = np.arange(longest) < batch.lengths[:, None]  # [N, T]
    embedded = network.embed(normalize(batch.steps[valid], normalization, device))  # [frames, D]
    embeddings = embedded.new_zeros((clips, longest, embedded.shape[1]))
    embeddings[torch.from_numpy(valid).to(device)] = embedded
    return embeddings


def clip_losses(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """The mean cross-entropy over the labelled steps of each clip ``[N]``, in nats.

    Args:
        logits: ``[N, T, C]``.
        targets: class indices ``[N, T]``, UNLABELLED where nothing is learned.
        label_smoothing: fraction of the target that is spread over all classes.
    """
    each = functional.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=UNLABELLED, reduction="none", label_smoothing=label_smoothing
    )  # [N, T]
    return each.sum(1) / (targets != UNLABELLED).sum(1).clamp(min=1)
