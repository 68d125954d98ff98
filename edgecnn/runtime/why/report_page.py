"""Draws the maps of an explained image, and the page that shows them beside the similar taught images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2

from edgecnn.atomic import write_bytes, write_text
from edgecnn.evaluation.explanation_page import STYLE, score_table
from edgecnn.evaluation.html_page import encoded, image_tag, page, text
from edgecnn.features.taught_images import SimilarImage
from edgecnn.image.heatmap import overlay
from edgecnn.preprocess import Image
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.explanation import Explainer, Explanation

__all__ = ["Explained", "write_report"]

_LONGEST = 320  # pixels of an image on the page
_SHOWN = 3  # classes in a table of scores
_WORDS = (
    "Red places speak for the class, blue ones do not: the colour is what each place adds to the logit of the class, "
    "above the mean of all classes. Each map has its own scale."
)


@dataclass(frozen=True, eq=False)
class Explained:
    """The answer of one model."""

    when: str  # `now` or `before`
    model: str
    frame: Frame
    explainer: Explainer
    explanation: Explanation


@dataclass(frozen=True)
class _Drawn:
    name: str  # of the file
    caption: str
    image: Image


def write_report(out: Path, frame: Frame, shown: Sequence[Explained]) -> tuple[str, ...]:
    """Writes ``index.html`` and the images, and returns their paths. Raises :class:`OutputError`.

    Args:
        out: an existing folder.
        frame: the image.
        shown: the model now and, perhaps, the one before it.
    """
    original = _small(frame)
    drawn = [_Drawn("image.png", "the image", original)]
    columns = [_column(one, original, drawn) for one in shown]
    for one in drawn:
        write_bytes(out / one.name, encoded(one.image, "png"))
    title = f"{_answer(shown[0].explanation.prediction)}: why"
    body = (
        f"<h1>{text(title)}</h1><p>{text(Path(frame.name).name)}</p>"
        f'<div class="columns"><section>{_figure(original, "the image")}</section>{"".join(columns)}</div>'
        f"<p>{text(_WORDS)}</p>"
        f"<section><h2>Similar taught images</h2>{_nearest(shown[0].explanation)}</section>"
    )
    write_text(out / "index.html", page(title, STYLE + _OWN_STYLE, body))
    return (str(out / "index.html"), *(str(out / one.name) for one in drawn))


def _small(frame: Frame) -> Image:
    """RGB, at most 320 pixels on its longer side."""
    image = frame.full_image()
    height, width = image.shape[:2]
    factor = _LONGEST / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return cast("Image", small if frame.color == "rgb" else cv2.cvtColor(small, cv2.COLOR_BGR2RGB))


def _column(one: Explained, original: Image, drawn: list[_Drawn]) -> str:
    """HTML of one model's answer. Adds its images to ``drawn``."""
    found = one.explanation
    figures = []
    for place, class_map in enumerate(found.maps):
        scored = found.prediction.top[place]
        caption = f"{scored.label}, logit {class_map.logit:.2f}"
        if not class_map.heat.any():
            caption += ": no place speaks for it"
        image = overlay(original, one.explainer.heat(class_map, one.frame, _LONGEST))
        drawn.append(_Drawn(f"{one.when}-{place + 1}.png", caption, image))
        figures.append(_figure(image, caption))
    if found.map_reason is not None:
        figures.append(f"<p>No map: {text(found.map_reason)}</p>")
    reason = "" if found.prediction.reason is None else f"<p>{text(found.prediction.reason)}</p>"
    scores = score_table([(scored.label, scored.score) for scored in found.prediction.top[:_SHOWN]])
    return (
        f"<section><h2>{one.when.capitalize()}: {text(_answer(found.prediction))}</h2>"
        f'<p class="model">{text(Path(one.model).name)}, SHA-256 {found.prediction.model_sha256[:12]}</p>'
        f"{reason}{scores}{''.join(figures)}</section>"
    )


def _answer(prediction: Prediction) -> str:
    if prediction.label is not None and prediction.score is not None:
        return f"{prediction.label} ({prediction.score:.2f})"
    return prediction.status.replace("_", " ")


def _figure(image: Image, caption: str) -> str:
    tag = image_tag(image, caption, image.shape[1], image.shape[0], "png")
    return f"<figure>{tag}<figcaption>{text(caption)}</figcaption></figure>"


def _nearest(found: Explanation) -> str:
    if found.nearest_reason is not None:
        return f"<p>None: {text(found.nearest_reason)}.</p>"
    return f'<ul class="nearest">{"".join(_similar(similar) for similar in found.nearest)}</ul>'


def _similar(similar: SimilarImage) -> str:
    shown = ""
    if similar.image.thumbnail is not None:
        data = base64.b64encode(similar.image.thumbnail).decode()
        shown = f'<img alt="" width="64" src="data:image/jpeg;base64,{data}">'
    return (
        f"<li>{shown}<b>{text(similar.image.label)}</b> {text(similar.image.file)}, similarity "
        f"{similar.similarity:.2f}</li>"
    )


_OWN_STYLE = """
.columns { display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
td { overflow-wrap: normal; } td.bar { width: 6rem; }
figure { margin: 0.8rem 0; }
figcaption, .model { font-size: 0.85rem; color: #555; overflow-wrap: anywhere; }
.nearest { list-style: none; padding: 0; }
.nearest li { display: flex; flex-wrap: wrap; align-items: center; gap: 0.6rem; padding: 0.3rem 0;
  overflow-wrap: anywhere; }
"""
