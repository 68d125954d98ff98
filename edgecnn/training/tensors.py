"""Pixels to what the network takes, and its logits to probabilities.

The torch twin of the exported graph's first and last steps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgecnn.manifest import Normalization
from edgecnn.preprocess import Image

__all__ = ["loss", "normalize", "two_columns"]


def normalize(images: Image, rule: Normalization, device: torch.device) -> Tensor:
    """uint8 ``[N, H, W, 3]`` RGB -> float ``[N, 3, H, W]``, stored channels last, as OpenCV's pixels lie."""
    tensor = torch.from_numpy(images).to(device, non_blocking=True).permute(0, 3, 1, 2)
    return (tensor.float() - rule.zero_point) / rule.scale


def two_columns(logits: Tensor) -> Tensor:
    """The logit ``[N, 1]`` of the second class -> ``[N, 2]`` with the same probabilities; other logits as they are."""
    return functional.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits


def loss(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy of each image ``[N]``, in nats, against targets ``[N, C]``.

    Binary on one logit ``[N, 1]``, else on softmax.
    """
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0].float(), targets[:, 1], reduction="none")
    return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
