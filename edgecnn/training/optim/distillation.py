"""Knowledge distillation.

A small network learns the outputs of a larger trained one (Hinton et al., arXiv 1503.02531).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from edgecnn.errors import CheckpointError
from edgecnn.manifest import Normalization
from edgecnn.preprocess import Image
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.precision import mixed_precision
from edgecnn.training.optim.small_batches import in_small_batches
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint
from edgecnn.training.tensors import normalize, two_columns

__all__ = ["Teacher", "checkpoint_teacher", "load_teacher"]

_TEMPERATURE = 4.0  # softens both distributions, so that the wrong classes' order is taught too
_SHARE = 0.7  # of the loss; the rest is the labels'


class Teacher:
    """The teacher network. It gets the same augmented images as the student (Beyer et al., arXiv 2106.05237)."""

    def __init__(
        self, network: ImageClassifier, size: tuple[int, int], rule: Normalization, device: torch.device
    ) -> None:
        frozen = network.eval().requires_grad_(False)
        self._network = frozen.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._size, self._rule, self._device = size, rule, device  # height, width in pixels

    def blend(self, labels_loss: Tensor, logits: Tensor, images: Image) -> Tensor:
        """Returns the weighted sum of the label loss ``[N]`` and the divergence from the teacher, ``[N]``.

        ``logits`` are the student's ``[N, C]``; ``images`` uint8 ``[N, H, W, 3]``, resized where the teacher takes
        another size.
        """
        student = functional.log_softmax(two_columns(logits).float() / _TEMPERATURE, 1)
        shown = functional.log_softmax(self._answers(images).float() / _TEMPERATURE, 1)
        divergence = functional.kl_div(student, shown, log_target=True, reduction="none").sum(1) * _TEMPERATURE**2
        return (1 - _SHARE) * labels_loss + _SHARE * divergence

    def _answers(self, images: Image) -> Tensor:
        with torch.no_grad(), mixed_precision(self._device):
            inputs = normalize(images, self._rule, self._device)  # [N, 3, H, W]
            if inputs.shape[2:] != self._size:
                inputs = functional.interpolate(inputs, self._size, mode="bilinear", antialias=True)
            return two_columns(in_small_batches(self._network, inputs))


def load_teacher(path: Path, labels: tuple[str, ...], device: torch.device) -> Teacher:
    """Loads a teacher. Raises :class:`CheckpointError` if it is not a checkpoint or has other classes."""
    checkpoint = load_checkpoint(path)
    if checkpoint.manifest.labels != labels:
        raise CheckpointError(
            f"{path}: the teacher knows {', '.join(checkpoint.manifest.labels[:6])}, the data holds "
            f"{', '.join(labels[:6])}; "
            "train the teacher on the same classes"
        )
    return checkpoint_teacher(checkpoint, device)


def checkpoint_teacher(checkpoint: Checkpoint, device: torch.device) -> Teacher:
    """The network of a checkpoint as teacher. Raises as :meth:`edgecnn.training.run.checkpoint.Checkpoint.build`."""
    manifest = checkpoint.manifest
    return Teacher(checkpoint.build(), (manifest.input.height, manifest.input.width), manifest.normalization, device)
