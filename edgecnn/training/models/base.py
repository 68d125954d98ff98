"""What every network here offers: features, a classifier on them, and the normalisation it expects."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

__all__ = ["ImageClassifier"]


class ImageClassifier(nn.Module):
    """A network in two parts, so that features can be cached, exported and evaluated apart from the classifier.

    ``classifier`` is the last linear layer and what belongs to it (dropout); the rest computes the features.
    """

    classifier: nn.Module
    # Names of the modules that ``features`` applies to the feature map, and that have weights
    behind_feature_map: ClassVar[tuple[str, ...]] = ()
    # How weights should lie for training: as OpenCV's pixels lie
    memory_format: ClassVar[torch.memory_format] = torch.channels_last

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, D]``."""

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> the last feature map ``[N, C, h, w]``, not yet pooled.

        Here the pooled features as a map of one cell, ``[N, D, 1, 1]``, for networks that do not tell their last map.
        """
        return self.features(images)[:, :, None, None]

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> logits ``[N, C]``; ``[N, 1]`` of a one-logit network."""
        logits: Tensor = self.classifier(self.features(images))
        return logits

    def head_parameters(self) -> list[nn.Parameter]:
        """The weights that are new for every task, and learn at the full rate."""
        return list(self.classifier.parameters())

    def early_parts(self) -> list[nn.Module]:
        """The parts that see an image first, in order: what fine-tuning may leave as it is."""
        return []
