"""A model that the service runs, by its name: the one that answers, the one before it, the one in the shadow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Missing, Prediction
from edgecnn.runtime.sources.frame import Frame, now_rfc3339

__all__ = ["LoadedModel", "ServedModel", "Shadow"]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """An open model file. It is closed when nothing uses it any more."""

    classifier: Classifier
    file: Path
    loaded_at: str  # RFC 3339

    @classmethod
    def of(cls, classifier: Classifier, file: Path) -> LoadedModel:
        """A model that was opened just now."""
        return cls(classifier, file, now_rfc3339())

    @property
    def sha256(self) -> str:
        """Of the file."""
        return self.classifier.session.sha256

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.classifier.labels

    def failed(self, frame: Frame, reason: str) -> Prediction:
        """What is told of a frame on which this model failed: an `error`, and no answer."""
        return self.classifier.report_missing(Missing("error", reason, frame.name, frame.index, frame.captured_at))


class Shadow(Protocol):
    """A new model that answers live frames beside the one that serves."""

    @property
    def loaded(self) -> LoadedModel:
        """The new model."""

    def watch(self, view: str | None, frame: Frame, number: int, answered: Prediction) -> None:
        """Answers a frame too, and compares. Called in the thread that has the serving model's answer; never raises.

        Args:
            view: that the frame is of; None: the image of a request.
            frame: what was classified.
            number: of the frame, as in its decision; 0: the image of a request.
            answered: the serving model's own answer, before any smoothing.
        """

    @property
    def agreement(self) -> float | None:
        """Share of the frames on which both models agree, 0 to 1; None: there was none yet."""


class ServedModel:
    """The models behind one name. Reading one of them is atomic; only a swap changes them.

    Args:
        name: of the model.
        loaded: the model that serves at the start.
    """

    def __init__(self, name: str, loaded: LoadedModel) -> None:
        self.name = name
        self._current = loaded
        self._previous: LoadedModel | None = None
        self._changing = threading.Lock()
        self.shadow: Shadow | None = None
        """Watches live frames while a swap is in its shadow."""

        self.on_disagreement: Callable[[Frame, str, str, Prediction, Prediction], object] | None = None
        """Called with a frame, its view, this model's name, its answer and the shadow's, where they differ. It returns
        at once, as it is called in the thread of a source."""

    @property
    def current(self) -> LoadedModel:
        """The model that answers."""
        return self._current

    @property
    def previous(self) -> LoadedModel | None:
        """The model that a rollback brings back."""
        return self._previous

    def replace(self, loaded: LoadedModel) -> None:
        """Lets another model answer from the next frame on. The one that answered becomes the previous one."""
        with self._changing:
            self._previous, self._current = self._current, loaded

    def keep_previous(self, loaded: LoadedModel | None) -> None:
        """Says what a rollback brings back."""
        with self._changing:
            self._previous = loaded

    def roll_back(self) -> bool:
        """Exchanges the model that answers and the previous one; False: there is no previous one."""
        with self._changing:
            if self._previous is None:
                return False
            self._current, self._previous = self._previous, self._current
            return True
