"""Adjusts the rejection threshold of an int8 file so that it rejects as many images as the float file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from edgecnn.evaluation.evaluate import DatasetPredictions
from edgecnn.evaluation.ood_threshold import rejected, threshold_beyond
from edgecnn.manifest import UnknownRule
from edgecnn.runtime.session.opening import open_session
from exporters.graph.metadata import describe, write_unchecked

__all__ = ["Rejection", "match_rejection"]

_MIN_IMAGES = 40  # as in training: fewer cannot tell a 5 % quantile


@dataclass(frozen=True)
class Rejection:
    """False reject rates on the evaluation images, and the threshold of the int8 file."""

    float_: float
    quantized: float  # by the float file's threshold
    matched: float  # by the int8 file's own
    threshold: float  # the int8 file's own


def match_rejection(
    candidate: Path, rule: UnknownRule, float_readings: DatasetPredictions, int8_readings: DatasetPredictions
) -> Rejection | None:
    """Fits the threshold of the int8 file ``candidate`` to the rejections of the float file on the same images.

    The reference is the float file, not the nominal rate, because the images may differ from those that the threshold
    was fitted on. Returns None and leaves the file unchanged if the rule rejects nothing or there are too few images.
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
