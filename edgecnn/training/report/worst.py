"""The worst mistakes as images or frames, each beside its class-activation map."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from edgecnn.errors import EdgeCNNError
from edgecnn.evaluation.html_page import image_tag, text
from edgecnn.image_size import MOST_PIXELS
from edgecnn.preprocess import Image, read_image
from edgecnn.training.nouns import Nouns
from edgecnn.training.report.content import Mistake
from edgecnn.training.report.markup import section

__all__ = ["MAX_MISTAKES", "mistake_section"]

MAX_MISTAKES = 24
THUMBNAIL_PX = 160  # the longer side


def mistake_section(mistakes: Sequence[Mistake], nouns: Nouns) -> str:
    """The first few of ``mistakes``, which come worst first."""
    if not mistakes:
        return section("Worst mistakes", f"<p>None: every validation {nouns.example} was classified correctly.</p>")
    shown = mistakes[:MAX_MISTAKES]
    figures = "".join(_mistake(m) for m in shown)
    count = f"{len(mistakes):,} in all" + (f", the worst {len(shown)} shown" if len(mistakes) > len(shown) else "")
    mapped = any(m.evidence is not None for m in shown)
    how = _HOW_MISTAKES.format(examples=nouns.examples)
    if nouns.examples == "clips":
        how += " One frame of each clip is shown."
    reading = f"{how} {_HOW_MAPS} {count}." if mapped else f"{how} {count}."
    return section("Worst mistakes", f'<div class="mistakes{" pairs" if mapped else ""}">{figures}</div>', reading)


def _mistake(mistake: Mistake) -> str:
    name = text(mistake.path.name)
    words = (
        f'<p class="name" title="{text(mistake.path)}">{name}</p>'
        f'<p><span class="key">truth</span> {text(mistake.truth)}</p>'
        f'<p><span class="key">answer</span> <b>{text(mistake.answer)}</b> {mistake.score:.2f}</p>'
    )
    images = _image(mistake)
    if mistake.evidence is not None:
        images += _thumbnail(mistake.evidence, f"what speaks for {mistake.answer}")
    return f'<figure class="mistake"><div class="thumbnails">{images}</div><figcaption>{words}</figcaption></figure>'


def _image(mistake: Mistake) -> str:
    """Words where it cannot be read any more."""
    try:
        frame = read_image(mistake.path, MOST_PIXELS) if mistake.frame is None else mistake.frame
        return _thumbnail(frame, mistake.path.name)
    except EdgeCNNError:
        return '<div class="thumbnail"><p>cannot be read any more</p></div>'


def _thumbnail(image: Image, alt: str) -> str:
    height, width = image.shape[:2]
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # cv2's stubs know no dtype
    small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    # An image of 32 pixels would be a speck: the browser shows it in whole multiples
    zoom = max(1, THUMBNAIL_PX // max(size))
    return f'<div class="thumbnail">{image_tag(small, alt, size[0] * zoom, size[1] * zoom)}</div>'


_HOW_MISTAKES = (
    "The wrong answers given with the most confidence (the figure beside the answer). Look at these first: they are "
    "often {examples} with a wrong "
    "label, with both things on them, or of a kind that training saw too little of."
)
_HOW_MAPS = (
    "Beside each image lies what its answer rests on: red places spoke for it (Grad-CAM). Red on the background "
    "means that the network goes by "
    "the background; images of the class on other backgrounds help. Where none is red, no place alone spoke for it."
)
