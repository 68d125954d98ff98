"""Finds pairs of thumbnails that may be copies of one image, by the low frequencies of their grey levels.

Descriptions cover each image and the windows that a crop may have kept. They are whitened over the dataset, so that
unrelated images are similar only by chance. Matrix products compare all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.loading import default_workers
from edgecnn.data_quality.image_alignment import Floats, unit_rows
from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE

__all__ = ["ORIENTATIONS", "WINDOWS", "Candidates", "find_candidates"]

_BLOCK = 4096  # thumbnails described at once
_ROWS, _COLUMNS = 512, 2048  # descriptions compared at once: what comes out, 4 MB, stays in the cache
_FREQUENCIES = 8  # along each axis
_HIGHEST = 7  # of the sum over both axes: 35 numbers an image
_MIN_LIKELY = 0.7  # correlation of descriptions: copies lie above, 4 in 100,000 pairs of other photographs do
_MAX_CANDIDATES = 8  # an image and a direction: only sets that all look alike come to so many
# And so many an image: 60,000 tiny images have a million by chance, and copies are among the likeliest
_MAX_IN_ALL = (
    20_000,
    4,
)
_EDGES = (0.03, 0.12)  # of a side: a window is never farther than 0.045 from a crop that takes up to 0.165 off an edge
_WHOLE = (0.0, 1.0)
_SPANS = [(near, 1 - far) for near in _EDGES for far in _EDGES]
WINDOWS = [(_WHOLE, _WHOLE), *product(_SPANS, _SPANS)]  # (top, bottom), (left, right)
# Turned (mirrored at the diagonal), upside down, mirrored
ORIENTATIONS = tuple(product((False, True), (False, True), (False, True)))
_UPRIGHT = tuple(o for o in ORIENTATIONS if not (o[0] or o[1]))  # those that are tried along with a crop


@dataclass(frozen=True)
class Candidates:
    """Candidate pairs; each field has the shape ``[M]``."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    window: NDArray[np.int8]  # of the source
    orientation: NDArray[np.int8]  # of the target
    score: Floats

    def take(self, index: NDArray[np.intp]) -> Candidates:
        """Returns the selected candidates."""
        return Candidates(
            source=self.source[index],
            target=self.target[index],
            window=self.window[index],
            orientation=self.orientation[index],
            score=self.score[index],
        )


_NONE = Candidates(
    source=np.empty(0, np.int32),
    target=np.empty(0, np.int32),
    window=np.empty(0, np.int8),
    orientation=np.empty(0, np.int8),
    score=np.empty(0, np.float32),
)


def find_candidates(images: NDArray[np.uint8], progress: Callable[[int, int], None]) -> Candidates:
    """Compares all pairs of thumbnails.

    Args:
        images: thumbnails, uint8 ``[N, 64, 64]``, none of them blank.
        progress: receives the number of blocks compared and their total.
    """
    described = _descriptions(images)
    count = len(described.windows[0])
    starts = range(0, count, _ROWS)
    found: list[Candidates] = []
    with ThreadPoolExecutor(default_workers()) as pool:
        for done, rows in enumerate(pool.map(lambda a: _compare_rows(described, a), starts)):
            found.append(rows)
            progress(done + 1, len(starts))
    joined = _joined(found)
    most = _MAX_IN_ALL[0] + _MAX_IN_ALL[1] * count
    return joined if len(joined.score) <= most else joined.take(np.argpartition(-joined.score, most)[:most])


