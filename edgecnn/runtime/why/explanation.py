"""Explains one answer of a model file: which places of the image support it, and which taught images are similar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import InputNotFoundError, ModelError, ProviderError
from edgecnn.features.taught_images import SimilarImage
from edgecnn.preprocess import Image
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.session.model_file import check_same, read_model_file
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.activation_maps import ActivationMaps, ClassMap, NoMapError
from edgecnn.runtime.why.placement import heat_on_image
from edgecnn.runtime.why.similar_images import read_taught_images

__all__ = ["Explainer", "Explanation", "open_explainer"]

NO_RECORD = "the model file remembers no taught images; `edgecnn teach` writes them"
_FOUND = 5  # similar images


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model answers as it does."""

    prediction: Prediction
    maps: tuple[ClassMap, ...]  # of the best classes, the best first; empty where there is a reason
    map_reason: str | None  # why there is no map
    nearest: tuple[SimilarImage, ...]  # the most similar first; empty where there is a reason
    nearest_reason: str | None


class Explainer:
    """Explains answers of an open model.

    Args:
        classifier: the model. It gives the answers.
        maps: of the same file, or why there are none.

    Raises:
        ModelError: the model is a recurrent one.
        ManifestError: its record of taught images is invalid.
    """

    def __init__(self, classifier: Classifier, maps: ActivationMaps | str) -> None:
        session = classifier.session
        if session.form != "image":
            raise ModelError(
                f"{session.path}: is a recurrent model, whose answer depends on the frames before; explain the "
                "checkpoint that it was exported from (best.pt)"
            )
        self._classifier = classifier
        self._taught = read_taught_images(session.description, session.output_widths.get("embedding"))
        self._maps = maps

    def explain(self, frame: Frame, classes: int = 1) -> Explanation:
        """Answers a frame, and explains the answer.

        Args:
            frame: the image.
            classes: how many of the best classes get a map.

        Raises:
            ImageError: it is no image.
            ProviderError: the model failed.
        """
        row = self._classifier.fit(frame)
        prediction = self._classifier.answer([frame], [row])[0].prediction
        labels = self._classifier.labels
        best = [labels.index(scored.label) for scored in prediction.top[:classes]]
        maps, map_reason = self._class_maps(row, best, prediction)
        nearest, nearest_reason = self._nearest(row, prediction)
        return Explanation(prediction, maps, map_reason, nearest, nearest_reason)

    def heat(self, found: ClassMap, frame: Frame, longest: int) -> NDArray[np.float32]:
        """A map laid over the whole frame, 0 to 1, ``longest`` pixels on its longer side."""
        manifest = self._classifier.manifest
        return heat_on_image(found.heat, frame.size, longest, manifest.input, manifest.preprocess)

    def _class_maps(
        self, row: Image, classes: Sequence[int], prediction: Prediction
    ) -> tuple[tuple[ClassMap, ...], str | None]:
        if not classes:
            return (), prediction.reason
        if isinstance(self._maps, str):
            return (), self._maps
        try:
            return tuple(self._maps.maps(row, classes)), None
        except NoMapError as error:
            return (), str(error)

    def _nearest(self, row: Image, prediction: Prediction) -> tuple[tuple[SimilarImage, ...], str | None]:
        if self._taught is None:
            return (), NO_RECORD
        if not prediction.top:
            return (), prediction.reason
        embedding = self._classifier.session.outputs(row[None], ("embedding",)).embedding
        assert embedding is not None  # the model has the output, or its record would have been refused
        width = embedding.shape[1]
        if width != self._taught.width:  # where the file does not declare it
            return (), f"the record of the taught images has {self._taught.width} features, the model {width}"
        if not np.isfinite(embedding).all():
            return (), "the features of the image are not finite"
        return self._taught.nearest(embedding[0], _FOUND), None


def open_explainer(classifier: Classifier) -> Explainer:
    """Opens the file of a classifier once more, for its maps. Where that fails, there are no maps.

    Raises:
        ModelError, ManifestError: as :class:`Explainer` does.
    """
    session = classifier.session
    if session.form != "image":
        return Explainer(classifier, "")  # which says why not
    maps: ActivationMaps | str
    try:
        file = read_model_file(session.path)
        check_same(file, session.sha256)
        maps = ActivationMaps(file)
    except NoMapError as error:
        maps = str(error)
    except (InputNotFoundError, ModelError, ProviderError) as error:
        maps = f"its file cannot be opened again: {str(error).removeprefix(f'{session.path}: ')}"
    return Explainer(classifier, maps)
