"""Aligns candidate pairs of thumbnails and compares their structure, without what all images of the dataset share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.loading import default_workers
from edgecnn.data_quality.copy_candidates import ORIENTATIONS, WINDOWS, Candidates
from edgecnn.data_quality.image_alignment import Floats, align, structure
from edgecnn.data_quality.thumbnail import Thumbnail

__all__ = ["NearPair", "believable", "common_structure", "verify"]

_MIN_LIKENESS = 0.88  # copies of photographs: 0.91 and above; other photographs: below 0.5
_MIN_LIKENESS_ALIKE = 0.85  # where what all images share is left out of it, noise counts for more
_BATCH = 128
_ALIKE, _COPY = 0.4, 0.9  # correlation of images that look alike and are no copies
# Of pairs drawn, between those two or above the first: the set is one of images that look alike
_ALIKE_SHARE, _ALIKE_MAJORITY = (
    0.1,
    0.5,
)
_DRAWN = 600
_MAX_COMMON = 64  # directions of what such images share
_CROWD, _CROWD_FACTOR = 8, 3.0  # with so many others nearly as similar, similarity proves nothing
# Photographs are copies or below 0.4; digits, icons and shapes laid over each other lie in between
_DOUBTFUL, _DOUBTFUL_SHARE = (
    0.5,
    0.2,
)
_MIN_LIKENESS_DOUBTFUL, _GAP = 0.98, 3.0  # there, a copy must be more similar than the next image by this much


@dataclass(frozen=True)
class NearPair:
    """Two images that are copies of one image."""

    first: int  # index
    second: int
    likeness: float  # correlation of the structure, 0.85 to 1
    change: str  # what was done to one of them, in words; empty: encoded, resized or lit otherwise at most


def common_structure(images: NDArray[np.uint8]) -> tuple[Floats, bool]:
    """Returns the shared structure of the images, ``[M, S * S]`` orthonormal, and whether all images look alike.

    M is 0 if they do not. The decision uses similar pairs that are not copies.
    """
    drawn = images[np.random.default_rng(0).permutation(len(images))[: 4 * _DRAWN]]
    few = structure(drawn[:_DRAWN].astype(np.float32))
    pairs = (few @ few.T)[np.triu_indices(len(few), 1)]
    alike, copies = (pairs > _ALIKE).mean(), (pairs > _COPY).mean()
    if alike - copies < _ALIKE_SHARE and alike < _ALIKE_MAJORITY:
        return np.empty((0, few.shape[1]), np.float32), False
    many = min(_MAX_COMMON, len(drawn) // 16)
    if many == 0:
        return np.empty((0, few.shape[1]), np.float32), True
    found = np.concatenate([few, structure(drawn[_DRAWN:].astype(np.float32))])
    _, vectors = np.linalg.eigh(found @ found.T)
    return np.ascontiguousarray(np.linalg.qr(found.T @ vectors[:, -many:])[0].T, np.float32), True


def verify(
    images: NDArray[np.uint8], c: Candidates, common: Floats, progress: Callable[[int, int], None]
) -> list[NearPair]:
    """Returns all candidates with their similarity, in the better direction of each pair."""
    found: dict[tuple[int, int], NearPair] = {}
    with ThreadPoolExecutor(default_workers()) as pool:
        batches = _batches(len(c.source))
        for done, batch in enumerate(pool.map(lambda i: list(_align(images, c.take(i), common)), batches)):
            progress(done + 1, len(batches))
            for pair in batch:
                key = (pair.first, pair.second)
                if key not in found or found[key].likeness < pair.likeness:
                    found[key] = pair
    return list(found.values())


def _batches(count: int) -> list[NDArray[np.intp]]:
    return [np.arange(i, min(i + _BATCH, count)) for i in range(0, count, _BATCH)]


def _align(images: NDArray[np.uint8], c: Candidates, common: Floats) -> Iterator[NearPair]:
    source = images[c.source].astype(np.float32)
    target = np.stack([_turn(images[t], ORIENTATIONS[o]) for t, o in zip(c.target, c.orientation, strict=True)]).astype(
        np.float32
    )
    start = np.array(
        [(left, right - left, top, bottom - top) for (top, bottom), (left, right) in (WINDOWS[w] for w in c.window)],
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
        yield NearPair(min(i, j), max(i, j), likeness, _words(ORIENTATIONS[orientation], window))


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
        words = ["rotated by 90°"] if upside_down != mirrored else ["rotated and mirrored"]
    elif upside_down:
        words = ["rotated by 180°"] if mirrored else ["flipped vertically"]
    else:
        words = ["mirrored"] if mirrored else []
    return " and ".join(words + (["cropped"] if lost > 0.025 else []))


def believable(pairs: Sequence[NearPair], *, look_alike: bool) -> Iterator[NearPair]:
    """Returns the pairs that are copies."""
    least = _MIN_LIKENESS_ALIKE if look_alike else _MIN_LIKENESS
    return (p for p in (_exceptional(pairs) if look_alike else _undoubted(pairs)) if p.likeness >= least)


def _exceptional(pairs: Sequence[NearPair]) -> list[NearPair]:
    """Keeps pairs whose images are clearly less similar to all others, for datasets where all images look alike."""
    rests = _rests(pairs)
    return [
        p
        for p in pairs
        if all(sum(r < _CROWD_FACTOR * (1 - p.likeness) for r in rests[i]) <= _CROWD for i in (p.first, p.second))
    ]


def _undoubted(pairs: Sequence[NearPair]) -> list[NearPair]:
    """Removes doubtful pairs: simple images can match without being copies.

    If there are many such pairs, only those that stand out are kept.
    """
    doubtful = sum(_DOUBTFUL <= p.likeness < _MIN_LIKENESS for p in pairs)
    if doubtful < _DOUBTFUL_SHARE * len(pairs) or doubtful < 3:
        return list(pairs)
    limits = {i: _last_before_gap(rests) for i, rests in _rests(pairs).items()}
    sure = (p for p in pairs if p.likeness >= _MIN_LIKENESS_DOUBTFUL and p.change in ("", "mirrored"))
    return [p for p in sure if 1 - p.likeness <= min(limits[p.first], limits[p.second])]


def _rests(pairs: Sequence[NearPair]) -> dict[int, list[float]]:
    """Returns, for each image, 1 minus the similarity of each of its pairs."""
    rests: dict[int, list[float]] = {}
    for pair in pairs:
        for i in (pair.first, pair.second):
            rests.setdefault(i, []).append(1 - pair.likeness)
    return rests


def _last_before_gap(rests: Sequence[float]) -> float:
    """Returns the largest value before a gap; -1 if there is no gap."""
    ascending = [*sorted(r for r in rests if r < _DOUBTFUL), _DOUBTFUL]
    return max((near for near, far in pairwise(ascending) if far > _GAP * max(near, 1e-3)), default=-1.0)
