"""Explains the classification of one image: images, and an index.html that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.evaluation.explanation_page import Plate, Scored, open_out, write_plates
from edgecnn.evaluation.ood_threshold import rejected
from edgecnn.preprocess import MAX_PIXELS, Image, preprocess, read_image
from edgecnn.progress import Silent
from edgecnn.training.explain.layers import first_convolution, several_depths, watch
from edgecnn.training.explain.plates import feature_plate, filter_plate, input_plate, map_plate, step_plate
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend, open_checkpoint

__all__ = ["Explained", "Scored", "draw_plates", "explain"]

_MAX_CHANNELS = 32


@dataclass(frozen=True)
class Explained:
    """The report of ``edgecnn explain``."""

    checkpoint: str
    image: str
    label: str  # of the best score, unknown or not
    index: int
    score: float
    unknown: bool  # whether `predict` would say so
    top: tuple[Scored, ...]  # the classes whose maps were drawn, best first
    out: str
    files: tuple[str, ...]


def explain(
    checkpoint: Path,
    image: Path,
    out: Path,
    classes: int = 3,
    *,
    force: bool = False,
    say: Callable[[str], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Explained:
    """Writes images of what a network does with one image, and a page that shows them.

    Args:
        checkpoint: of ``edgecnn train``.
        image: an image file.
        out: an empty or new folder.
        classes: how many of the best classes get a class-activation map.
        force: write into a folder that is not empty.
        say: told that the folder cannot be locked; None: nothing is said.
        max_pixels: of the image; a larger one is refused.

    Raises:
        UsageError: ``classes`` is below 1, or the folder is not empty.
        InputNotFoundError, CheckpointError: the checkpoint cannot be read, or has no convolutions.
        InputNotFoundError, ImageError: the image cannot be read.
        OutputError: the folder cannot be written, or another process is writing into it.
    """
    with open_out(out, classes, force=force, say=say or Silent().say):
        return _explain(checkpoint, image, out, classes, max_pixels)


def _explain(checkpoint: Path, image: Path, out: Path, classes: int, max_pixels: int) -> Explained:
    backend = open_checkpoint(checkpoint)
    original = read_image(image, max_pixels)
    seen = preprocess(image, backend.manifest.input, backend.manifest.preprocess, max_pixels)  # as the device sees it
    probabilities, unknown_scores = backend.answers(seen[None])
    scores = probabilities[0]
    best = [int(i) for i in (-scores).argsort(kind="stable")[:classes]]
    labels = backend.manifest.labels
    answers = [(i, labels[i], float(scores[i])) for i in best]
    plates = draw_plates(backend, original, seen, answers)
    parameters = sum(p.numel() for p in backend.network.parameters())
    about = (
        f"{image.name}, by {checkpoint}: {backend.manifest.training.model}, {parameters:,} numbers that were learned."
    )
    return Explained(
        checkpoint=str(checkpoint),
        image=str(image),
        label=labels[best[0]],
        index=best[0],
        score=float(scores[best[0]]),
        unknown=bool(
            rejected(backend.manifest.unknown, scores.max(keepdims=True) if unknown_scores is None else unknown_scores)[
                0
            ]
        ),
        top=tuple(Scored(label, score) for _, label, score in answers),
        out=str(out),
        files=write_plates(out, plates, answers, about, _SCORES),
    )


def draw_plates(
    backend: TorchBackend, original: Image, seen: Image, answers: Sequence[tuple[int, str, float]]
) -> list[Plate]:
    """Draws all images, in the order of the network's layers.

    Args:
        backend: the network with its manifest.
        original: uint8 ``[h, w, 3]`` RGB.
        seen: the same in the network's size.
        answers: index, label and score of the classes to draw maps for.
    """
    inputs = normalize(seen[None], backend.manifest.normalization, next(backend.network.parameters()).device)
    outputs = watch(backend.network, inputs)
    deeper = [feature_plate(output, number, _MAX_CHANNELS) for number, output in enumerate(several_depths(outputs), 1)]
    return [
        input_plate(original, seen),
        filter_plate(first_convolution(outputs), 2 * _MAX_CHANNELS),
        step_plate(outputs),
        *deeper,
        map_plate(backend.network, inputs, seen, answers),
    ]


_SCORES = (
    "The scores of all classes add up to 1: softmax has turned the last layer's numbers into shares. The images below "
    "show how they are computed, from the image to the answer."
)
