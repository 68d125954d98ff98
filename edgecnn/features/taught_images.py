"""What a model file remembers of the images it was taught: their labels, file names and hashes, and their features in
few principal directions, so that the ones most similar to a new image can be found. Thumbnails only if the user asked
for them.

JSON in the metadata key ``edgecnn.taught``; numbers as base64, ``[N, k]`` and ``[D, k]`` as int8 with a scale for each
direction. A record of 1,000 images of 1,280 features is 330 KB without thumbnails.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.error_text import first_line
from edgecnn.errors import ManifestError
from edgecnn.features.packed_numbers import FLOAT16, FLOAT32, INT8, UINT16, packed, unpacked
from edgecnn.features.subspace import TINY, unit_rows
from edgecnn.plain_json import UNFIT, encodable, json_text

__all__ = ["MAX_IMAGES", "MAX_THUMBNAIL_BYTES", "SimilarImage", "TaughtImage", "TaughtImages"]

MAX_IMAGES = 1000
"""More are thinned out, evenly in each class."""

MAX_THUMBNAIL_BYTES = 250_000
"""Of all thumbnails together."""

_DIRECTIONS = 96  # on 1,000 images, the most similar one is then among the first five in 99 of 100 cases
_MAX_BASIS_BYTES = 600_000  # of more than 6,250 features, fewer directions are kept
_MAX_TEXT = 2_000_000  # characters: a record is 330 KB, with thumbnails 700 KB, and at most 1.8 MB
_MAX_FEATURES = 65_536
_MAX_NAME = 80  # characters of a file name
_DIGEST_BYTES = 8
_LARGEST = 4.0


@dataclass(frozen=True)
class TaughtImage:
    """One image of a ``teach``."""

    label: str
    file: str  # its name, without folders
    digest: str  # the first 16 hex digits of the file's SHA-256
    thumbnail: bytes | None = None  # a small JPEG


@dataclass(frozen=True)
class SimilarImage:
    """A taught image, and how similar it is to another image."""

    image: TaughtImage
    similarity: float  # estimated cosine of the features, -1 to 1


@dataclass(frozen=True, eq=False)
class TaughtImages:
    """N images with features of length 1, projected on k directions."""

    images: tuple[TaughtImage, ...]
    mean: NDArray[np.float32]  # [D]
    basis: NDArray[np.float32]  # [D, k]
    places: NDArray[np.float32]  # [N, k]
    rest: NDArray[np.float32]  # [N]: squared length of what the directions leave

    @classmethod
    def of(cls, images: Sequence[TaughtImage], features: NDArray[np.floating]) -> TaughtImages | None:
        """The record of images with features ``[N, D]``; None where a feature is not finite, or they are too many."""
        if not len(images) or features.shape[1] > _MAX_FEATURES or not np.isfinite(features).all():
            return None
        return _project(images, unit_rows(features.astype(np.float64)), np.zeros(len(images)))

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.mean)

    def nearest(self, features: NDArray[np.floating], count: int) -> tuple[SimilarImage, ...]:
        """The images most similar to one with features ``[D]``, the most similar first."""
        centred = unit_rows(features[None].astype(np.float64))[0] - self.mean
        place = centred @ self.basis
        rest = max(0.0, float(centred @ centred - place @ place))
        apart = self.places - place
        # The squared distance of vectors of length 1 is 2 - 2 cos. What lies outside the directions is not known apart
        similarity = 1 - ((apart * apart).sum(1) + self.rest + rest) / 2
        order = (-similarity).argsort(kind="stable")[:count]
        return tuple(SimilarImage(self.images[i], float(np.clip(similarity[i], -1, 1))) for i in order)

    def merged(self, later: TaughtImages) -> TaughtImages:
        """The record after a second ``teach``: an image of both is kept as it was taught later.

        The features of the earlier images are taken from their projections.
        """
        digests = {image.digest for image in later.images}
        kept = [i for i, image in enumerate(self.images) if image.digest not in digests]
        images = [*(self.images[i] for i in kept), *later.images]
        features = np.concatenate([self._features()[kept], later._features()])
        return _project(images, features, np.concatenate([self.rest[kept], later.rest]))

    def _features(self) -> NDArray[np.float64]:
        return np.asarray(self.mean + self.places @ self.basis.T, np.float64)

    def to_json(self) -> str:
        """The JSON text for the model file."""
        labels = list(dict.fromkeys(image.label for image in self.images))
        numbers = [labels.index(image.label) for image in self.images]
        basis, basis_scales = _as_int8(self.basis)
        places, place_scales = _as_int8(self.places)
        values = {
            "labels": labels,
            "label_of": packed(np.array(numbers), UINT16),
            "files": [image.file for image in self.images],
            "sha256": base64.b64encode(bytes.fromhex("".join(image.digest for image in self.images))).decode(),
            "mean": packed(self.mean, FLOAT16),
            "basis": packed(basis, INT8),
            "basis_scales": packed(basis_scales, FLOAT32),
            "places": packed(places, INT8),
            "place_scales": packed(place_scales, FLOAT32),
            "rest": packed(self.rest, FLOAT16),
            "thumbnails": {
                str(i): base64.b64encode(image.thumbnail).decode()
                for i, image in enumerate(self.images)
                if image.thumbnail is not None
            },
        }
        return json_text(values)

    @classmethod
    def from_json(cls, text: str) -> TaughtImages:
        """Reads the output of :meth:`to_json`. Raises :class:`ManifestError` for any other text."""
        if len(text) > _MAX_TEXT:
            raise _invalid(f"{len(text):,} characters, at most {_MAX_TEXT:,} are allowed")
        try:
            return _read(json.loads(text))
        except UNFIT as error:
            raise _invalid(first_line(error)) from error


def _project(
    images: Sequence[TaughtImage], features: NDArray[np.floating], outside: NDArray[np.floating]
) -> TaughtImages:
    """Keeps what the bounds allow.

    Args:
        images: N images.
        features: ``[N, D]``.
        outside: ``[N]``, squared length of what was lost of the features before.
    """
    chosen = _thinned([image.label for image in images])
    values, outside = np.asarray(features, np.float64)[chosen], np.asarray(outside, np.float64)[chosen]
    mean = values.mean(0).astype(FLOAT16).astype(np.float64)
    centred = values - mean
    directions = min(_DIRECTIONS, len(chosen), _MAX_BASIS_BYTES // centred.shape[1])
    basis = _rounded(np.linalg.svd(centred, full_matrices=False)[2][:directions].T)
    places = _rounded(centred @ basis)
    rest = np.maximum((centred * centred).sum(1) - (places * places).sum(1), 0) + outside
    kept = _within_bytes([images[i] for i in chosen])
    return TaughtImages(kept, _single(mean), _single(basis), _single(places), _single(rest.astype(FLOAT16)))


def _thinned(labels: Sequence[str]) -> list[int]:
    """Which images are kept: as many of each class as all classes can have, evenly spread over their order."""
    of: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        of.setdefault(label, []).append(i)
    left, kept = MAX_IMAGES, []
    for done, indices in enumerate(sorted(of.values(), key=len)):
        count = min(len(indices), left // (len(of) - done))
        kept += [indices[i] for i in np.linspace(0, len(indices) - 1, count).round().astype(int)] if count else []
        left -= count
    return sorted(kept)


def _within_bytes(images: Sequence[TaughtImage]) -> tuple[TaughtImage, ...]:
    """The images, with thumbnails as far as the bound allows: in turn of every class."""
    turn: dict[str, int] = {}
    order = []
    for i, image in enumerate(images):
        turn[image.label] = turn.get(image.label, 0) + 1
        order.append((turn[image.label], i))
    left, shown = MAX_THUMBNAIL_BYTES, set()
    for _, i in sorted(order):
        size = len(images[i].thumbnail or b"")
        if size <= left:
            left -= size
            shown.add(i)
    return tuple(
        replace(image, file=_as_text(image.file)[:_MAX_NAME], thumbnail=image.thumbnail if i in shown else None)
        for i, image in enumerate(images)
    )


def _as_text(name: str) -> str:
    """A file's name in UTF-8: of another encoding, Python keeps bytes that no UTF-8 text has."""
    return name.encode(errors="backslashreplace").decode()