def _compare_rows(described: _Descriptions, a: int) -> Candidates:
    """Compares a block of images as sources with all images as targets."""
    count = len(described.windows[0])
    found: list[Candidates] = []
    scores: Floats = np.empty(_ROWS * _COLUMNS, np.float32)
    mask: NDArray[np.bool_] = np.empty(_ROWS * _COLUMNS, bool)
    for w, windows in enumerate(described.windows):
        sources = windows[a : a + _ROWS]
        for orientation in ORIENTATIONS if w == 0 else _UPRIGHT:
            for b in range(a // _COLUMNS * _COLUMNS if w == 0 else 0, count, _COLUMNS):  # whole images: each pair once
                targets = described.turned[orientation][b : b + _COLUMNS].T
                shape = (len(sources), targets.shape[1])
                out, above = scores[: shape[0] * shape[1]].reshape(shape), mask[: shape[0] * shape[1]].reshape(shape)
                np.matmul(sources, targets, out=out)
                np.greater(out, _MIN_LIKELY, out=above)
                found.append(_above(out, above, a, b, w, ORIENTATIONS.index(orientation)))
    return _best(_joined(found))


def _above(scores: Floats, mask: NDArray[np.bool_], a: int, b: int, window: int, orientation: int) -> Candidates:
    flat = np.flatnonzero(mask)  # several times as fast as nonzero with two axes
    if len(flat) > _MAX_CANDIDATES * len(scores):
        place = max(scores.shape[1] - _MAX_CANDIDATES, 0)
        flat = np.flatnonzero(scores > np.maximum(np.partition(scores, place, axis=1)[:, place, None], _MIN_LIKELY))
    rows, columns = np.divmod(flat, scores.shape[1])
    kept = rows + a < columns + b if window == 0 else rows + a != columns + b
    rows, columns = rows[kept], columns[kept]
    many = len(rows)
    return Candidates(
        source=(rows + a).astype(np.int32),
        target=(columns + b).astype(np.int32),
        window=np.full(many, window, np.int8),
        orientation=np.full(many, orientation, np.int8),
        score=scores[rows, columns],
    )


def _joined(parts: Sequence[Candidates]) -> Candidates:
    parts = parts or [_NONE]
    return Candidates(
        source=np.concatenate([p.source for p in parts]),
        target=np.concatenate([p.target for p in parts]),
        window=np.concatenate([p.window for p in parts]),
        orientation=np.concatenate([p.orientation for p in parts]),
        score=np.concatenate([p.score for p in parts]),
    )


def _best(c: Candidates) -> Candidates:
    """Keeps the best orientation and window of each pair, and the best pairs of each source."""
    c = c.take(np.lexsort((-c.score, c.target, c.source)))
    new = np.ones(len(c.source), bool)
    new[1:] = (np.diff(c.source) != 0) | (np.diff(c.target) != 0)
    c = c.take(np.nonzero(new)[0])
    c = c.take(np.lexsort((-c.score, c.source)))
    begins = np.searchsorted(c.source, c.source)
    return c.take(np.nonzero(np.arange(len(begins)) - begins < _MAX_CANDIDATES)[0])


@lru_cache
def _basis(start: float, end: float) -> Floats:
    """Returns the DCT of a part of one axis, as a matrix ``[K, S]``."""
    edges = np.arange(THUMBNAIL_SIDE + 1) / THUMBNAIL_SIDE
    inside = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
    place = np.clip(((edges[1:] + edges[:-1]) / 2 - start) / (end - start), 0, 1)
    return np.asarray(np.cos(np.pi * np.arange(_FREQUENCIES)[:, None] * place) * inside / inside.sum(), np.float32)


_DOWN, _ACROSS = np.indices((_FREQUENCIES, _FREQUENCIES))
_KEPT = (_DOWN + _ACROSS > 0) & (_DOWN + _ACROSS <= _HIGHEST)


@dataclass(frozen=True)
class _Descriptions:
    windows: list[Floats]  # [N, 35] each: the image as a crop to this window would be described
    turned: dict[tuple[bool, bool, bool], Floats]  # [N, 35] each: the image as it would be, mirrored or turned back


def _descriptions(images: NDArray[np.uint8]) -> _Descriptions:
    raw = [_frequencies(images, *window) for window in WINDOWS]  # [N, K, K] each
    whole = _kept(raw[0])
    weight = len(whole) / (len(whole) + 2.0 * whole.shape[1])  # few images do not tell what is usual
    mean = whole.mean(0) * weight
    falling = 1.0 / (_DOWN + _ACROSS)[_KEPT].astype(np.float64) ** 2  # power of photographs by frequency (Field 1987)
    spread = np.cov(whole.T).reshape(len(falling), -1)
    prior = np.diag(falling * max(np.trace(spread), 1e-3) / falling.sum())
    variance, directions = np.linalg.eigh(0.9 * weight * spread + (1 - 0.9 * weight) * prior)
    whiten = (directions / np.sqrt(variance)).astype(np.float32)

    def finish(described: Floats) -> Floats:
        white = (_kept(described) - mean) @ whiten
        return np.asarray(unit_rows(white), np.float32)

    return _Descriptions([finish(r) for r in raw], {o: finish(_turned_back(raw[0], o)) for o in ORIENTATIONS})


def _frequencies(images: NDArray[np.uint8], rows: tuple[float, float], columns: tuple[float, float]) -> Floats:
    down, across = _basis(*rows), _basis(*columns).T
    blocks = [down @ images[i : i + _BLOCK].astype(np.float32) @ across for i in range(0, len(images), _BLOCK)]
    return np.concatenate(blocks)  # [N, K, K]


def _kept(described: Floats) -> Floats:
    """Normalizes ``[N, K, K]`` to ``[N, 35]`` of length 1, without mean grey level and contrast."""
    return unit_rows(described[:, _KEPT])


def _turned_back(described: Floats, orientation: tuple[bool, bool, bool]) -> Floats:
    """Undoes an orientation: mirroring changes the sign of odd frequencies, transposing swaps the axes."""
    turned, upside_down, mirrored = orientation
    if turned:
        described = described.transpose(0, 2, 1)
    sign = np.where(upside_down, (-1.0) ** _DOWN, 1) * np.where(mirrored, (-1.0) ** _ACROSS, 1)
    return np.asarray(described * sign, np.float32)
