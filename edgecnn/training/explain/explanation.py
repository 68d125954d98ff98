"""Explains the classification of one image: images, and an index.html that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.atomic import make_folder, write_bytes, write_text
from edgecnn.errors import UsageError
from edgecnn.evaluation.html_page import encoded, image_tag, page, text
from edgecnn.evaluation.ood_threshold import rejected
from edgecnn.preprocess import Image, fit, read_image
from edgecnn.training.explain.layers import first_convolution, several_depths, watch
from edgecnn.training.explain.plates import Plate, feature_plate, filter_plate, input_plate, map_plate, step_plate
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend, open_checkpoint

__all__ = ["Explained", "Scored", "draw_plates", "explain"]

_MAX_CHANNELS = 32


@dataclass(frozen=True)
class Scored:
    """One class."""

    label: str
    score: float


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


def explain(checkpoint: Path, image: Path, out: Path, classes: int = 3, *, force: bool = False) -> Explained:
    """Writes images of what a network does with one image, and a page that shows them.

    Args:
        checkpoint: of ``edgecnn train``.
        image: an image file.
        out: an empty or new folder.
        classes: how many of the best classes get a class-activation map.
        force: write into a folder that is not empty.

    Raises:
        UsageError: ``classes`` is below 1, or the folder is not empty.
        InputNotFoundError, CheckpointError: the checkpoint cannot be read, or has no convolutions.
        InputNotFoundError, ImageError: the image cannot be read.
        OutputError: the folder cannot be written.
    """
    if classes < 1:
        raise UsageError(f"--classes {classes}: expected at least 1")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise UsageError(f"{out}: directory not empty; use --force, or choose another --out")
    backend = open_checkpoint(checkpoint)
    original = read_image(image)
    seen = fit(original, backend.manifest.input, backend.manifest.preprocess)
    probabilities, unknown_scores = backend.answers(seen[None])
    scores = probabilities[0]
    best = [int(i) for i in (-scores).argsort(kind="stable")[:classes]]
    labels = backend.manifest.labels
    answers = [(i, labels[i], float(scores[i])) for i in best]
    plates = draw_plates(backend, original, seen, answers)
    make_folder(out)
    for plate in plates:
        write_bytes(out / f"{plate.name}.png", encoded(plate.image, "png"))
    write_text(out / "index.html", _index(checkpoint, image, backend, answers, plates))
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
        files=(str(out / "index.html"), *(str(out / f"{plate.name}.png") for plate in plates)),
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


def _index(
    checkpoint: Path,
    image: Path,
    backend: TorchBackend,
    answers: Sequence[tuple[int, str, float]],
    plates: Sequence[Plate],
) -> str:
    rows = "".join(
        f'<tr><td>{text(label)}</td><td class="bar"><div style="width:{100 * score:.1f}%"></div></td>'
        f"<td>{score:.3f}</td></tr>"
        for _, label, score in answers
    )
    parameters = sum(p.numel() for p in backend.network.parameters())
    head = (
        f"<p>{text(image.name)}, by {text(checkpoint)}: {text(backend.manifest.training.model)}, {parameters:,} "
        "numbers that were learned.</p>"
        f"<table><tbody>{rows}</tbody></table>"
        "<p>The scores of all classes add up to 1: softmax has turned the last layer's numbers into shares. What "
        "follows is how they came about, "
        "from the image to the answer.</p>"
    )
    shown = "".join(
        f'<section><h2>{text(plate.title)}</h2><div class="sheet">{_image(plate)}</div>'
        f"<p>{text(plate.words)}</p></section>"
        for plate in plates
    )
    title = f"{answers[0][1]} ({answers[0][2]:.2f}): how the network came to it"
    return page(title, _STYLE, f"<h1>{text(title)}</h1>{head}{shown}")


def _image(plate: Plate) -> str:
    return image_tag(plate.image, plate.title, plate.image.shape[1], plate.image.shape[0], "png")


_STYLE = """
body { margin: 0 auto; padding: 1.2rem; max-width: 58rem; color: #1c1c1c; background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; break-after: avoid; }
p { max-width: 46rem; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; height: auto; }
.sheet { break-inside: avoid; }
section { break-inside: avoid; }
table { border-collapse: collapse; }
td { padding: 0.2rem 0.8rem 0.2rem 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.bar { width: 14rem; }
.bar div { background: #1f5fa8; height: 0.8rem; min-width: 1px;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
@media (max-width: 40rem) { body { padding: 0.8rem; } .bar { width: 7rem; } }
@media print { @page { margin: 14mm; } body { padding: 0; max-width: none; font-size: 10pt; } }
"""