def _read(found: Any) -> TaughtImages:
    """Raises whatever wrong types and values raise."""
    labels, files = found["labels"], found["files"]
    if not all(isinstance(text, str) and 0 < len(text) <= 4096 and encodable(text) for text in (*labels, *files)):
        raise ValueError("a label or a file name is no text")
    count = len(files)
    if not 0 < count <= MAX_IMAGES:
        raise ValueError(f"{count} images, expected 1 to {MAX_IMAGES}")
    label_of, digests = unpacked(found["label_of"], UINT16), _bytes(found["sha256"])
    mean, rest = unpacked(found["mean"], FLOAT16), unpacked(found["rest"], FLOAT16)
    basis_scales, place_scales = (unpacked(found[name], FLOAT32) for name in ("basis_scales", "place_scales"))
    width, directions = len(mean), len(basis_scales)
    sizes_fit = len(label_of) == len(rest) == count and len(digests) == count * _DIGEST_BYTES
    if not (sizes_fit and 0 < width <= _MAX_FEATURES and 0 < directions == len(place_scales) <= _DIRECTIONS):
        raise ValueError("its numbers do not fit together")
    _check_range(mean, rest, basis_scales, place_scales)
    basis = unpacked(found["basis"], INT8).reshape(width, directions) * basis_scales
    places = unpacked(found["places"], INT8).reshape(count, directions) * place_scales
    _check_range(basis, places)
    if rest.min() < 0:
        raise ValueError("a length is negative")
    thumbnails = {int(number): _jpeg(text) for number, text in found["thumbnails"].items()}
    if sum(map(len, thumbnails.values())) > MAX_THUMBNAIL_BYTES:
        raise ValueError("the thumbnails are too large")
    images = tuple(
        TaughtImage(
            labels[int(label_of[i])],
            files[i],
            digests[i * _DIGEST_BYTES : (i + 1) * _DIGEST_BYTES].hex(),
            thumbnails.get(i),
        )
        for i in range(count)
    )
    return TaughtImages(images, mean, basis, places, rest)


def _check_range(*parts: NDArray[np.float32]) -> None:
    """Features have length 1, so nothing is large; NaN is refused too. Raises :class:`ValueError`."""
    if not all(bool((np.abs(values) <= _LARGEST).all()) for values in parts):
        raise ValueError("a number is out of range")


def _jpeg(text: str) -> bytes:
    content = _bytes(text)
    if not (content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9")):
        raise ValueError("a thumbnail is no JPEG")
    return content


def _invalid(why: str) -> ManifestError:
    return ManifestError(
        f"the record of the taught images is invalid ({why}); teach the model again from the file it was taught from"
    )


def _as_int8(values: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Whole numbers of -127 to 127 and the scale of each column."""
    scales = np.maximum(np.abs(values).max(0) / 127.0, TINY).astype(FLOAT32).astype(np.float64)
    return np.round(values / scales).astype(np.int8), scales


def _rounded(values: NDArray[np.floating]) -> NDArray[np.float64]:
    whole, scales = _as_int8(values)
    found: NDArray[np.float64] = whole * scales
    return found


def _single(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
