"""What is wrong with the folders of a dataset: files left out, folders not taken for what they were meant to be.

From the list of files alone: no image is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from edgecnn.data.image_folder import ImageFolder
from edgecnn.data.left_out import Reason
from edgecnn.data.split_names import splits_of_names
from edgecnn.data_quality.finding import Finding, Level
from edgecnn.data_quality.wording import Names, count, few

__all__ = ["check_folder"]

_LEFT_OUT: dict[Reason, tuple[Level, str, str, str]] = {
    "other_format": (
        "warning",
        "image is left out: its format is not read",
        "images are left out: their format is not read",
        "convert them to JPEG or PNG",
    ),
    "other_suffix": (
        "warning",
        "image is left out, by its suffix",
        "images are left out, by their suffix",
        "give them the suffix of their format",
    ),
    "hidden": (
        "warning",
        "image is left out: its name, or its folder's, begins with a dot",
        "images are left out: their names, or their folders', begin with a dot",
        "rename them, or remove them",
    ),
    "video": (
        "warning",
        "video is left out",
        "videos are left out",
        "take images out of them: edgecnn capture VIDEO --label CLASS --out DATA",
    ),
    "broken_link": ("warning", "link leads nowhere", "links lead nowhere", "mend or remove them"),
    "link_loop": (
        "note",
        "linked folder is left out: it was read already, or lies above",
        "linked folders are left out: they were read already, or lie above",
        "",
    ),
    "run_folder": (
        "note",
        "image in a run folder of EdgeCNN is left out",
        "images in run folders of EdgeCNN are left out",
        "",
    ),
    "not_an_image": (
        "note",
        "file among the images is left out: it is no image",
        "files among the images are left out: they are no images",
        "remove what does not belong there",
    ),
    "no_class_folder": (
        "warning",
        "image lies in no class folder, and is left out",
        "images lie in no class folder, and are left out",
        "move them into the folder of their class",
    ),
    "beside_split": (
        "warning",
        "image in a folder beside the split folders is left out",
        "images in folders beside the split folders are left out",
        "move them into a split, or remove them",
    ),
    "unlabelled_split": (
        "warning",
        "image of the test split has no class folder, and is left out",
        "images of the test split have no class folders, and are left out",
        "put them into one folder a class, to evaluate on them",
    ),
}


def check_folder(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    """Everything that the list of files tells."""
    yield from _left_out(folder, names)
    yield from _layout(folder, names)


def _left_out(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    by_reason: dict[Reason, list[Path]] = defaultdict(list)
    for file in folder.left_out:
        by_reason[file.reason].append(file.path)
    for reason, (level, one, many, remedy) in _LEFT_OUT.items():
        if paths := by_reason[reason]:
            yield Finding(level, count(len(paths), one, many), names.some(paths), remedy)


def _layout(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    """Folders that are not taken for what they were meant to be."""
    if not folder.class_names:
        yield Finding(
            "warning",
            "the images have no labels: they can be used for calibration, not for training or evaluation",
            names.root,
            "put them into one folder per class",
        )
        return
    if (meant := splits_of_names(folder.class_names)) and not folder.ready_split:
        what = f"{', '.join(meant)}: interpreted as classes, because there are other folders beside them"
        yield Finding("warning", what, names.root, "keep only train, val and test there, or rename them")
    yield from _alike_names(folder, names)
    yield from _merged(folder, names)
    yield from _nested(folder, names)
    for name in sorted({p.class_name for p in folder.images if p.class_name} - set(folder.class_names)):
        yield Finding(
            "fault",
            f"the class '{name}' has no folder in the training split",
            names.root,
            "rename the class folder, or add the class to train",
        )


def _alike_names(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    """Letters may be classes in both cases; more often a folder was made twice."""
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in folder.class_names:
        by_key[name.casefold()].append(name)
    if alike := [" and ".join(f"'{name}'" for name in same) for same in by_key.values() if len(same) > 1]:
        what = f"classes that differ in upper and lower case alone: {few(alike, ', ')}"
        yield Finding("warning", what, names.root, "put the images of one class into one folder")


def _merged(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    """Folders whose names look the same, taken for one class."""
    found: dict[str, set[str]] = defaultdict(set)
    for image in folder.images:
        top = image.path.parents[len(image.below.split("/")) if image.below else 0].name
        if image.split in (None, "train") and image.class_name:
            found[image.class_name].add(top)
    if merged := [" and ".join(f"'{name}'" for name in sorted(tops)) for tops in found.values() if len(tops) > 1]:
        what = f"folders whose names look the same are one class: {few(merged, ', ')}"
        yield Finding("note", what, names.root, "")


def _nested(folder: ImageFolder, names: Names) -> Iterator[Finding]:
    """Class folders that hold nothing but folders may be groups of classes: `a/airfield`, `a/alcove`."""
    inside: dict[str, set[str]] = defaultdict(set)
    for image in folder.images:
        inside[image.class_name or ""].add(image.below.partition("/")[0])
    merged = {name: sorted(below) for name, below in inside.items() if name and "" not in below and len(below) > 1}
    # Numbers, dates and times name sessions and cameras; words name things
    if words := {name: below for name, below in merged.items() if not any(re.search(r"\d", b) for b in below)}:
        told = few([f"'{name}' ({few(below, ', ')})" for name, below in words.items()], "; ")
        what = f"{count(len(words), 'class is', 'classes are')} made of several folders each: {told}"
        yield Finding("warning", what, names.root, "where those folders are the classes, move them up by one level")
