"""Moves an int8 file's rejection threshold until it rejects as many genuine images as the float file does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from edgecnn.evaluation.evaluation import DatasetPredictions
from edgecnn.evaluation.ood_threshold import rejected, threshold_beyond
from edgecnn.manifest import UnknownRule
from edgecnn.runtime.session.opening import open_session
from exporters.graph.metadata import describe, write_unchecked

__all__ = ["Rejection", "match_rejection"]

_MIN_IMAGES = 40  # as in training: fewer cannot tell a 5 % quantile


@dataclass(frozen=True)
class Rejection:
    """Shares of the evaluated images, all of them genuine, that are called unknown; and the int8 file's threshold."""

    float_: float
    quantized: float  # by the float file's threshold
    matched: float  # by the int8 file's own
    threshold: float  # the int8 file's own


def match_rejection(
    candidate: Path, rule: UnknownRule, float_readings: DatasetPredictions, int8_readings: DatasetPredictions
) -> Rejection | None:
    """Gives the int8 file at ``candidate`` a threshold of its own, fitted to the float file's rejections of the same
    images.

    Not to the stated share: where the images are not those that the threshold was fitted on, what float does is what
    int8 has to do. None, and the file as it was, where the rule rejects nothing or the images are too few.
    """
    scores = int8_readings.rejection_scores
    if rule == UnknownRule() or len(scores) < _MIN_IMAGES:
        return None
    lost = rejected(rule, float_readings.rejection_scores)
    matched = threshold_beyond(rule, scores, int(lost.sum()))
    description = open_session(candidate, "cpu", trusted=True).description
    model = onnx.load(candidate, load_external_data=False)
    describe(model, description.manifest.replace(unknown=matched), description.split_record, description.golden())
    write_unchecked(model, candidate)
    before, after = rejected(rule, scores), rejected(matched, scores)
    return Rejection(float(lost.mean()), float(before.mean()), float(after.mean()), matched.threshold)
