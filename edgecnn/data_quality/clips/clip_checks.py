"""Checks a folder of clips for problems that harm a recurrent model or make its evaluation wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from edgecnn.data.clips.clip_folder import ClipFolder
from edgecnn.data.split_record import Split
from edgecnn.data_quality.clips.clip_stats import ClipFault, ClipStats
from edgecnn.data_quality.clips.shared_scenes import find_shared_scenes
from edgecnn.data_quality.finding import Finding, Level
from edgecnn.data_quality.wording import Names, count, few

__all__ = ["check_clips"]

_MIN_CLIPS = 4  # of a class; fewer say too little about its lengths and rates
_MIN_RATIO = 1.25  # of the medians of two classes
_MIN_TOLD = 0.95  # fraction of the pairs of clips of two classes in which the same class has the larger number
_FIXED_CAMERA = 0.5  # with a larger fraction of held-out clips in training scenes, a fixed camera is assumed


def check_clips(
    folder: ClipFolder,
    stats: Sequence[ClipStats],
    faults: Sequence[ClipFault],
    rates: Sequence[float],
    splits: Sequence[Split | None] | None = None,
) -> tuple[Finding, ...]:
    """Returns all findings about a folder of clips, the most severe first.

    Args:
        folder: the clips, as :func:`edgecnn.data.clips.clip_folder.scan_clips` lists them.
        stats: of the readable clips.
        faults: the unreadable clips.
        rates: frames per second of each of ``stats``.
        splits: split of each of ``stats``, if training has split them; None: that of the folder, if it has one.
    """
    names = Names(folder.root)
    sides = [s.file.split for s in stats] if splits is None else splits
    found = [
        *_unreadable(faults, names),
        *_empty_folders(folder, names),
        *_classes(folder, stats),
        *_single_steps(stats, names),
        *_copies(stats, sides, names),
        *_scenes(stats, sides, names, ready=folder.ready_split),
        *_told_by(stats, [float(s.steps) for s in stats], "length", "steps", names),
        *_told_by(stats, rates, "frame rate", "frames per second", names),
    ]
    return tuple(sorted(found, key=lambda f: ("fault", "warning", "note", "ok").index(f.level)))


def _unreadable(faults: Sequence[ClipFault], names: Names) -> Iterator[Finding]:
    empty = [fault for fault in faults if "has no frames" in fault.reason]
    if empty:
        what = count(len(empty), "clip has no frames", "clips have no frames")
        yield Finding("fault", what, names.some(f.file.path for f in empty), "remove them")
    broken = [fault for fault in faults if fault not in empty]
    if broken:
        what = count(len(broken), "clip cannot be read", "clips cannot be read")
        where = few([f"{names.one(f.file.path)}: {f.reason}" for f in broken], ", ")
        yield Finding("fault", what, where, "replace or remove them; ffmpeg may be able to convert a video")


def _empty_folders(folder: ClipFolder, names: Names) -> Iterator[Finding]:
    """Empty folders beside the clips of a class. They are not clips, so no other check reports them."""
    beside = {clip.path.parent for clip in folder.clips}
    inside = (path for parent in sorted(beside) for path in sorted(parent.iterdir()))
    empty = [path for path in inside if path.is_dir() and path.name[0] != "." and not any(path.iterdir())]
    if empty:
        what = count(len(empty), "folder of a clip is empty", "folders of clips are empty")
        yield Finding("warning", what, names.some(empty), "remove them, or put the frames into them")


def _classes(folder: ClipFolder, stats: Sequence[ClipStats]) -> Iterator[Finding]:
    """Training needs two classes, and two readable clips of each."""
    if not all(clip.class_name for clip in folder.clips):  # labels of time spans: a clip may be of several classes
        return
    if len(folder.class_names) == 1:
        remedy = "put the clips of each class into a separate folder"
        yield Finding("fault", "only one class; training needs at least two", str(folder.root), remedy)
    trained = Counter(s.file.class_name for s in stats if s.file.split in (None, "train"))
    for number, words in ((0, "no readable clips"), (1, "only one readable clip")):
        small = [name for name in folder.class_names if trained[name] == number]
        if small:
            what = f"{count(len(small), 'class has', 'classes have')} {words} to train on; training needs two per class"
            yield Finding("fault", what, few(small, ", "), "add clips, or remove the class")


def _single_steps(stats: Sequence[ClipStats], names: Names) -> Iterator[Finding]:
    single = [s.file.path for s in stats if s.steps == 1]
    if single:
        what = f"{count(len(single), 'clip has', 'clips have')} a single step: one frame shows no motion"
        yield Finding("warning", what, names.some(single), "remove them, or cut longer clips")


def _copies(stats: Sequence[ClipStats], sides: Sequence[Split | None], names: Names) -> Iterator[Finding]:
    """One clip under two labels, in two splits, or twice in a class, byte for byte."""
    same: dict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(stats):
        same[s.digest].append(i)
    kinds: dict[str, list[list[int]]] = defaultdict(list)
    for group in (g for g in same.values() if len(g) > 1):
        if len({stats[i].file.class_name for i in group}) > 1:
            kinds["labels"].append(group)
        if len({sides[i] for i in group}) > 1:
            kinds["splits"].append(group)
        if len({(stats[i].file.class_name, sides[i]) for i in group}) == 1:
            kinds["class"].append(group)
    told: tuple[tuple[str, Level, str, str], ...] = (
        ("labels", "fault", "the same clip under two labels", "keep each clip under the correct label"),
        ("splits", "fault", "the same clip in two splits (data leakage)", "keep each in one split"),
        ("class", "warning", "the same clip more than once in a class", "keep one of each"),
    )
    for kind, level, what, remedy in told:
        if groups := kinds[kind]:
            where = few([" = ".join(names.one(stats[i].file.path) for i in group) for group in groups], ", ")
            yield Finding(level, f"{what}: {count(len(groups), 'clip', 'clips')}", where, remedy)


def _scenes(
    stats: Sequence[ClipStats], sides: Sequence[Split | None], names: Names, *, ready: bool
) -> Iterator[Finding]:
    """Held-out clips that show a scene of training clips."""
    if "train" not in sides or set(sides) <= {"train", None}:
        return
    first: dict[str, int] = {}
    for i, s in enumerate(stats):
        first.setdefault(s.digest, i)
    # copies byte for byte have a finding of their own
    unique = [i for i in first.values() if sides[i] is not None]
    held_out = np.array([sides[i] != "train" for i in unique])
    twins = find_shared_scenes(np.stack([stats[i].views for i in unique]), held_out)
    if not twins:
        return
    number = count(len(twins), "held-out clip shows", "held-out clips show")
    what = f"{number} a scene that training clips show too (of {held_out.sum()})"
    pairs = [
        f"{names.one(stats[unique[i]].file.path)} ~ {names.one(stats[unique[j]].file.path)}" for i, j in twins.items()
    ]
    if len(twins) > _FIXED_CAMERA * held_out.sum():
        remedy = (
            "if one fixed camera recorded all clips, this is expected, and the metrics hold for this camera alone; "
            "otherwise keep the clips of a scene in one split"
        )
        yield Finding("warning" if ready else "note", what, few(pairs, ", "), remedy)
        return
    remedy = "keep the clips of a scene in one split" + ("" if ready else ", with --group")
    yield Finding("fault" if ready else "warning", what, few(pairs, ", "), remedy)


def _told_by(
    stats: Sequence[ClipStats], values: Sequence[float], what: str, unit: str, names: Names
) -> Iterator[Finding]:
    """A number that tells the class: a model may learn it instead of the motion."""
    by_class: dict[str, list[float]] = defaultdict(list)
    for s, value in zip(stats, values, strict=True):
        by_class[s.file.class_name].append(value)
    known = {name: np.array(found) for name, found in by_class.items() if len(found) >= _MIN_CLIPS}
    told = []
    for longer, shorter in permutations(known, 2):
        ratio = np.median(known[longer]) / max(np.median(known[shorter]), 1e-9)
        share = (known[longer][:, None] > known[shorter][None]).mean()
        if share >= _MIN_TOLD and ratio >= _MIN_RATIO:
            told.append((float(ratio), longer, shorter))
    if told:
        _, longer, shorter = max(told)
        medians = [f"'{name}' {np.median(known[name]):.3g}" for name in (longer, shorter)]
        text = f"the {what} of a clip tells its class: median {' and '.join(medians)} {unit}"
        remedy = f"a model may learn the {what} instead of the motion; give all classes clips of similar {what}"
        yield Finding("warning", text, names.root, remedy)
