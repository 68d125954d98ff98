"""Finds duplicate images: byte-identical, re-encoded, resized, mirrored, rotated, cropped, or with other brightness.

Three steps, each on fewer pairs than the one before:

1. Coarse comparison of all pairs (:mod:`edgecnn.data_quality.copy_candidates`).
2. Alignment of similar pairs (:mod:`edgecnn.data_quality.image_alignment`).
3. Comparison of their structure (:mod:`edgecnn.data_quality.copy_verification`).

docs/doctor-data.md has the measured recall for each kind of copy, and the false positives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.data_quality.blas_threads import one_blas_thread
from edgecnn.data_quality.copy_candidates import find_candidates
from edgecnn.data_quality.copy_verification import NearPair, believable, common_structure, verify
from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE, Thumbnail, thumbnail

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

_MIN_CONTRAST = 2.0  # grey levels (standard deviation): a blank image is like every other blank image


@dataclass(frozen=True)
class NearDuplicates:
    """The duplicates in a set of images."""

    pairs: tuple[NearPair, ...]  # first < second, sorted
    # The set shows much the same everywhere (one camera, one kind of part): pairs may be relatives, not copies
    look_alike: bool


@dataclass(frozen=True)
class Copies:
    """Groups and pairs of duplicate images."""

    groups: tuple[int, ...]  # of each image; those that are one share a number
    pairs: tuple[NearPair, ...]  # that are nearly one; of byte-identical images, the first stands for all
    look_alike: bool  # as in NearDuplicates


def group_duplicates(digests: Sequence[str], thumbnails: NDArray[np.uint8]) -> list[int]:
    """Returns the group number of each image. Duplicates have the same number. Arguments as in :func:`find_copies`."""
    return list(find_copies(digests, thumbnails).groups)


def find_copies(
    digests: Sequence[str], thumbnails: NDArray[np.uint8], progress: Callable[[int, int], None] | None = None
) -> Copies:
    """Finds byte-identical and nearly identical images.

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
    """Finds all pairs of nearly identical images.

    Args:
        thumbnails: uint8 ``[N, 64, 64]`` of :func:`thumbnail`, preferably without byte-identical files.
        progress: told how many of how many blocks are compared, then how many batches of pairs.
    """
    contrast = np.array([t.std() for t in thumbnails])
    kept = np.nonzero(contrast >= _MIN_CONTRAST)[0]
    if len(kept) < 2:
        return NearDuplicates((), look_alike=False)
    images = thumbnails[kept]
    progress = progress or (lambda done, total: None)
    with one_blas_thread():
        common, look_alike = common_structure(images)
        pairs = verify(images, find_candidates(images, progress), common, progress)
    found = (
        NearPair(int(kept[p.first]), int(kept[p.second]), p.likeness, p.change)
        for p in believable(pairs, look_alike=look_alike)
    )
    return NearDuplicates(tuple(sorted(found, key=lambda p: (p.first, p.second))), look_alike)


class _Union:
    """Union-find (disjoint sets) with path halving."""

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
