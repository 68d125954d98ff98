"""Writes the images of an explanation, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgecnn.atomic import make_folder, write_bytes, write_text
from edgecnn.errors import UsageError
from edgecnn.evaluation.html_page import encoded, image_tag, page, text
from edgecnn.folder_lock import LOCK_FILE, folder_lock
from edgecnn.preprocess import Image

__all__ = ["STYLE", "Plate", "Scored", "open_out", "score_table", "write_plates"]


@dataclass(frozen=True)
class Scored:
    """One class."""

    label: str
    score: float


@dataclass(frozen=True)
class Plate:
    """One image with its explanation."""

    name: str  # of the file, without its ending
    title: str
    words: str
    image: Image


@contextmanager
def open_out(out: Path, classes: int, *, force: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Makes the output folder and holds its lock; removes a folder that it made if nothing is written.

    Args:
        out: the folder.
        classes: how many of the best classes are shown.
        force: permit a folder that is not empty.
        say: told that the file system has no locks.

    Raises:
        UsageError: ``classes`` is below 1, or the folder is not empty and ``force`` not given.
        OutputError: the folder cannot be written, or another process is writing into it.
    """
    if classes < 1:
        raise UsageError(f"--classes {classes}: expected at least 1")
    is_new = not out.exists()
    make_folder(out)
    try:
        with folder_lock(out, "--out", say):
            if not force and any(path.name != LOCK_FILE for path in out.iterdir()):
                raise UsageError(f"{out}: directory not empty; use --force, or choose another --out")
            yield
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                out.rmdir()


def write_plates(
    out: Path, plates: Sequence[Plate], answers: Sequence[tuple[int, str, float]], about: str, reading: str
) -> tuple[str, ...]:
    """Writes ``index.html`` and an image per plate, and returns their paths. Raises :class:`OutputError`.

    Args:
        out: the folder, see :func:`open_out`.
        plates: in the order of the page.
        answers: index, label and probability of the best classes, best first.
        about: says what was explained.
        reading: says what the probabilities are.
    """
    for plate in plates:
        write_bytes(out / f"{plate.name}.png", encoded(plate.image, "png"))
    write_text(out / "index.html", _index(plates, answers, about, reading))
    return (str(out / "index.html"), *(str(out / f"{plate.name}.png") for plate in plates))


def score_table(answers: Sequence[tuple[str, float]]) -> str:
    """HTML: labels with their probabilities as numbers and bars."""
    rows = "".join(
        f'<tr><td>{text(label)}</td><td class="bar"><div style="width:{100 * score:.1f}%"></div></td>'
        f"<td>{score:.3f}</td></tr>"
        for label, score in answers
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _index(plates: Sequence[Plate], answers: Sequence[tuple[int, str, float]], about: str, reading: str) -> str:
    table = score_table([(label, score) for _, label, score in answers])
    head = f"<p>{text(about)}</p>{table}<p>{text(reading)}</p>"
    shown = "".join(
        f'<section><h2>{text(plate.title)}</h2><div class="sheet">{_image(plate)}</div>'
        f"<p>{text(plate.words)}</p></section>"
        for plate in plates
    )
    title = f"{answers[0][1]} ({answers[0][2]:.2f}): how the network came to it"
    return page(title, STYLE, f"<h1>{text(title)}</h1>{head}{shown}")


def _image(plate: Plate) -> str:
    return image_tag(plate.image, plate.title, plate.image.shape[1], plate.image.shape[0], "png")


STYLE = """
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
