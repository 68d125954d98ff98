"""Normalization of pixels, and logits to probabilities, in torch: the first and last steps of the exported graph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgecnn.manifest import Normalization
from edgecnn.preprocess import Image

__all__ = ["loss", "normalize", "two_columns"]


def normalize(images: Image, rule: Normalization, device: torch.device) -> Tensor:
    """uint8 ``[N, H, W, 3]`` RGB -> float ``[N, 3, H, W]``, in channels-last memory format."""
    tensor = torch.from_numpy(images).to(device, non_blocking=True).permute(0, 3, 1, 2)
    return (tensor.float() - rule.zero_point) / rule.scale


def two_columns(logits: Tensor) -> Tensor:
    """Converts the logit ``[N, 1]`` of the second class to ``[N, 2]``; returns other logits unchanged."""
    return functional.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits


def loss(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Returns the cross-entropy of each image ``[N]``, in nats, for targets ``[N, C]``.

    Uses binary cross-entropy for one logit ``[N, 1]``, else softmax.
    """
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0].float(), targets[:, 1], reduction="none")
    return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
