"""Finds images that are the same image.

Byte for byte, encoded or resized again, mirrored, turned, cropped, or in other light.

Three steps, each on fewer pairs than the one before:

1. Every image is described by low frequencies of its thumbnail, and so are parts of it that a crop may have left;
whitened by what is usual
   in the set, so that two images of it are alike by chance alone. All pairs are compared, as products of matrices.
2. The pairs that come out alike are laid over each other (:mod:`edgecnn.data_quality.image_alignment`).
3. Their structure is compared there, less what the images of a set under one camera have in common anyway.

docs/doctor-data.md has the measured recall of each kind of copy, and the false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data_quality.image_alignment import Floats, align, structure
from edgecnn.preprocess import Image

__all__ = [
    "THUMBNAIL_SIDE",
    "Copies",
    "NearDuplicates",
    "NearPair",
    "Thumbnail",
    "find_copies",
    "find_near_duplicates",
    "group_duplicates",
    "thumbnail",
]

Thumbnail = NDArray[np.uint8]
"""uint8 ``[64, 64]`` grey levels."""

THUMBNAIL_SIDE = 64
_MIN_LIKENESS = 0.88  # copies of photographs: 0.91 and above; other photographs: below 0.5
_MIN_LIKENESS_ALIKE = 0.85  # where what all images share is left out of it, noise counts for more
_MIN_CONTRAST = 2.0  # grey levels (standard deviation): a blank image is like every other blank image
_WORKERS = 2
_BLOCK = 4096  # thumbnails described at once
_ROWS, _COLUMNS = 512, 2048  # descriptions compared at once: what comes out, 4 MB, stays in the cache
_BATCH = 128

# The first step
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
_WINDOWS = [(_WHOLE, _WHOLE), *product(_SPANS, _SPANS)]  # (top, bottom), (left, right)
# Turned (mirrored at the diagonal), upside down, mirrored
_ORIENTATIONS = tuple(product((False, True), (False, True), (False, True)))
_UPRIGHT = tuple(o for o in _ORIENTATIONS if not (o[0] or o[1]))  # those that are tried along with a crop

# The third step
_ALIKE, _COPY = 0.4, 0.9  # correlation of images that look alike and are no copies
# Of pairs drawn, between those two or above the first: the set is one of images that look alike
_ALIKE_SHARE, _ALIKE_MAJORITY = (
    0.1,
    0.5,
)
_DRAWN = 600
_MAX_COMMON = 64  # directions of what such images share
_CROWD, _CROWD_FACTOR = 8, 3.0  # with so many others nearly as like, a likeness tells nothing
# Photographs are copies or below 0.4; digits, icons and shapes laid over each other lie in between
_DOUBTFUL, _DOUBTFUL_SHARE = (
    0.5,
    0.2,
)
_MIN_LIKENESS_DOUBTFUL, _GAP = 0.98, 3.0  # there, a copy must be that much nearer than whatever comes next


@dataclass(frozen=True)
class NearPair:
    """Two images that are one."""

    first: int  # index
    second: int
    likeness: float  # correlation of the structure, 0.85 to 1
    change: str  # what was done to one of them, in words; empty: encoded, resized or lit otherwise at most


@dataclass(frozen=True)
class NearDuplicates:
    """What was found in a set of images."""

    pairs: tuple[NearPair, ...]  # first < second, sorted
    # The set shows much the same everywhere (one camera, one kind of part): pairs may be relatives, not copies
    look_alike: bool


@dataclass(frozen=True)
class Copies:
    """Which images are one."""

    groups: tuple[int, ...]  # of each image; those that are one share a number
    pairs: tuple[NearPair, ...]  # that are nearly one; of byte-identical images, the first stands for all
    look_alike: bool  # as in NearDuplicates


def thumbnail(image: Image) -> Thumbnail:
    """uint8 ``[H, W, 3]`` RGB -> ``[64, 64]`` grey levels, which encoding and resizing leave nearly alone."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def group_duplicates(digests: Sequence[str], thumbnails: NDArray[np.uint8]) -> list[int]:
    """Gives each image the number of its group.

    Images that are the same share one. Arguments as of :func:`find_copies`.
    """
    return list(find_copies(digests, thumbnails).groups)


