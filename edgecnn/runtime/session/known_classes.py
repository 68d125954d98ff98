"""What a model file remembers of its classes."""

from __future__ import annotations

from edgecnn.errors import ManifestError
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["read_class_statistics"]


def read_class_statistics(session: ModelSession) -> ClassStatistics | None:
    """The statistics of the classes of an open model; None: its file has none.

    Raises:
        ManifestError: they are invalid, or of other classes or features. The line begins with the path of the file.
    """
    text = session.description.classes_json
    if text is None:
        return None
    try:
        found = ClassStatistics.from_json(text)
    except ManifestError as error:
        raise ManifestError(f"{session.path}: {error}") from error
    widths = session.output_widths
    width = found.means.shape[1]
    if len(found.counts) != session.classes or widths.get("embedding", width) not in {-1, width}:
        raise ManifestError(
            f"{session.path}: the statistics of the classes do not fit the model; export the model again"
        )
    return found
