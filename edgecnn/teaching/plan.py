"""Which classes the taught model has, and what its classifier starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.split_names import matching_class
from edgecnn.errors import DataError
from edgecnn.features.linear_head import LinearHead
from edgecnn.manifest import Manifest, UnknownRule

__all__ = ["TeachingPlan", "known_places", "plan_adding", "plan_replacing"]


@dataclass(frozen=True, eq=False)
class TeachingPlan:
    """Classes of the taught model."""

    labels: tuple[str, ...]
    ids: tuple[str, ...] | None
    added: tuple[str, ...]  # labels that the model did not have
    places: Mapping[str, int]  # class folder: index of its class in ``labels``
    known_places: Mapping[str, int]  # class folder: index of its class in the model as it is; none for a new class
    start: LinearHead  # [C, D]
    free: NDArray[np.bool_]  # [C]: the classes that are fitted
    absent: tuple[int, ...]  # known classes without images, whose answers are to be kept
    unknown_before: UnknownRule  # of the model as it is; off where its classes are replaced


def plan_replacing(root: Path, names: Sequence[str], manifest: Manifest, width: int) -> TeachingPlan:
    """The classes of the images alone.

    Args:
        root: the folder of images, for the error.
        names: its class folders, sorted.
        manifest: of the model as it is.
        width: number of features.

    Raises:
        DataError: fewer than two classes.
    """
    if len(names) < 2:
        raise DataError(f"{root}: one class, expected at least two with --replace; add a folder for another class")
    known = known_places(names, manifest)
    return TeachingPlan(
        labels=tuple(names),
        ids=None,
        added=tuple(name for name in names if name not in known),
        places={name: i for i, name in enumerate(names)},
        known_places=known,
        start=LinearHead(np.zeros((len(names), width)), np.zeros(len(names))),
        free=np.ones(len(names), np.bool_),
        absent=(),
        unknown_before=UnknownRule(),
    )


def plan_adding(names: Sequence[str], manifest: Manifest, head: LinearHead) -> TeachingPlan:
    """The classes of the model, and those of the images that it does not have.

    Args:
        names: class folders of the images, sorted.
        manifest: of the model as it is.
        head: its classifier.
    """
    known = known_places(names, manifest)
    added = tuple(name for name in names if name not in known)
    before = len(manifest.labels)
    places = {**known, **{name: before + i for i, name in enumerate(added)}}
    # One vector added to all rows changes no probability. With their mean at 0, a new class starts as an average one
    weight, bias = head.weight - head.weight.mean(0), head.bias - head.bias.mean()
    start = LinearHead(
        np.concatenate([weight, np.zeros((len(added), weight.shape[1]))]), np.concatenate([bias, np.zeros(len(added))])
    )
    free = np.zeros(before + len(added), np.bool_)
    free[list(places.values())] = True
    return TeachingPlan(
        labels=(*manifest.labels, *added),
        ids=None if manifest.ids is None else (*manifest.ids, *added),
        added=added,
        places=places,
        known_places=known,
        start=start,
        free=free,
        absent=tuple(i for i in range(before) if not free[i]),
        unknown_before=manifest.unknown,
    )


def known_places(names: Sequence[str], manifest: Manifest) -> dict[str, int]:
    """Of the class folders that the model knows: the index of each one's class."""
    found = {}
    for name in names:
        index = manifest.index_of(name)
        if index is None and (label := matching_class(name, manifest.labels)) is not None:
            index = manifest.index_of(label)
        if index is not None:
            found[name] = index
    return found
