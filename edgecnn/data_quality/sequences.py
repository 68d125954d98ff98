"""Frames of one scene among the images, told by their names and their likeness.

Neighbours by name that are much more alike than images drawn at random are frames of a sequence. Where some of them are
trained on and others evaluate the model, its figures are too high for any new scene.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data.name_order import by_number
from edgecnn.data.split_record import Split
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.image_alignment import unit_rows
from edgecnn.data_quality.image_stats import ImageStats
from edgecnn.data_quality.wording import Names, count

__all__ = ["check_sequences"]

_SIDE = 16  # pixels of the thumbnails that are compared
_MIN_IMAGES = 20  # of a class: fewer tell nothing
_MIN_LIKENESS = 0.5  # median correlation of neighbours by name
_MIN_GAIN = 0.25  # by which it exceeds that of images drawn at random
_MIN_SHARE = 0.1  # of the held-out images
_SUGGESTION = r"(.+?)[-_ .]*[a-zA-Z]*[0-9]+\.[^.]*$"  # the name without its last number


@dataclass(frozen=True)
class _Neighbours:
    """A class in the order of its names."""

    order: NDArray[np.int64]  # [N] indices of images
    likeness: NDArray[np.float32]  # [N - 1] of each with the next
    limit: float  # from here on two are frames of one scene


def check_sequences(
    facts: Sequence[ImageStats], splits: Sequence[Split | None], keys: Sequence[str | None], names: Names
) -> Iterator[Finding]:
    """Says how many of the held-out images have frames of their scene in training; before a split, that they may.

    Args:
        facts: of the images.
        splits: the side of each; None: not split yet.
        keys: the session of each, where it is known; such images are kept together, and not told of.
        names: of files, for the finding.
    """
    found = [n for c in _by_class(facts, keys) if (n := _neighbours(facts, c)) is not None]
    remedy = _remedy(facts, names)
    if all(split is None for split in splits):
        if found:
            images = sum(len(n.order) for n in found)
            what = (
                f"{images:,} images come in sequences: neighbours by name show one scene. A split at random would put "
                "frames of one scene on both sides, and the figures would be too high for new scenes"
            )
            yield Finding("warning", what, names.some(facts[i].file.path for i in found[0].order[:2]), remedy)
        return
    held_out_splits: tuple[tuple[Split, str], ...] = (("val", "validation"), ("test", "test"))
    for split, words in held_out_splits:
        held_out = sum(s == split for s in splits)
        straddling = sorted({i for n in found for i in _straddling(n, splits, split)})
        if held_out and len(straddling) >= max(2, _MIN_SHARE * held_out):
            what = (
                f"{len(straddling):,} of {count(held_out, f'{words} image', f'{words} images')} show a scene of which "
                "other frames are trained on (neighbours by name, much alike): the figures are too high for new scenes"
            )
            yield Finding("warning", what, names.some(facts[i].file.path for i in straddling), remedy)


def _by_class(facts: Sequence[ImageStats], keys: Sequence[str | None]) -> list[list[int]]:
    classes: dict[str | None, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for i, (fact, key) in enumerate(zip(facts, keys, strict=True)):
        if key is None and fact.digest not in seen:  # copies of a file have a finding of their own
            seen.add(fact.digest)
            classes[fact.file.class_name].append(i)
    return [members for members in classes.values() if len(members) >= _MIN_IMAGES]


def _neighbours(facts: Sequence[ImageStats], members: Sequence[int]) -> _Neighbours | None:
    """None where neighbours by name are no more alike than others."""
    # By name across the splits' folders, so that a frame's neighbour is found on whichever side it lies
    order = np.array(sorted(members, key=lambda i: (facts[i].file.below, by_number(facts[i].file.path.name))))
    vectors = _vectors(facts, order)
    likeness = (vectors[:-1] * vectors[1:]).sum(1)
    shuffled = vectors[np.random.default_rng(0).permutation(len(vectors))]
    usual = float(np.median((vectors * shuffled).sum(1)))
    near = float(np.median(likeness))
    if near < _MIN_LIKENESS or near - usual < _MIN_GAIN:
        return None
    return _Neighbours(order, likeness, (near + usual) / 2)


def _vectors(facts: Sequence[ImageStats], order: NDArray[np.int64]) -> NDArray[np.float32]:
    """``[N, 256]`` of mean 0 and length 1."""
    small = [cv2.resize(facts[i].thumbnail, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for i in order]
    flat = np.stack(small).reshape(len(small), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return np.asarray(unit_rows(flat), np.float32)


def _straddling(found: _Neighbours, splits: Sequence[Split | None], split: Split) -> Iterator[int]:
    """Images of a split with a neighbour by name, much alike, that is trained on."""
    order = found.order.tolist()
    for place, (one, other) in enumerate(pairwise(order)):
        if found.likeness[place] >= found.limit:
            if splits[one] == split and splits[other] == "train":
                yield one
            if splits[other] == split and splits[one] == "train":
                yield other


def _remedy(facts: Sequence[ImageStats], names: Names) -> str:
    """An option that would group these images, or what the option takes."""
    if any(fact.file.split for fact in facts):
        return "move all images of a scene into one split"
    if any(fact.file.below for fact in facts):
        return "keep sessions together: edgecnn train --group folder"
    found = [re.search(_SUGGESTION, names.one(fact.file.path)) for fact in facts]
    groups = {match[1] for match in found if match}
    if 2 < len(groups) < len(facts) / 2:
        return f"keep sessions together: edgecnn train --group '{_SUGGESTION}'"
    return "keep sessions together: edgecnn train --group with folder, a pattern of the names, or FILE.csv:COLUMN"
