"""The core of the runtime: classifies frames. :mod:`edgecnn.runtime.classifier` adds sources and streams."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS, Decoded, Image, check_image, decode_for, fit_decoded, part_for
from edgecnn.runtime.decision import Decision, LatencyMs, Missing, Prediction, decide
from edgecnn.runtime.session.fork_safety import keep_inherited
from edgecnn.runtime.session.model_file import check_same, local_path, read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from typing_extensions import Self

    from edgecnn.runtime.session.model_session import Outputs
    from edgecnn.runtime.temporal.source_state import SourceState
    from edgecnn.runtime.temporal.source_states import SourceStates

__all__ = ["Answer", "FrameClassifier", "check_frame"]

_FIRST_STEP = "first step of a clip: nothing has changed yet; the model answers from the second step on"


@dataclass(frozen=True, eq=False)
class Answer:
    """A prediction, and the outputs of the model that it comes from."""

    prediction: Prediction
    probabilities: NDArray[np.float32]  # [C]
    unknown_score: float | None = None  # None: the manifest's rule needs none from the graph
    features: NDArray[np.float32] | None = None  # [D], the embedding; None: not asked for, or the model has none


class FrameClassifier:
    """Classifies frames with a model file that EdgeCNN exported.

    Arguments and errors are those of :class:`edgecnn.runtime.classifier.Classifier`, which adds sources and streams.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        ep: str = "auto",
        threads: int | None = None,
        threshold: float | None = None,
        topk: int = 5,
        allow: Collection[str] | None = None,
        deny: Collection[str] | None = None,
        max_pixels: int = MAX_PIXELS,
        prove: bool = False,
        options: RunOptions | None = None,
    ) -> None:
        model = local_path(model)
        self._opened_with: dict[str, Any] = {
            "model": os.path.abspath(model),  # noqa: PTH100  # another process may start in another folder
            "ep": ep,
            "threads": threads,
            "threshold": threshold,
            "topk": topk,
            "allow": None if allow is None else tuple(allow),
            "deny": None if deny is None else tuple(deny),
            "max_pixels": max_pixels,
            "prove": prove,
            "options": options,
        }
        if topk < 1:
            raise UsageError(f"topk is {topk}, expected at least 1")
        if threshold is not None and not math.isfinite(threshold):  # comparisons with NaN are always false
            raise UsageError(f"threshold is {threshold:g}, expected a number")
        self._session: ModelSession = open_session(model, ep, threads, prove=prove, options=options)
        self.states: SourceStates | None = None if self.manifest.temporal is None else _source_states(self._session)
        """The states of a recurrent model, by source; None: the model classifies single images."""
        self.threshold = self.manifest.unknown.threshold if threshold is None else threshold
        self._topk = topk
        self.allowed_indices = _allowed_indices(self.labels, allow, deny)
        """The classes that may be an answer; None: all."""
        self.max_pixels = max_pixels
        self._one_thread: ModelSession | None = None  # once it was asked for
        self.gives_features = False
        """Whether answers to single images hold the features, where the model gives them. They cost a microsecond."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model file."""
        return self._session.manifest

    @property
    def session(self) -> ModelSession:
        """The open session, for measurements."""
        return self._session

    @property
    def split_record(self) -> SplitRecord | None:
        """Record of the training images; None if the file has none."""
        return self._session.split_record

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.manifest.labels

    @property
    def ep(self) -> str:
        """Short name of the execution provider."""
        return self._session.ep

    def fit(self, frame: Frame) -> Image:
        """Preprocesses a frame: uint8 ``[H, W, 3]`` RGB. Returns the frame's own array if it has that form already.

        An image that was decoded smaller for another model is decoded anew, so that the answer is that to its file.
        """
        model = self.manifest.model_input
        file = frame.own_file
        decoded = Decoded.whole(frame.image) if file is None else file.decoded
        if file is not None and decoded.part != part_for(*decoded.full_size, model):
            decoded = decode_for(file.content, model, frame.name, file.max_pixels, frame.color)
        fitted = fit_decoded(decoded, model)
        # After the resize, where it costs least
        return fitted if frame.color == "rgb" else cast("Image", cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB))

    def answer(
        self, frames: Sequence[Frame], rows: Sequence[Image] | None = None, fit_ms: Sequence[float] | None = None
    ) -> list[Answer]:
        """Classifies frames in one inference.

        Args:
            frames: any number of frames.
            rows: the results of :meth:`fit`, if computed before.
            fit_ms: the time of each :meth:`fit` in milliseconds; it is reported as part of the preprocessing.

        Raises:
            ImageError: the image of a frame is not uint8 ``[H, W, 3]``.
        """
        if not frames:
            return []
        start = time.perf_counter()
        fitted = [self.fit(check_frame(frame)) for frame in frames] if rows is None else rows
        inputs = fitted[0][None] if len(fitted) == 1 else np.stack(fitted)  # [N, H, W, 3] RGB
        prepared = time.perf_counter()
        outputs = self._session.outputs(inputs, self._wanted_outputs())
        done = time.perf_counter()
        share = 1e3 / len(frames)
        preprocess_ms, inference_ms = (prepared - start) * share, (done - prepared) * share
        scores, features = outputs.unknown_scores, outputs.embedding
        unknown = [None] * len(frames) if scores is None else scores.tolist()
        before_ms = [0.0] * len(frames) if fit_ms is None else fit_ms
        alone = self.states is not None  # each image is a clip of one frame
        return [
            Answer(
                self._prediction(frame, p, score, fitted_ms + preprocess_ms, inference_ms, first_step=alone),
                p,
                score,
                None if features is None else features[i],
            )
            for i, (frame, p, score, fitted_ms) in enumerate(
                zip(frames, outputs.probabilities, unknown, before_ms, strict=True)
            )
        ]

    def _wanted_outputs(self) -> tuple[str, ...]:
        score = ("unknown_score",) if self.manifest.unknown.in_graph else ()
        return (*score, "embedding") if self.gives_features else score

    def answer_next(self, frame: Frame, state: SourceState) -> Answer:
        """Classifies the next frame of a source with a recurrent model, after the frames before it.

        Between two steps of the model, the last answer stands.

        Args:
            frame: the frame.
            state: of the source, which this frame changes.

        Raises:
            ImageError: the image of the frame is not uint8 ``[H, W, 3]``.
        """
        count = state.due(check_frame(frame))
        if not count and state.last is not None:
            return self._of_step(frame, state.last, None, None, first=state.steps == 1)
        start = time.perf_counter()
        row = self.fit(frame)
        prepared = time.perf_counter()
        outputs = state.step(row, max(1, count))
        done = time.perf_counter()
        times_ms = (prepared - start) * 1e3, (done - prepared) * 1e3
        return self._of_step(frame, outputs, *times_ms, first=state.steps == 1)

    def reset(self, source: str | os.PathLike[str] | None = None) -> None:
        """Resets the state of a recurrent model for a source: the next frame starts a clip.

        Models of single images remember nothing, so nothing changes for them.

        Args:
            source: the name that was given to the call, or the address that was given to ``stream``; None: all sources.
        """
        if self.states is not None:
            self.states.reset(None if source is None else os.fspath(source))

    def reject(self, frame: Frame, reason: str) -> Prediction:
        """Returns the prediction for a frame that is not classified, with the reason."""
        return Prediction.rejected(frame, reason, self._session.ep, self._session.sha256)

    def report_missing(self, missing: Missing) -> Prediction:
        """Returns the prediction for a missing image or source, with the reason."""
        return Prediction.unavailable(missing, self._session.ep, self._session.sha256)

    def _of_step(
        self, frame: Frame, outputs: Outputs, preprocess_ms: float | None, inference_ms: float | None, *, first: bool
    ) -> Answer:
        """The answer of a recurrent model for one frame. The times are None where the frame takes no step."""
        probabilities, scores = outputs.probabilities[0], outputs.unknown_scores
        score = float(scores[0]) if scores is not None and self.manifest.unknown.in_graph else None
        prediction = self._prediction(frame, probabilities, score, preprocess_ms, inference_ms, first_step=first)
        return Answer(prediction, probabilities)

    def _prediction(
        self,
        frame: Frame,
        probabilities: NDArray[np.float32],
        unknown_score: float | None,
        preprocess_ms: float | None,
        inference_ms: float | None,
        *,
        first_step: bool,
    ) -> Prediction:
        decision = decide(probabilities, self.labels, self.threshold, self._topk, unknown_score, self.allowed_indices)
        if first_step and decision.status != "no_decision":
            decision = Decision.none("no_decision", _FIRST_STEP)
        total = (frame.decode_ms or 0.0) + (preprocess_ms or 0.0) + (inference_ms or 0.0)
        latency_ms = LatencyMs(frame.decode_ms, preprocess_ms, inference_ms, total)
        return Prediction.decided(frame, decision, self.labels, latency_ms, self._session.ep, self._session.sha256)

    def single_threaded(self) -> FrameClassifier | None:
        """The same classifier with a session of one thread, for several threads that classify an image each.

        Its session is opened once and kept. None where it would not be the same: another provider than the CPU, a
        number of threads that the caller chose, or a file that has changed since it was opened.
        """
        session, options = self._session, self._opened_with["options"] or RunOptions()
        if session.ep != "cpu" or self._opened_with["threads"] or options.threads:
            return None
        if self._one_thread is None:
            try:
                file = read_model_file(cast("str", self._opened_with["model"]))
                check_same(file, session.sha256)
            except EdgeCNNError:  # this one goes on with what it has
                return None
            self._one_thread = open_session(file, "cpu", 1, trusted=True, options=options)
        alone = object.__new__(type(self))  # copy() would open the file anew, as unpickling does
        alone.__dict__.update(self.__dict__, _session=self._one_thread)
        return alone

    def close(self) -> None:
        """Releases the session. The classifier cannot be used afterwards. Repeated calls do nothing."""
        keep_inherited()
        self.__dict__.pop("_session", None)
        self._one_thread = None
        self.states = None  # they hold the session too

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its file's path and its arguments: it is opened anew where it is unpickled.

        Raises (where it is unpickled):
            ModelError: the file there is another one.
        """
        return _opened_again, (type(self), self._opened_with, self._session.sha256)

    def __getattr__(self, name: str) -> NoReturn:
        if name == "_session":  # asked for here only where it is gone
            raise UsageError("the classifier is closed; create a new one")
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _source_states(session: ModelSession) -> SourceStates:
    """Raises :class:`ModelError` for a file that takes whole clips."""
    session.require_steps()
    # Not at the top: models of single images need none of it
    from edgecnn.runtime.temporal.source_states import SourceStates  # noqa: PLC0415

    return SourceStates(session)


def _opened_again(kind: type[FrameClassifier], arguments: dict[str, Any], sha256: str) -> FrameClassifier:
    check_same(read_model_file(arguments["model"]), sha256)
    return kind(**arguments)


def check_frame(frame: Frame) -> Frame:
    """Returns the frame. Raises :class:`ImageError` if its image is not uint8 ``[H, W, 3]``."""
    check_image(frame.image, frame.name)
    return frame


def _allowed_indices(
    labels: Sequence[str], allow: Collection[str] | None, deny: Collection[str] | None
) -> frozenset[int] | None:
    """Returns the indices of the classes that may be the answer; None: all."""
    if allow is None and deny is None:
        return None
    if allow is not None and deny is not None:
        raise UsageError("allow and deny cannot be combined; give only one of them")
    named = allow if allow is not None else deny or ()
    if unknown := [label for label in named if label not in labels]:
        listed = ", ".join(labels[:20]) + (" …" if len(labels) > 20 else "")
        raise UsageError(f"the model has no label '{unknown[0]}'; it has {listed}")
    allowed = frozenset(i for i, label in enumerate(labels) if (label in named) == (allow is not None))
    if not allowed:
        raise UsageError("no label is left as a possible answer; allow at least one, or deny fewer")
    return allowed
