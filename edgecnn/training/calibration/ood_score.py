"""The rule by which a model says `unknown`.

What is measured, how it is fitted, and the torch twin of the nodes that compute it.

No unknown image is at hand when a model is trained, so the kind of score is settled by what was measured beforehand
(``docs/unknown.md``) and only its parameters and its threshold are fitted here: the parameters on training images, the
threshold on validation images alone, since a network knows its training images too well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from edgecnn.errors import CheckpointError
from edgecnn.evaluation.ood_threshold import FALSE_REJECT_RATE, fit_threshold
from edgecnn.manifest import UnknownRule, UnknownScore

__all__ = [
    "MAX_TRAINING_IMAGES",
    "MIN_VALIDATION_IMAGES",
    "Energy",
    "FeatureDistance",
    "UnknownFit",
    "build_score",
    "fit_unknown",
    "spread",
]

MIN_VALIDATION_IMAGES = 40
"""Fewer cannot tell a quantile of 5 % (two images beyond it), and no threshold is fitted."""

MAX_TRAINING_IMAGES = 1000
"""More do not move the score.

From 400 on it rejected the same (cats and dogs), so no more features need be computed.
"""

_DIRECTIONS = 32  # of the subspace; 16 to 128 differ by less than chance
_MIN_TRAINING_IMAGES = 20
_MIN_FEATURES = 8
_TINY = 1e-12


class FeatureDistance(nn.Module):
    """Distance of an image's features from what training images span: 0 inside the subspace, at most 2.

    ``|z - V V'z|`` with ``z = f / |f| - mean``: the residual outside the principal subspace of ViM (Wang et al., arXiv
    2203.10807), here on features of length 1, as in Mahalanobis++ (Mueller and Hein, arXiv 2505.18032), and from their
    mean. Computed as ``sqrt(|z|^2 - |V'z|^2)``: one product with a thin matrix, since V has orthonormal columns.
    """

    def __init__(self, mean: Tensor, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # [D]
        self.register_buffer("basis", basis)  # [D, k], orthonormal columns
        self.mean: Tensor
        self.basis: Tensor

    def forward(self, embedding: Tensor, _logits: Tensor) -> Tensor:
        """Features ``[N, D]`` and logits ``[N, C]`` -> scores ``[N]``, higher is more unknown."""
        z = _unit(embedding) - self.mean
        inside = z @ self.basis  # [N, k]
        return torch.sqrt(torch.relu((z * z).sum(1) - (inside * inside).sum(1)) + _TINY)


class Energy(nn.Module):
    """Free energy of the logits, before temperature (Liu et al., arXiv 2010.03759)."""

    def forward(self, _embedding: Tensor, logits: Tensor) -> Tensor:
        """Features ``[N, D]`` and logits ``[N, C]`` -> scores ``[N]``, higher is more unknown."""
        return -torch.logsumexp(logits, 1)


def _unit(features: Tensor) -> Tensor:
    """Rows of length 1; a row of zeros stays one."""
    return features / torch.sqrt((features * features).sum(1, keepdim=True) + _TINY)


def build_score(rule: UnknownRule, tensors: Mapping[str, Tensor]) -> nn.Module | None:
    """What computes a rule's score on torch; None where it is a function of the probabilities.

    Raises:
        CheckpointError: the tensors are not those of the score.
    """
    if not rule.in_graph:
        return None
    if rule.score == "energy":
        return Energy()
    mean, basis = tensors.get("mean"), tensors.get("basis")
    if mean is None or basis is None or mean.ndim != 1 or basis.ndim != 2 or basis.shape[0] != mean.shape[0]:
        raise CheckpointError(
            "feature_distance needs the mean and the basis of training features, which are not there; train again"
        )
    return FeatureDistance(mean, basis)


@dataclass(frozen=True)
class UnknownFit:
    """A fitted rule, and the tensors of its score for the checkpoint.

    Mean ``[D]`` and basis ``[D, k]`` of a feature distance.
    """

    rule: UnknownRule
    tensors: dict[str, Tensor] = field(default_factory=dict)


def fit_unknown(
    train_features: Tensor,
    val_features: Tensor,
    val_logits: Tensor,
    temperature: float = 1.0,
    score: UnknownScore | Literal["auto"] = "auto",
    rate: float = FALSE_REJECT_RATE,
) -> UnknownFit:
    """Fits the score on training features and its threshold on validation images.

    Args:
        train_features: ``[M, D]`` of images that were trained on, as the device sees them; at most
            MAX_TRAINING_IMAGES are needed.
        val_features: ``[N, D]``, of the same network.
        val_logits: ``[N, C]``, two columns of a one-logit network.
        temperature: that the probabilities will have.
        score: which; ``auto`` is the feature distance, or the largest probability where the features cannot carry
            one (fewer than 20 training images, fewer than 8 features, or all of them alike).
        rate: share of genuine images that may be lost.

    Raises:
        CheckpointError: the feature distance was asked for by name and the features cannot carry one.

    Returns:
        A rule that rejects nothing where fewer than 40 validation images could tell the threshold.
    """
    if len(val_logits) < MIN_VALIDATION_IMAGES:
        return UnknownFit(UnknownRule())
    tensors = _fit_subspace(train_features) if score in ("auto", "feature_distance") else {}
    if score == "auto":
        score = "feature_distance" if tensors else "max_probability"
    rule = UnknownRule(score)
    module = build_score(rule, tensors)
    with torch.inference_mode():
        found = module(val_features, val_logits) if module else (val_logits / temperature).softmax(1).amax(1)
    return UnknownFit(fit_threshold(rule, found.numpy(), rate), tensors)


def spread(count: int, most: int = MAX_TRAINING_IMAGES) -> list[int]:
    """At most so many of ``count`` places, evenly apart: which training images the score is fitted on."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, most)).round()]


def _fit_subspace(features: Tensor) -> dict[str, Tensor]:
    """Mean and principal directions of unit features; empty where they carry none."""
    images, width = features.shape
    if images < _MIN_TRAINING_IMAGES or width < _MIN_FEATURES or not torch.isfinite(features).all():
        return {}
    unit = _unit(features.double())
    mean = unit.mean(0)
    centred = unit - mean
    if not float(centred.square().sum(1).mean()) > 1e-8:  # all images alike to the network
        return {}
    directions = min(_DIRECTIONS, width // 4, images // 2)
    basis = torch.linalg.svd(centred, full_matrices=False).Vh[:directions].T
    return {"mean": mean.float(), "basis": basis.float().contiguous()}
