"""A new model answers live frames beside the one that serves, and both answers are compared."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

import cv2

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.temporal.source_state import SourceState
from edgecnn.serving.engine.frame_encoding import small_jpeg
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.swap.records import DifferingFrame, ShadowAnswer, ShadowReport, SwapTicket
from edgecnn.serving.swap.worker import Worker

__all__ = ["ShadowRun"]

log = logging.getLogger("edgecnn")

_MOST_KEPT = 12  # differing frames
_WIDEST, _QUALITY = 320, 80  # of their thumbnails: pixels, and JPEG's


class ShadowRun:
    """Compares until it has seen its frames. Implements :class:`edgecnn.serving.engine.served_model.Shadow`.

    In the thread of a source it only runs the model and counts. All else happens in the worker's thread.

    Args:
        ticket: of the swap.
        loaded: the new model.
        file: name that its file was given under.
        serving: the model that serves; answers of any other are not compared.
        wanted_frames: number of frames; 0: none.
        worker: makes the thumbnails, and calls the next two.
        done: called with the run when it has seen its frames.
        failed: called with the run and the reason when the new model fails on a frame.
        disagreed: called with the view, a frame, the serving model's answer and the new one's where they differ, in the
            thread of the source; None: nobody asks.
    """

    def __init__(
        self,
        ticket: SwapTicket,
        loaded: LoadedModel,
        file: str,
        serving: LoadedModel,
        wanted_frames: int,
        worker: Worker,
        done: Callable[[ShadowRun], object],
        failed: Callable[[ShadowRun, str], object],
        disagreed: Callable[[str | None, Frame, Prediction, Prediction], object] | None = None,
    ) -> None:
        self.ticket = ticket
        self.waiting = False
        """Whether somebody has to accept it."""
        self.ask_below = False
        """Whether it waits for somebody, rather than being refused, where it agrees on too few frames."""
        self._loaded = loaded
        self._file = file
        self._serving = serving
        self._wanted = wanted_frames
        self._worker = worker
        self._done = done
        self._failed = failed
        self._disagreed = disagreed
        self._states: dict[str, SourceState] = {}  # of a recurrent model, by view
        self._lock = threading.Lock()
        self._over = not wanted_frames
        self._frames = self._agreeing = self._kept = 0
        self._differing: tuple[DifferingFrame, ...] = ()

    @property
    def loaded(self) -> LoadedModel:
        """The new model."""
        return self._loaded

    @property
    def agreement(self) -> float | None:
        """Share of the compared frames with the same answer; None: none was compared."""
        return self._agreeing / self._frames if self._frames else None

    def report(self) -> ShadowReport:
        """How far it is."""
        with self._lock:
            return ShadowReport(
                ticket=self.ticket,
                loaded=self._loaded,
                file=self._file,
                state="waiting" if self.waiting else "shadow",
                frames=self._frames,
                wanted_frames=self._wanted,
                agreement=self.agreement,
                differing=self._differing,
            )

    def watch(self, view: str | None, frame: Frame, number: int, answered: Prediction) -> None:
        """Answers a frame too, and compares. See :class:`edgecnn.serving.engine.served_model.Shadow`."""
        if self._over or answered.model_sha256 != self._serving.sha256:
            return
        try:
            own = self._answer(view, frame)
        except Exception as error:  # the serving model must not suffer from whatever the new one does
            if not isinstance(error, EdgeCNNError):
                log.exception("model '%s': the new model fails on a live frame", self.ticket.model)
            self._over = True
            self._worker.do(partial(self._failed, self, f"it fails on a live frame: {error}"))
            return
        if own is not None:
            serving, shadow = ShadowAnswer.of(answered), ShadowAnswer.of(own)
            self._compare(view, frame, number, serving, shadow)
            if self._disagreed is not None and not shadow.agrees(serving):
                self._disagreed(view, frame, answered, own)

    def _answer(self, view: str | None, frame: Frame) -> Prediction | None:
        """The new model's answer; None: there is none to compare."""
        classifier = self._loaded.classifier
        if view is None and (classifier.states is not None or self._serving.classifier.states is not None):
            return None  # a recurrent model answers no single image
        if view is None or classifier.states is None:
            return classifier.answer([frame])[0].prediction
        state = self._states.get(view)
        if state is None:
            state = self._states.setdefault(view, classifier.states.for_stream(view))
        answer = classifier.answer_next(frame, state).prediction
        return answer if state.steps > 1 else None  # in its first step it has seen no change yet

    def _compare(
        self, view: str | None, frame: Frame, number: int, serving: ShadowAnswer, shadow: ShadowAnswer
    ) -> None:
        agrees = shadow.agrees(serving)
        with self._lock:
            if self._over:
                return
            self._frames += 1
            self._agreeing += agrees
            self._over = self._frames >= self._wanted
            over, keep = self._over, not agrees and self._kept < _MOST_KEPT
            self._kept += keep
        if keep:
            self._worker.do(partial(self._keep, view, frame, number, serving, shadow))
        if over:
            self._worker.do(partial(self._done, self))

    def _keep(self, view: str | None, frame: Frame, number: int, serving: ShadowAnswer, shadow: ShadowAnswer) -> None:
        jpeg = small_jpeg(frame, _WIDEST, _QUALITY, cv2.INTER_AREA)
        differing = DifferingFrame(number, view, frame.captured_at, serving, shadow, jpeg)
        with self._lock:
            self._differing = (*self._differing, differing)