def find_copies(
    digests: Sequence[str], thumbnails: NDArray[np.uint8], progress: Callable[[int, int], None] | None = None
) -> Copies:
    """Finds which images are one, byte for byte or nearly.

    Args:
        digests: SHA-256 of each file.
        thumbnails: uint8 ``[N, 64, 64]`` of :func:`thumbnail`.
        progress: told how many of how many blocks are compared, then how many batches of pairs.
    """
    groups = _Union(len(digests))
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        groups.join(first.setdefault(digest, i), i)
    unique = list(first.values())
    near = find_near_duplicates(thumbnails[unique], progress)
    pairs = tuple(NearPair(unique[p.first], unique[p.second], p.likeness, p.change) for p in near.pairs)
    for pair in pairs:
        groups.join(pair.first, pair.second)
    return Copies(tuple(groups.root(i) for i in range(len(digests))), pairs, near.look_alike)


def find_near_duplicates(
    thumbnails: NDArray[np.uint8], progress: Callable[[int, int], None] | None = None
) -> NearDuplicates:
    """Finds all pairs of one image.

    Args:
        thumbnails: uint8 ``[N, 64, 64]`` of :func:`thumbnail`; better without byte-identical files, which need no
            such search.
        progress: told how many of how many blocks are compared, then how many batches of pairs.
    """
    contrast = np.array([t.std() for t in thumbnails])
    kept = np.nonzero(contrast >= _MIN_CONTRAST)[0]
    if len(kept) < 2:
        return NearDuplicates((), look_alike=False)
    images = thumbnails[kept]
    common, look_alike = _common(images)
    progress = progress or (lambda done, total: None)
    candidates = _candidates(_descriptions(images), progress)
    pairs = _verified(images, candidates, common, progress)
    pairs = _exceptional(pairs) if look_alike else _undoubted(pairs)
    least = _MIN_LIKENESS_ALIKE if look_alike else _MIN_LIKENESS
    found = (
        NearPair(int(kept[p.first]), int(kept[p.second]), p.likeness, p.change) for p in pairs if p.likeness >= least
    )
    return NearDuplicates(tuple(sorted(found, key=lambda p: (p.first, p.second))), look_alike)


# Describing


@lru_cache
def _basis(start: float, end: float) -> Floats:
    """Cosines over a part of one axis, ``[K, S]``: the DCT of that part."""
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
    raw = [_frequencies(images, *window) for window in _WINDOWS]  # [N, K, K] each
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
        return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-6), np.float32)

    return _Descriptions([finish(r) for r in raw], {o: finish(_turned_back(raw[0], o)) for o in _ORIENTATIONS})


def _frequencies(images: NDArray[np.uint8], rows: tuple[float, float], columns: tuple[float, float]) -> Floats:
    down, across = _basis(*rows), _basis(*columns).T
    blocks = [down @ images[i : i + _BLOCK].astype(np.float32) @ across for i in range(0, len(images), _BLOCK)]
    return np.concatenate(blocks)  # [N, K, K]


def _kept(described: Floats) -> Floats:
    """``[N, K, K]`` -> ``[N, 35]`` of length 1: neither the mean grey nor the contrast."""
    kept = described[:, _KEPT]
    return np.asarray(kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-6))


def _turned_back(described: Floats, orientation: tuple[bool, bool, bool]) -> Floats:
    """Mirroring an image changes the sign of its odd frequencies; mirroring it at the diagonal swaps the axes."""
    turned, upside_down, mirrored = orientation
    if turned:
        described = described.transpose(0, 2, 1)
    sign = np.where(upside_down, (-1.0) ** _DOWN, 1) * np.where(mirrored, (-1.0) ** _ACROSS, 1)
    return np.asarray(described * sign, np.float32)


# Comparing


