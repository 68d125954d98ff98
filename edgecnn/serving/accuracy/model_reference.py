"""What the file of a served model tells of the images that it was taught."""

from __future__ import annotations

import logging

from edgecnn.errors import ManifestError
from edgecnn.evaluation.expected_accuracy import AccuracyReference
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["model_reference"]

log = logging.getLogger("edgecnn")


def model_reference(session: ModelSession) -> AccuracyReference:
    """Of an open model. Statistics of its classes that cannot be read are left out, which the log says."""
    text = session.description.classes_json
    try:
        return AccuracyReference.of(session.manifest, None if text is None else ClassStatistics.from_json(text))
    except ManifestError as error:
        log.warning("%s: drift is watched by the share of unknown frames alone: %s", session.path, error)
        return AccuracyReference.of(session.manifest, None)
