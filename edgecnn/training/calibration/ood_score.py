"""Unknown scores (out-of-distribution detection): computation in torch, and fitting.

Training has no unknown images. So the kind of score was chosen by measurements (``docs/unknown.md``), and only its
parameters and threshold are fitted here: the parameters on training images, the threshold on validation images, because
a network is overconfident on its training images.
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
from edgecnn.features.subspace import MIN_IMAGES as MIN_TRAINING_IMAGES
from edgecnn.features.subspace import TINY, fit_subspace
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
"""Fewer cannot tell a quantile of 5 % (two images beyond it); then training images help out, by cross-fitting."""

MIN_IMAGES = 40
"""Of both kinds together: with fewer no threshold is fitted."""

MAX_TRAINING_IMAGES = 1000
"""More do not move the score.

From 400 on it rejected the same (cats and dogs), so no more features need be computed.
"""

_FOLDS = 5
_MIN_FOR_SHIFT = 4  # validation images whose median says how much farther new images lie


class FeatureDistance(nn.Module):
    """:meth:`edgecnn.features.subspace.FeatureSubspace.distances` in torch, for the graph.

    Computed as ``sqrt(|z|^2 - |V'z|^2)``: one product with a thin matrix, since V has orthonormal columns.
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
        return torch.sqrt(torch.relu((z * z).sum(1) - (inside * inside).sum(1)) + TINY)


class Energy(nn.Module):
    """Free energy of the logits, before temperature (Liu et al., arXiv 2010.03759)."""

    def forward(self, _embedding: Tensor, logits: Tensor) -> Tensor:
        """Features ``[N, D]`` and logits ``[N, C]`` -> scores ``[N]``, higher is more unknown."""
        return -torch.logsumexp(logits, 1)


def _unit(features: Tensor) -> Tensor:
    """Rows of length 1; a row of zeros stays one."""
    return features / torch.sqrt((features * features).sum(1, keepdim=True) + TINY)


def build_score(rule: UnknownRule, tensors: Mapping[str, Tensor]) -> nn.Module | None:
    """Returns the module that computes the score of a rule; None if it is computed from the probabilities.

    Raises:
        CheckpointError: tensors of the score are missing.
    """
    if not rule.in_graph:
        return None
    if rule.score == "energy":
        return Energy()
    mean, basis = tensors.get("mean"), tensors.get("basis")
    if mean is None or basis is None or mean.ndim != 1 or basis.ndim != 2 or basis.shape[0] != mean.shape[0]:
        raise CheckpointError(
            "the mean and the basis of training features for feature_distance are missing; train again"
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
    *,
    cross_fit: bool = True,
) -> UnknownFit:
    """Fits the score on training features, and its threshold on validation images.

    Args:
        train_features: ``[M, D]`` of images that were trained on, as the device sees them; at most
            MAX_TRAINING_IMAGES are needed.
        val_features: ``[N, D]``, of the same network.
        val_logits: ``[N, C]``, two columns of a one-logit network.
        temperature: temperature of the probabilities.
        score: kind of score; ``auto`` is the feature distance, or the largest probability if the features do not
            suffice (fewer than 20 training images, fewer than 8 features, or all features equal).
        rate: false reject rate: share of in-distribution images that may be rejected.
        cross_fit: whether training images may help where validation images are few. Only features that were learned
            on more images than these can bear that: those of pretrained weights.

    Raises:
        CheckpointError: the feature distance was requested, but the features do not suffice for it.

    Returns:
        With fewer than 40 validation images, a feature distance whose threshold training images helped to fit
        (:func:`_cross_fitted`); a rule that is off where all images together are fewer than 40, or carry no distance.
    """
    few = len(val_logits) < MIN_VALIDATION_IMAGES
    if len(val_logits) + (len(train_features) if score in ("auto", "feature_distance") else 0) < MIN_IMAGES:
        return UnknownFit(UnknownRule())
    tensors = _fit_subspace(train_features) if score in ("auto", "feature_distance") else {}
    if score == "auto":
        score = "feature_distance" if tensors else "max_probability"
    if few and not (cross_fit and score == "feature_distance"):
        return UnknownFit(UnknownRule())  # a network is sure of its training images: they tell nothing of the others
    rule = UnknownRule(score)
    module = build_score(rule, tensors)
    with torch.inference_mode():
        found = module(val_features, val_logits) if module else (val_logits / temperature).softmax(1).amax(1)
    if few:
        found = torch.cat([found, _cross_fitted(train_features, found)])
    return UnknownFit(fit_threshold(rule, found.numpy(), rate), tensors)


def _cross_fitted(train_features: Tensor, val_scores: Tensor) -> Tensor:
    """Scores ``[M]`` of training images, each by a subspace that was fitted without it.

    The network itself was trained on them, so new images lie farther out. How much farther the medians tell: the scores
    are moved up by their distance.
    """
    fold = torch.arange(len(train_features)) % _FOLDS
    scores = torch.empty(len(train_features))
    for k in range(_FOLDS):
        tensors = _fit_subspace(train_features[fold != k], least=MIN_TRAINING_IMAGES * (_FOLDS - 1) // _FOLDS)
        if not tensors:
            return torch.empty(0)
        with torch.inference_mode():
            scores[fold == k] = FeatureDistance(tensors["mean"], tensors["basis"])(
                train_features[fold == k].float(), torch.empty(0)
            )
    if len(val_scores) >= _MIN_FOR_SHIFT:
        scores += torch.relu(val_scores.median() - scores.median())
    return scores


def spread(count: int, most: int = MAX_TRAINING_IMAGES) -> list[int]:
    """Returns at most ``most`` evenly spaced indices below ``count``: the training images to fit the score on."""
    return [int(i) for i in np.linspace(0, count - 1, min(count, most)).round()]


def _fit_subspace(features: Tensor, least: int = MIN_TRAINING_IMAGES) -> dict[str, Tensor]:
    """Mean and principal directions of unit features; empty where they carry none."""
    found = fit_subspace(features.numpy(), least)
    if found is None:
        return {}
    return {"mean": torch.from_numpy(found.mean), "basis": torch.from_numpy(found.basis)}