@dataclass(frozen=True)
class _Candidates:
    """Pairs that may be one image, ``[M]`` each."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    window: NDArray[np.int8]  # of the source
    orientation: NDArray[np.int8]  # of the target
    score: Floats


_NONE = _Candidates(
    np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0, np.int8), np.empty(0, np.float32)
)


def _candidates(described: _Descriptions, progress: Callable[[int, int], None]) -> _Candidates:
    count = len(described.windows[0])
    starts = range(0, count, _ROWS)
    found: list[_Candidates] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done, rows in enumerate(pool.map(lambda a: _compare_rows(described, a), starts)):
            found.append(rows)
            progress(done + 1, len(starts))
    joined = _joined(found)
    most = _MAX_IN_ALL[0] + _MAX_IN_ALL[1] * count
    return joined if len(joined.score) <= most else _taken(joined, np.argpartition(-joined.score, most)[:most])


def _compare_rows(described: _Descriptions, a: int) -> _Candidates:
    """A block of images as sources against all as targets."""
    count = len(described.windows[0])
    found: list[_Candidates] = []
    scores: Floats = np.empty(_ROWS * _COLUMNS, np.float32)
    mask: NDArray[np.bool_] = np.empty(_ROWS * _COLUMNS, bool)
    for w, windows in enumerate(described.windows):
        sources = windows[a : a + _ROWS]
        for orientation in _ORIENTATIONS if w == 0 else _UPRIGHT:
            for b in range(a // _COLUMNS * _COLUMNS if w == 0 else 0, count, _COLUMNS):  # whole images: each pair once
                targets = described.turned[orientation][b : b + _COLUMNS].T
                shape = (len(sources), targets.shape[1])
                out, above = scores[: shape[0] * shape[1]].reshape(shape), mask[: shape[0] * shape[1]].reshape(shape)
                np.matmul(sources, targets, out=out)
                np.greater(out, _MIN_LIKELY, out=above)
                found.append(_above(out, above, a, b, w, _ORIENTATIONS.index(orientation)))
    return _best(_joined(found))


def _above(scores: Floats, mask: NDArray[np.bool_], a: int, b: int, window: int, orientation: int) -> _Candidates:
    flat = np.flatnonzero(mask)  # several times as fast as nonzero with two axes
    if len(flat) > _MAX_CANDIDATES * len(scores):
        place = max(scores.shape[1] - _MAX_CANDIDATES, 0)
        flat = np.flatnonzero(scores > np.maximum(np.partition(scores, place, axis=1)[:, place, None], _MIN_LIKELY))
    rows, columns = np.divmod(flat, scores.shape[1])
    kept = rows + a < columns + b if window == 0 else rows + a != columns + b
    rows, columns = rows[kept], columns[kept]
    many = len(rows)
    return _Candidates(
        (rows + a).astype(np.int32),
        (columns + b).astype(np.int32),
        np.full(many, window, np.int8),
        np.full(many, orientation, np.int8),
        scores[rows, columns],
    )


def _joined(parts: Sequence[_Candidates]) -> _Candidates:
    parts = parts or [_NONE]
    return _Candidates(
        np.concatenate([p.source for p in parts]),
        np.concatenate([p.target for p in parts]),
        np.concatenate([p.window for p in parts]),
        np.concatenate([p.orientation for p in parts]),
        np.concatenate([p.score for p in parts]),
    )


def _taken(c: _Candidates, index: NDArray[np.intp]) -> _Candidates:
    return _Candidates(c.source[index], c.target[index], c.window[index], c.orientation[index], c.score[index])


def _best(c: _Candidates) -> _Candidates:
    """The likeliest way of each pair, and the likeliest pairs of each source."""
    c = _taken(c, np.lexsort((-c.score, c.target, c.source)))
    new = np.ones(len(c.source), bool)
    new[1:] = (np.diff(c.source) != 0) | (np.diff(c.target) != 0)
    c = _taken(c, np.nonzero(new)[0])
    c = _taken(c, np.lexsort((-c.score, c.source)))
    begins = np.searchsorted(c.source, c.source)
    return _taken(c, np.nonzero(np.arange(len(begins)) - begins < _MAX_CANDIDATES)[0])


# Verifying


def _common(images: NDArray[np.uint8]) -> tuple[Floats, bool]:
    """What the images share, ``[M, S * S]`` orthonormal, and whether they look alike at all; M is 0 where they do not.

    Told by pairs that are alike and no copies: a set of many copies of few images has none of these.
    """
    random = np.random.default_rng(0)
    drawn = structure(images[random.permutation(len(images))[: 4 * _DRAWN]].astype(np.float32))
    few = drawn[:_DRAWN]
    pairs = (few @ few.T)[np.triu_indices(len(few), 1)]
    alike, copies = (pairs > _ALIKE).mean(), (pairs > _COPY).mean()
    if alike - copies < _ALIKE_SHARE and alike < _ALIKE_MAJORITY:
        return np.empty((0, drawn.shape[1]), np.float32), False
    many = min(_MAX_COMMON, len(drawn) // 16)
    if many == 0:
        return np.empty((0, drawn.shape[1]), np.float32), True
    _, vectors = np.linalg.eigh(drawn @ drawn.T)
    return np.ascontiguousarray(np.linalg.qr(drawn.T @ vectors[:, -many:])[0].T, np.float32), True


def _verified(
    images: NDArray[np.uint8], c: _Candidates, common: Floats, progress: Callable[[int, int], None]
) -> list[NearPair]:
    """All candidates with their likeness, the better direction of each pair."""
    found: dict[tuple[int, int], NearPair] = {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        batches = _batches(len(c.source))
        for done, batch in enumerate(pool.map(lambda i: list(_verify(images, _taken(c, i), common)), batches)):
            progress(done + 1, len(batches))
            for pair in batch:
                key = (pair.first, pair.second)
                if key not in found or found[key].likeness < pair.likeness:
                    found[key] = pair
    return list(found.values())


def _batches(count: int) -> list[NDArray[np.intp]]:
    return [np.arange(i, min(i + _BATCH, count)) for i in range(0, count, _BATCH)]


def _verify(images: NDArray[np.uint8], c: _Candidates, common: Floats) -> Iterator[NearPair]:
    source = images[c.source].astype(np.float32)
    target = np.stack(
        [_turn(images[t], _ORIENTATIONS[o]) for t, o in zip(c.target, c.orientation, strict=True)]
    ).astype(np.float32)
    start = np.array(
        [(left, right - left, top, bottom - top) for (top, bottom), (left, right) in (_WINDOWS[w] for w in c.window)],
        np.float32,
    )
    found = align(source, target, start, common)
    rows = zip(
        c.source.tolist(),
        c.target.tolist(),
        c.orientation.tolist(),
        found.windows.tolist(),
        found.likeness.tolist(),
        strict=True,
    )
    for i, j, orientation, window, likeness in rows:
        yield NearPair(min(i, j), max(i, j), likeness, _words(_ORIENTATIONS[orientation], window))


def _turn(image: Thumbnail, orientation: tuple[bool, bool, bool]) -> Thumbnail:
    turned, upside_down, mirrored = orientation
    image = image.T if turned else image
    image = image[::-1] if upside_down else image
    return image[:, ::-1] if mirrored else image


def _words(orientation: tuple[bool, bool, bool], window: list[float]) -> str:
    left, width, top, height = window
    lost = max(left, top, 1 - left - width, 1 - top - height, width - 1, height - 1)
    turned, upside_down, mirrored = orientation
    if turned:
        words = ["turned by 90°"] if upside_down != mirrored else ["turned and mirrored"]
    elif upside_down:
        words = ["turned by 180°"] if mirrored else ["upside down"]
    else:
        words = ["mirrored"] if mirrored else []
    return " and ".join(words + (["cropped"] if lost > 0.025 else []))


def _exceptional(pairs: Sequence[NearPair]) -> list[NearPair]:
    """Where all images look alike, two are a pair only if neither is nearly as like many others."""
    rests = _rests(pairs)
    return [
        p
        for p in pairs
        if all(sum(r < _CROWD_FACTOR * (1 - p.likeness) for r in rests[i]) <= _CROWD for i in (p.first, p.second))
    ]


def _undoubted(pairs: Sequence[NearPair]) -> list[NearPair]:
    """Simple images can be laid over each other without being copies.

    Where many are, only what stands out is believed.
    """
    doubtful = sum(_DOUBTFUL <= p.likeness < _MIN_LIKENESS for p in pairs)
    if doubtful < _DOUBTFUL_SHARE * len(pairs) or doubtful < 3:
        return list(pairs)
    limits = {i: _last_before_gap(rests) for i, rests in _rests(pairs).items()}
    sure = (p for p in pairs if p.likeness >= _MIN_LIKENESS_DOUBTFUL and p.change in ("", "mirrored"))
    return [p for p in sure if 1 - p.likeness <= min(limits[p.first], limits[p.second])]


def _rests(pairs: Sequence[NearPair]) -> dict[int, list[float]]:
    """What each image's pairs lack to a likeness of 1."""
    rests: dict[int, list[float]] = {}
    for pair in pairs:
        for i in (pair.first, pair.second):
            rests.setdefault(i, []).append(1 - pair.likeness)
    return rests


def _last_before_gap(rests: Sequence[float]) -> float:
    """The largest that is followed by a gap; -1 where none is."""
    ascending = [*sorted(r for r in rests if r < _DOUBTFUL), _DOUBTFUL]
    return max((near for near, far in pairwise(ascending) if far > _GAP * max(near, 1e-3)), default=-1.0)


class _Union:
    """Disjoint sets with path halving."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        a, b = sorted((self.root(i), self.root(j)))
        self._parent[b] = a
