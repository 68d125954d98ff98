"""``edgecnn explain`` of a model file: the report, its images, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgecnn.evaluation.explanation_page import open_out
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Silent
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Score, Status
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.why.explanation import Explanation, open_explainer
from edgecnn.runtime.why.report_page import Explained, write_report

__all__ = ["ExplainedAnswer", "ExplainedMap", "ExplainedModel", "SimilarFile", "explain_model"]


@dataclass(frozen=True)
class ExplainedMap:
    """A class whose map was drawn. The mean of the map and the bias make the logit."""

    label: str
    logit: float
    bias: float


@dataclass(frozen=True)
class SimilarFile:
    """A taught image that is similar to the explained one."""

    label: str
    file: str
    sha256: str  # the first 16 digits
    similarity: float  # estimated cosine of the features


@dataclass(frozen=True)
class ExplainedAnswer:
    """The answer of one model, and why."""

    model: str
    model_sha256: str
    status: Status
    reason: str | None
    label: str | None
    index: int | None
    score: float | None
    top: tuple[Score, ...]
    maps: tuple[ExplainedMap, ...]
    map_reason: str | None  # why there are no maps
    nearest: tuple[SimilarFile, ...]
    nearest_reason: str | None  # why there are none

    @classmethod
    def of(cls, model: Path, found: Explanation, labels: tuple[str, ...]) -> ExplainedAnswer:
        """The part of an explanation that is told."""
        p = found.prediction
        return cls(
            model=str(model),
            model_sha256=p.model_sha256,
            status=p.status,
            reason=p.reason,
            label=p.label,
            index=p.index,
            score=p.score,
            top=p.top,
            maps=tuple(ExplainedMap(labels[drawn.index], drawn.logit, drawn.bias) for drawn in found.maps),
            map_reason=found.map_reason,
            nearest=tuple(
                SimilarFile(similar.image.label, similar.image.file, similar.image.digest, similar.similarity)
                for similar in found.nearest
            ),
            nearest_reason=found.nearest_reason,
        )


@dataclass(frozen=True)
class ExplainedModel:
    """The report; field names are the JSON keys."""

    image: str
    answer: ExplainedAnswer
    before: ExplainedAnswer | None  # of the model before
    out: str
    files: tuple[str, ...]


def explain_model(
    model: Path,
    image: Path,
    out: Path,
    *,
    before: Path | None = None,
    classes: int = 3,
    force: bool = False,
    say: Callable[[str], None] | None = None,
    max_pixels: int = MAX_PIXELS,
    options: RunOptions | None = None,
) -> ExplainedModel:
    """Writes images of why a model file answers as it does, and a page that shows them. Needs neither torch nor onnx.

    Args:
        model: the ``.onnx`` file.
        image: an image file.
        out: an empty or new folder.
        before: an earlier model file, to be shown beside it.
        classes: how many of the best classes get a map.
        force: write into a folder that is not empty.
        say: told that the folder cannot be locked; None: nothing is said.
        max_pixels: of the image; a larger one is refused.
        options: of the sessions.

    Raises:
        UsageError: ``classes`` is below 1, or the folder is not empty.
        InputNotFoundError, ModelError, ManifestError, ImageError: a file cannot be used.
        OutputError: the folder cannot be written, or another process is writing into it.
    """
    with open_out(out, classes, force=force, say=say or Silent().say), ExitStack() as opened:

        def explained(when: str, path: Path) -> tuple[Explained, ExplainedAnswer]:
            classifier = opened.enter_context(Classifier(path, ep="cpu", options=options, topk=max(classes, 5)))
            explainer = open_explainer(classifier)
            frame = read_frame(str(image), 0, max_pixels, classifier.manifest.model_input)
            found = explainer.explain(frame, classes)
            shown = Explained(when, str(path), frame, explainer, found)
            return shown, ExplainedAnswer.of(path, found, classifier.labels)

        found = [explained("now", model), *([] if before is None else [explained("before", before)])]
        files = write_report(out, found[0][0].frame, [shown for shown, _ in found])
    answers = [answer for _, answer in found]
    return ExplainedModel(str(image), answers[0], answers[1] if answers[1:] else None, str(out), files)
