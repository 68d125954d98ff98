"""Answers the question why: of the newest frame of a view, and of a stored image."""

from __future__ import annotations

from edgecnn.errors import EdgeCNNError, ImageError, ModelError, ProviderError, UsageError
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.stored_image import stored_frame
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.engine.region_store import views_of
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.engine.view import View
from edgecnn.serving.why.explainers import Explainers
from edgecnn.serving.why.record import (
    AnswerRecord,
    WhyRecord,
    answer_record,
    explained_record,
    image_url,
    similar_records,
)

__all__ = ["Questions"]

_NO_DECISION = "there is no decision on this frame that could be explained"


class Questions:
    """Explains answers of the models of a service. Nothing is open until the first question.

    Args:
        service: it.
        explainers: the models that are open for it.
    """

    def __init__(self, service: Service, explainers: Explainers) -> None:
        self._service = service
        self._explainers = explainers
        self._most_pixels = round(service.settings.limits.megapixels * 1e6)

    def newest(self, source: str, view_name: str | None, model_name: str | None) -> WhyRecord:
        """Explains what a model answers on the newest frame of a view.

        Args:
            source: name of a source of the service.
            view_name: of the view; None: the first one of the source.
            model_name: of a model that sees the source; None: the first one.

        Raises:
            UsageError: there is no such view or model, or no frame yet.
            EdgeCNNError: the answer cannot be explained.
        """
        view, served = self._view(source, view_name), self._model(source, model_name)
        decided = self._service.latest.newest(StateKey(view.name, served.name))
        frame = self._service.sources[source].image.frame
        if decided is None or frame is None:
            raise UsageError("there is no frame yet; ask again when the source is up")
        seen = frame if view.region is None else view.region.crop(frame)
        if decided.prediction.status in ("no_decision", "error"):
            return _undecided(decided.prediction, served, view.name, seen)
        return self._explained(served, view.name, seen)

    def stored(self, content: bytes, name: str, view: str, captured_at: str, model_name: str | None) -> WhyRecord:
        """Explains what a model answers on an image file.

        Args:
            content: of the file.
            name: what errors call it.
            view: that it is of.
            captured_at: RFC 3339.
            model_name: of the model; None, or one that does not serve any more: the first one.

        Raises:
            ImageError: the file is no image that can be read.
            EdgeCNNError: the answer cannot be explained.
        """
        frame = stored_frame(content, name, self._most_pixels, captured_at)
        served = self._service.models.get(model_name or "", self._service.first_model)
        return self._explained(served, view, frame)

    def _view(self, source: str, name: str | None) -> View:
        views = views_of(source, self._service.regions(source))
        found = next((view for view in views if name is None or view.name == name), None)
        if found is None:
            raise UsageError(f"there is no such view; there are {', '.join(view.name for view in views)}")
        return found

    def _model(self, source: str, name: str | None) -> ServedModel:
        names = self._service.source_settings(source).models or tuple(self._service.models)
        if name is None:
            return self._service.models[names[0]]
        if name not in names:
            raise UsageError(f"no such model sees this source; there are {', '.join(names)}")
        return self._service.models[name]

    def _explained(self, served: ServedModel, view: str, frame: Frame) -> WhyRecord:
        current, previous = served.current, served.previous  # once: a swap may come between two uses
        try:
            explainer, found = self._explainers.explain(current, frame)
        except (ModelError, ProviderError) as error:
            raise ModelError(_without_folder(error, current)) from error
        now = explained_record(explainer, found, frame)
        return WhyRecord(
            **vars(now),
            model=served.name,
            view=view,
            captured_at=frame.captured_at,
            image=image_url(frame),
            nearest=similar_records(found.nearest),
            nearest_reason=found.nearest_reason,
            before=None if previous is None else self._before(previous, frame),
        )

    def _before(self, previous: LoadedModel, frame: Frame) -> AnswerRecord:
        try:
            return explained_record(*self._explainers.explain(previous, frame), frame)
        except ImageError:
            raise
        except EdgeCNNError as error:
            reason = _without_folder(error, previous)
            return answer_record(previous.failed(frame, reason), reason, None, None)


def _without_folder(error: EdgeCNNError, loaded: LoadedModel) -> str:
    """The message with the name of a model's file alone: where files lie on the device is nobody's business."""
    path = loaded.classifier.session.path
    return str(error).replace(str(path), path.name)


def _undecided(prediction: Prediction, served: ServedModel, view: str, frame: Frame) -> WhyRecord:
    return WhyRecord(
        **vars(answer_record(prediction, _NO_DECISION, None, None)),
        model=served.name,
        view=view,
        captured_at=frame.captured_at,
        image=image_url(frame),
        nearest=(),
        nearest_reason=_NO_DECISION,
        before=None,
    )
