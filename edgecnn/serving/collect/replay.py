"""Answers a stored frame with every model behind a name: before and after a swap, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.stored_image import stored_frame
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.service import Service

__all__ = ["Replay", "ReplayedAnswer", "Which"]

Which = Literal["serving", "previous", "shadow"]


@dataclass(frozen=True)
class ReplayedAnswer:
    """What one model answers for a stored frame."""

    which: Which
    model: str  # name
    prediction: Prediction


class Replay:
    """Asks the models of a service.

    Args:
        service: it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._most_pixels = round(service.settings.limits.megapixels * 1e6)

    def answers(self, image: bytes, name: str) -> tuple[ReplayedAnswer, ...]:
        """Answers an image file. A model that fails answers with an `error`.

        Args:
            image: content of the file.
            name: what the answers call it.

        Raises:
            ImageError: the file is no image that can be read.
        """
        frame = stored_frame(image, name, self._most_pixels)
        return tuple(
            ReplayedAnswer(which, served.name, _answer(loaded, frame))
            for served in self._service.models.values()
            for which, loaded in _loaded(served)
        )


def _loaded(served: ServedModel) -> list[tuple[Which, LoadedModel]]:
    found: list[tuple[Which, LoadedModel]] = [("serving", served.current)]
    if (previous := served.previous) is not None:
        found.append(("previous", previous))
    if (shadow := served.shadow) is not None:
        found.append(("shadow", shadow.loaded))
    return found


def _answer(loaded: LoadedModel, frame: Frame) -> Prediction:
    try:
        return loaded.classifier.answer([frame])[0].prediction
    except EdgeCNNError as error:
        return loaded.failed(frame, str(error))
