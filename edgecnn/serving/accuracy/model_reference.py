"""What the file of a served model tells of the images that it was taught."""

from __future__ import annotations

import logging

from edgecnn.errors import ManifestError
from edgecnn.evaluation.expected_accuracy import AccuracyReference
from edgecnn.runtime.session.known_classes import read_class_statistics
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["model_reference"]

log = logging.getLogger("edgecnn")


def model_reference(session: ModelSession) -> AccuracyReference:
    """Of an open model. Statistics of its classes that cannot be read are left out, which the log says."""
    try:
        return AccuracyReference.of(session.manifest, read_class_statistics(session))
    except ManifestError as error:
        log.warning("drift is watched by the share of unknown frames alone: %s", error)
        return AccuracyReference.of(session.manifest, None)
