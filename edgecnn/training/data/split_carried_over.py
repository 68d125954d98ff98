"""The split of a run that starts or learns from an earlier model: what that was trained on stays in training.

A new split at random would validate on images that the weights have seen: the figure, the temperature and the threshold
of `unknown` would all be those of a model that knows the answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecnn.data.split_record import Split, SplitRecord
from edgecnn.errors import DataError, UsageError
from edgecnn.training.data.split import SplitShares, split_images

__all__ = ["KnownSplit", "SplitSample", "carry_over", "record_of"]

_TRAINED_FIRST: tuple[Split, ...] = ("train", "test", "val")


@dataclass(frozen=True)
class KnownSplit:
    """An earlier model, and how its images were split."""

    name: str  # its file
    record: SplitRecord


class SplitSample(Protocol):
    """An image or a clip of a run."""

    @property
    def split(self) -> Split:
        """The side that it is on."""

    @property
    def digest(self) -> str:
        """SHA-256 of its content, hexadecimal."""


def record_of(samples: Iterable[SplitSample], known: Sequence[KnownSplit]) -> SplitRecord:
    """The record of a run: its own split, and what the earlier models were trained on."""
    digests = defaultdict[Split, list[str]](list)
    for sample in samples:
        digests[sample.split].append(sample.digest)
    record = SplitRecord.of(digests)
    for earlier in known:
        record = record.trained_also_on(earlier.record)
    return record


def carry_over(
    known: Sequence[KnownSplit],
    digests: Sequence[str],
    groups: Sequence[int],
    labels: Sequence[int],
    shares: SplitShares,
    ready: Sequence[Split] | None,
    say: Callable[[str], None],
    noun: str = "images",
) -> list[Split] | None:
    """Gives each image its side; None where no image is known.

    A group of copies or of one session is trained on where one of its images was. What was held out stays held out, and
    only what is new is split, or stays where the folder has it.

    Args:
        known: the earlier models.
        digests, groups, labels: of each image: SHA-256, number of its group, class index.
        shares: of the new images.
        ready: the folder's own split, where it has one.
        say: told what was done.
        noun: what is split, images or clips, for the messages.

    Raises:
        DataError: nothing is left to validate on.
    """
    forced = _forced(known, digests, groups, kept=("train",) if ready else _TRAINED_FIRST)
    for model in known:
        say(_told(model, digests, noun))
    if not any(forced):
        return None
    splits = [side or "train" for side in forced]
    new = [i for i, side in enumerate(forced) if side is None]
    for i, side in zip(new, _of_new(new, forced, groups, labels, shares, ready, noun), strict=True):
        splits[i] = side
    if ready:
        moved = sum(was != "train" and now == "train" for was, now in zip(ready, splits, strict=True))
        if moved:
            say(f"{moved} {noun} of the folder's val and test are trained on in this run, for that reason")
    if "val" not in splits:
        raise DataError(
            f"{known[0].name}: was trained on these {noun}, and none is left to validate on; add {noun}, or start "
            "with --weights auto or none"
        )
    return splits


def _forced(
    known: Sequence[KnownSplit], digests: Sequence[str], groups: Sequence[int], kept: Sequence[Split]
) -> list[Split | None]:
    """The side that each image has to be on; None where it is new."""
    sides: dict[int, set[Split]] = defaultdict(set)
    for digest, group in zip(digests, groups, strict=True):
        found = (model.record.split_of(digest) for model in known)
        sides[group] |= {side for side in found if side is not None and side in kept}
    return [next((side for side in _TRAINED_FIRST if side in sides[group]), None) for group in groups]


def _of_new(
    new: Sequence[int],
    forced: Sequence[Split | None],
    groups: Sequence[int],
    labels: Sequence[int],
    shares: SplitShares,
    ready: Sequence[Split] | None,
    noun: str,
) -> list[Split]:
    if ready:
        return [ready[i] for i in new]
    try:
        part = [labels[i] for i in new], [groups[i] for i in new]
        return split_images(*part, shares.val, shares.test, shares.seed, noun)
    except UsageError:
        if "val" in forced or not new:  # too few new images to hold some out
            return ["train"] * len(new)
        raise


def _told(model: KnownSplit, digests: Sequence[str], noun: str) -> str:
    sides = [model.record.split_of(digest) for digest in digests]
    trained, held_out = sides.count("train"), sides.count("val") + sides.count("test")
    if not any(model.record.prefixes.values()):
        return f"{model.name}: does not say which {noun} it was trained on; some may be among those held out here"
    if not trained:
        return f"{model.name}: was trained on none of these {noun}"
    return (
        f"{model.name}: was trained on {trained:,} of these {len(digests):,} {noun}, which stay in training; "
        f"{held_out:,} that it held out stay held out; {sides.count(None):,} are new"
    )
