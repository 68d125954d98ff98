"""Decides whether a taught model is written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.teaching.head.known_classes import Loss

__all__ = ["Evidence", "gate"]

_CERTAIN = 1.28  # standard errors: one-sided 90 %


@dataclass(frozen=True, eq=False)
class Evidence:
    """What cross-validation found."""

    hits: NDArray[np.bool_]  # [N], the taught model
    hits_before: NDArray[np.bool_] | None  # [N], the model as it was; None: it has none of the classes
    majority: float  # share of the images that are of the largest class
    groups: NDArray[np.intp]  # [N], of near-duplicates and sessions
    loss: Loss | None  # on the classes that it knew; None with --replace
    max_drop: float


def gate(evidence: Evidence) -> tuple[bool, str]:
    """Whether the model passes, and the reason in one sentence."""
    loss, top1 = evidence.loss, float(evidence.hits.mean())
    if loss is not None and loss.drop > evidence.max_drop:
        return False, (
            f"top-1 on the classes it knew would fall from {loss.before:.4f} to {loss.after:.4f}, more than "
            f"{evidence.max_drop:g}; add images of those classes, or allow it with --max-drop"
        )
    if evidence.hits_before is None:
        gain, what = evidence.hits - evidence.majority, f"always naming the largest class {evidence.majority:.4f}"
    else:
        gain = evidence.hits.astype(np.float64) - evidence.hits_before
        what = f"the model as it is {evidence.hits_before.mean():.4f}"
    if evidence.hits_before is not None and evidence.hits_before.all():
        return False, "the model as it is answers all of these images right; label images that it gets wrong"
    if not _certainly_positive(gain, evidence.groups):
        return False, (
            f"by cross-validation its top-1 is {top1:.4f}, {what}: not certainly better on "
            f"{len(np.unique(evidence.groups))} independent images; label more of them"
        )
    kept = "" if loss is None else f"; on the classes it knew {loss.after:.4f}, before {loss.before:.4f}"
    return True, f"by cross-validation its top-1 is {top1:.4f}, {what}{kept}"


def _certainly_positive(gain: NDArray[np.floating], groups: NDArray[np.intp]) -> bool:
    """Whether the mean is above 0 by more than chance; images of one group count as one."""
    _, of_group = np.unique(groups, return_inverse=True)
    means = np.bincount(of_group, gain) / np.bincount(of_group)
    if len(means) < 2:
        return False
    error = float(means.std(ddof=1)) / math.sqrt(len(means))
    return float(means.mean()) - _CERTAIN * error > 0
