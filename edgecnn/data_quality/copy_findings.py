"""Findings about copies: one image under two labels, in two splits, or twice in a class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from edgecnn.data_quality.finding import Finding, Level
from edgecnn.data_quality.image_stats import ImageStats
from edgecnn.data_quality.near_duplicates import Copies, NearPair
from edgecnn.data_quality.wording import Names, count, few

__all__ = ["check_copies"]

# Likeness from which two images of a set that all looks alike are one: solar cells of one crystal came to 0.991
_SURE = 0.995


def check_copies(facts: Sequence[ImageStats], copies: Copies, names: Names) -> Iterator[Finding]:
    """Duplicates: one image under two labels, in two splits, or twice in a class."""
    same: dict[str, list[ImageStats]] = defaultdict(list)
    for f in facts:
        same[f.digest].append(f)
    identical = [_Group(group, "byte for byte") for group in same.values() if len(group) > 1]
    near = [_near_group(pair, facts, same) for pair in copies.pairs]
    alike = copies.look_alike
    sure = [*identical, *(g for g in near if not alike or g.likeness >= _SURE)]
    maybe = [g for g in near if alike and g.likeness < _SURE]
    alike_set = "in a dataset where all images look alike"
    told: tuple[tuple[Level, str, list[_Group], str], ...] = (
        (
            "fault",
            "the same image under two labels",
            [g for g in sure if g.labels > 1],
            "keep each image under the correct label",
        ),
        (
            "warning",
            f"nearly the same image under two labels, {alike_set}",
            [g for g in maybe if g.labels > 1],
            "look at them; keep one, unless they show two objects",
        ),
        (
            "fault",
            "the same image in two splits (data leakage): the model is evaluated on training images",
            [g for g in sure if g.splits > 1],
            "keep each in one split",
        ),
        (
            "fault",
            f"nearly the same image in two splits, {alike_set}",
            [g for g in maybe if g.splits > 1],
            "keep each in one split; even similar images make the metrics too high",
        ),
        ("warning", "the same file more than once in a class", [g for g in identical if g.twice], "remove the copies"),
        (
            "note",
            "nearly the same image more than once in a class",
            [g for g in near if g.twice],
            "optional: remove them; training puts duplicates into the same split",
        ),
    )
    for level, what, groups, remedy in told:
        yield from _group_findings(level, what, groups, names, remedy)


class _Group:
    """Copies of one image."""

    def __init__(self, members: Sequence[ImageStats], change: str, likeness: float = 1.0) -> None:
        self.members = sorted(members, key=lambda f: f.file.path)
        self.change, self.likeness = change, likeness
        self.labels = len({f.file.class_name for f in members})
        self.splits = len({f.file.split for f in members})
        self.twice = max(Counter((f.file.class_name, f.file.split) for f in members).values()) > 1


def _near_group(pair: NearPair, facts: Sequence[ImageStats], same: dict[str, list[ImageStats]]) -> _Group:
    """The pair as a group. Prefers byte-identical copies that are in different classes or splits."""
    ones, others = (_one_per_place(same[facts[i].digest]) for i in (pair.first, pair.second))
    one, other = max(((a, b) for a in ones for b in others), key=lambda p: _apart(*p))
    return _Group((one, other), pair.change or "different encoding, size or brightness", pair.likeness)


def _one_per_place(copies: Sequence[ImageStats]) -> Sequence[ImageStats]:
    """The first of each class and split: a stuck camera leaves thousands of copies, too many to try in pairs."""
    places: dict[tuple[str | None, str | None], ImageStats] = {}
    for copy in copies:
        places.setdefault((copy.file.class_name, copy.file.split), copy)
    return tuple(places.values())


def _apart(one: ImageStats, other: ImageStats) -> int:
    return 2 * (one.file.split != other.file.split) + (one.file.class_name != other.file.class_name)


def _group_findings(level: Level, words: str, groups: Sequence[_Group], names: Names, remedy: str) -> Iterator[Finding]:
    if groups:
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(g.change for g in groups).most_common())
        ordered = sorted(groups, key=lambda g: -g.likeness)
        where = few(
            [
                " = ".join(names.one(f.file.path) for f in g.members[:3]) + (" = …" if len(g.members) > 3 else "")
                for g in ordered
            ],
            "; ",
        )
        yield Finding(level, f"{words}: {count(len(groups), 'case', 'cases')} ({kinds})", where, remedy)
