"""Splits images into train, val and test: stratified, seeded, the same image never on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn.data.split_record import Split
from edgecnn.errors import UsageError

__all__ = ["SplitShares", "split_images"]


@dataclass(frozen=True)
class SplitShares:
    """How much is held out."""

    val: float  # fractions of the images
    test: float
    seed: int


def split_images(
    labels: Sequence[int],
    groups: Sequence[int],
    val_split: float,
    test_split: float,
    seed: int,
    noun: str = "images",
) -> list[Split]:
    """Assigns each image a split.

    Groups (of the same image) stay together. Each class gives its share; classes too small to give a whole image are
    pooled, and the pool gives its share. Every class keeps at least one image to train on.

    Args:
        labels: class index of each image.
        groups: group number of each image.
        val_split, test_split: shares held out, as fractions.
        seed: the same seed gives the same split of the same images.
        noun: what is split, images or clips, for the message.

    Raises:
        UsageError: shares that leave nothing to train or to validate on.
    """
    _require_fractions(val_split, test_split)
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    random = np.random.default_rng(seed)
    order = [sorted(members)[k] for k in random.permutation(len(members))]
    left = Counter(labels)  # images of each class that may still be trained on
    result: list[Split] = ["train"] * len(labels)
    owed: dict[Split, float] = {"test": test_split * len(labels), "val": val_split * len(labels)}
    for stratum in _strata(order, members, labels, min(s for s in (val_split, test_split) if s)):
        images = sum(len(members[group]) for group in stratum)
        wanted: dict[Split, int] = {"test": round(test_split * images), "val": round(val_split * images)}
        missing = dict(wanted)
        for group in stratum:
            taken = members[group]
            # A larger group would swallow the share
            fitting = [split for split in missing if missing[split] >= len(taken)]
            spare = all(left[c] > n for c, n in Counter(labels[i] for i in taken).items())
            if fitting and spare:
                # In turn, where there is not enough for both
                split = max(fitting, key=lambda s: (missing[s] / wanted[s], owed[s]))
                missing[split] -= len(taken)
                owed[split] -= len(taken)
                left.subtract(labels[i] for i in taken)
                for i in taken:
                    result[i] = split
        if missing["val"] == wanted["val"] > 0:
            _hold_out_smallest(stratum, members, labels, left, result)
    if "val" not in result:
        raise UsageError(
            f"--val-split {val_split:g} of {len(labels)} {noun} leaves none to validate on; change the shares, or "
            f"add {noun}"
        )
    return result


def _require_fractions(val_split: float, test_split: float) -> None:
    if not 0 < val_split < 1 or not 0 <= test_split < 1 or val_split + test_split >= 1:
        raise UsageError(
            f"--val-split {val_split:g} and --test-split {test_split:g}: expected fractions above 0 (test: 0 or "
            "more), together below 1"
        )


def _hold_out_smallest(
    stratum: Sequence[int],
    members: dict[int, list[int]],
    labels: Sequence[int],
    left: Counter[int],
    result: list[Split],
) -> None:
    """Where every group is larger than the share (sessions of many frames), the smallest one validates."""
    for group in sorted(stratum, key=lambda g: len(members[g])):
        taken = members[group]
        if result[taken[0]] == "train" and all(left[c] > n for c, n in Counter(labels[i] for i in taken).items()):
            left.subtract(labels[i] for i in taken)
            for i in taken:
                result[i] = "val"
            return


def _strata(
    order: Sequence[int], members: dict[int, list[int]], labels: Sequence[int], least_share: float
) -> list[list[int]]:
    """Groups by class, in shuffled order; the classes whose share rounds to nothing are pooled in one stratum."""
    by_class: dict[int, list[int]] = defaultdict(list)
    for group in order:
        by_class[Counter(labels[i] for i in members[group]).most_common(1)[0][0]].append(group)
    sizes = Counter(labels)
    small = {c for c in by_class if round(least_share * sizes[c]) < 1}
    pooled = {group for c in small for group in by_class[c]}
    strata = [by_class[c] for c in sorted(by_class) if c not in small]
    return [*strata, [group for group in order if group in pooled]] if pooled else strata
