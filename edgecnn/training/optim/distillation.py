"""Knowledge distillation.

A small network learns the outputs of a larger trained one (Hinton et al., arXiv 1503.02531), and which images the
larger one finds alike (Peng et al., arXiv 1904.01802): the logits of few classes tell little of an image, its features
tell much, and comparing images needs no layer between features of different widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.errors import CheckpointError
from edgecnn.manifest import Normalization
from edgecnn.preprocess import Image
from edgecnn.training.answers.answering import Answering
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint
from edgecnn.training.tensors import normalize, two_columns

__all__ = ["Answers", "AnswersWithFeatures", "Teacher", "checkpoint_teacher", "load_teacher"]

_TEMPERATURE = 4.0  # softens both distributions, so that the wrong classes' order is taught too
_SHARE = 0.7  # of the loss; the rest is the labels'
_ALIKE = 30.0  # weight of the mean squared difference of similarities, which are -1 to 1


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network computes of a batch."""

    logits: Tensor  # [N, C]; [N, 1] of a one-logit network
    features: Tensor | None  # [N, D], pooled; None where they are not at hand: the logits alone are learned


class AnswersWithFeatures(nn.Module):
    """A network that returns its pooled features ``[N, D]`` beside the logits, for a batch of normalised images."""

    def __init__(self, network: ImageClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised images, float ``[N, 3, H, W]`` -> logits and features."""
        features = self.network.features(images)
        return self.network.classifier(features), features


class Teacher:
    """The teacher network. It gets the same augmented images as the student (Beyer et al., arXiv 2106.05237)."""

    def __init__(
        self, network: ImageClassifier, size: tuple[int, int], rule: Normalization, device: torch.device
    ) -> None:
        frozen = network.eval().requires_grad_(False)
        placed = frozen.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = placed
        self._answering = Answering(placed, mixed=True, at_once=True)
        self._size, self._rule, self._device = size, rule, device  # height, width in pixels

    def blend(self, labels_loss: Tensor, answers: Answers, images: Image) -> Tensor:
        """Returns the weighted sum of the label loss ``[N]`` and the distance to the teacher's answers, ``[N]``.

        ``answers`` are the student's; ``images`` uint8 ``[N, H, W, 3]``, resized where the teacher takes another size.
        """
        logits, features = self._answers(images)
        student = functional.log_softmax(two_columns(answers.logits).float() / _TEMPERATURE, 1)
        teacher = functional.log_softmax(two_columns(logits).float() / _TEMPERATURE, 1)
        divergence = functional.kl_div(student, teacher, log_target=True, reduction="none").sum(1) * _TEMPERATURE**2
        each = (1 - _SHARE) * labels_loss + _SHARE * divergence
        if answers.features is None or len(answers.features) < 2:
            return each
        apart = _similarities(answers.features) - _similarities(features)  # [N, N], 0 on the diagonal
        return each + _ALIKE * apart.square().sum(1) / (len(apart) - 1)

    def _answers(self, images: Image) -> tuple[Tensor, Tensor]:
        """Logits and features."""
        with torch.no_grad():
            inputs = normalize(images, self._rule, self._device)  # [N, 3, H, W]
            if inputs.shape[2:] != self._size:
                inputs = functional.interpolate(inputs, self._size, mode="bilinear", antialias=True)
            features = self._answering.features(inputs)
            return self._answering.logits(features), features


def _similarities(features: Tensor) -> Tensor:
    """Cosines ``[N, N]`` between the features ``[N, D]`` of a batch's images, seen from their mean."""
    centred = functional.normalize(features.float() - features.float().mean(0), dim=1)
    return centred @ centred.T


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
