"""What a model file holds beside its manifest: golden samples, the classes' statistics, taught images, the split.

The first line of an input names the record, the rest is its text. The image decoder is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from fuzz.promises import Look, Outcome, require, require_line
from fuzz.stand_in_decoder import stand_in_decoder

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import ManifestError
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.features.taught_images import TaughtImages
from edgecnn.runtime.golden.samples import GoldenSamples

LONGEST = 4096
_KEYS = (
    "tolerance", "samples", "png", "probabilities", "unknown_score", "sequence", "jpeg", "content", "sha256", "1", "8",
    "counts", "means", "directions", "rest", "labels", "label_of", "files", "mean", "basis", "basis_scales", "places",
    "place_scales", "thumbnails", "0", "train", "val", "test",
)  # fmt: skip
WORDS = (
    b"golden\n", b"classes\n", b"taught\n", b"split\n", *(f'"{key}"'.encode() for key in _KEYS), b'""', b'"AAA="',
    b'"AAAA"', b'"AHw="', b'"/9j/2Q=="', b'"iVBORw0KGgo', b"[0.5, 0.5]", b"null", b"true", b"NaN", b"-Infinity",
    b"1e308", b"1e400", b"9" * 400, b"\\ud800", b"\\u2028", b"[[[[[[[[", b"]]]]]]]]", b"{}",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Look]:
    with stand_in_decoder():
        yield _look


def _look(data: bytes) -> Outcome:
    name, _, text = data.partition(b"\n")
    look = _LOOKS.get(name.decode("latin-1"))
    if look is None:
        return "refused"
    try:
        look(text.decode("utf-8", "replace"))
    except ManifestError as error:
        require_line(str(error))
        return "refused"
    return "accepted"


def _golden(text: str) -> None:
    found = GoldenSamples.from_json(text)
    count = len(found.images)
    require(found.images.ndim == 4 and found.images.dtype == np.uint8 and count > 0, "no images")
    require(found.probabilities.shape[0] == count, "other probabilities")
    require(found.unknown_scores is None or found.unknown_scores.shape == (count,), "other scores")
    require(found.sequences is None or len(found.sequences) == count, "other sequences")
    require(found.tolerance >= 0, "no tolerance")
    if found.jpeg is not None:
        require_line(found.jpeg.difference() or "none")


def _classes(text: str) -> None:
    found = ClassStatistics.from_json(text)
    drawn = found.draw(len(found.counts) - 1, 2, np.random.default_rng(0))
    require(drawn.shape == (2, found.means.shape[1]), "features of another size")
    again = ClassStatistics.from_json(found.to_json())
    require(again.counts == found.counts and np.array_equal(again.means, found.means), "it does not come back equal")


def _taught(text: str) -> None:
    found = TaughtImages.from_json(text)
    similar = found.nearest(np.ones(found.width, np.float32), 2)
    require(0 < len(similar) <= 2 and all(-1 <= image.similarity <= 1 for image in similar), "no similarity")
    found.to_json().encode()
    require(all(len(image.digest) == 16 for image in found.images), "another digest")
    "".join(image.label + image.file for image in found.images).encode()  # as a page shows them


def _split(text: str) -> None:
    found = SplitRecord.from_json(text)
    require(SplitRecord.from_json(found.to_json()) == found, "it does not come back equal")
    found.split_of("ab" * 32)
    found.with_trained(["ab" * 32])


_LOOKS: Mapping[str, Callable[[str], None]] = {
    "golden": _golden,
    "classes": _classes,
    "taught": _taught,
    "split": _split,
}
