"""Which side of the split each image, or clip, of a run is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.split_record import Split
from edgecnn.errors import UsageError
from edgecnn.training.data.split import SplitShares, split_images
from edgecnn.training.data.split_carried_over import KnownSplit, carry_over

__all__ = ["ToSplit", "choose_split"]


@dataclass(frozen=True, kw_only=True)
class ToSplit:
    """The readable images, or clips, of a folder; the sequences are parallel."""

    root: Path
    digests: Sequence[str]  # SHA-256
    labels: Sequence[int]  # class indices
    groups: Sequence[int]  # those of one number stay on one side
    ready: Sequence[Split | None] | None  # the folder's own split; None: it has none
    noun: str = "images"  # or clips, for the messages


def choose_split(
    data: ToSplit, shares: SplitShares, known: Sequence[KnownSplit], say: Callable[[str], None]
) -> list[Split]:
    """Keeps the folder's own split and what earlier models were trained on; splits the rest at random.

    Args:
        data: what is split.
        shares: how much is held out.
        known: how the models that the run starts or learns from were split.
        say: told what was carried over.

    Raises:
        UsageError: shares that cannot be split off.
        DataError: nothing is left to validate on.
    """
    splits = None if data.ready is None else _completed(data, data.ready, shares)
    if known:
        carried = carry_over(known, data.digests, data.groups, data.labels, shares, splits, say, data.noun)
        splits = splits if carried is None else carried
    if splits is None:
        splits = split_images(data.labels, data.groups, shares.val, shares.test, shares.seed, data.noun)
    return splits


def _completed(data: ToSplit, ready: Sequence[Split | None], shares: SplitShares) -> list[Split]:
    """The folder's own split. What it lacks is split off from `train`: `val`, and `test` where it is asked for.

    Raises :class:`UsageError` where a test share is asked for and the folder has a test split.
    """
    splits: list[Split] = [split or "train" for split in ready]
    if shares.test and "test" in splits:
        raise UsageError(
            f"--test-split {shares.test:g}: {data.root} has a test split already; leave --test-split out, or remove "
            "that folder"
        )
    train = [i for i, split in enumerate(splits) if split == "train"]
    part = [data.labels[i] for i in train], [data.groups[i] for i in train]
    if "val" not in splits:
        found = split_images(*part, shares.val, shares.test, shares.seed, data.noun)
    elif shares.test:
        held_out = split_images(*part, shares.test, 0.0, shares.seed, data.noun)
        found = ["test" if split == "val" else split for split in held_out]
    else:
        return splits
    for i, split in zip(train, found, strict=True):
        splits[i] = split
    return splits
