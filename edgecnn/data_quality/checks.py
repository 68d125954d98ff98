"""Checks a dataset for problems that harm a model or make its evaluation wrong.

The checks use statistics of images that were read before. So training can run them without reading the images again.
Beside these they list the folder, and read the first bytes of ignored files to tell whether they are images.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edgecnn.data.image_folder import ImageFolder
from edgecnn.data.sessions import session_keys
from edgecnn.data.split_record import Split
from edgecnn.data_quality.copy_findings import check_copies
from edgecnn.data_quality.finding import Finding, Level
from edgecnn.data_quality.folder_checks import check_folder
from edgecnn.data_quality.image_stats import Fault, ImageStats
from edgecnn.data_quality.label_leakage import find_label_leakage
from edgecnn.data_quality.near_duplicates import Copies, find_copies
from edgecnn.data_quality.sequences import check_sequences
from edgecnn.data_quality.wording import Names, count, few
from edgecnn.image.suffixes import IMAGE_SUFFIXES

__all__ = ["check_data", "copies_of"]

_TINY_PX = 32
# Of 32-pixel photographs, pretrained networks answered most right at 112 pixels (docs/benchmarks.md)
_SMALL_PX, _SMALL_IMGSZ = 64, 112
_HUGE_PIXELS = 16_000_000
_FEWEST_DEEP = 3  # files of 16 bits a channel, before their range says anything
_BLANK = 2.0  # levels (standard deviation)
_IMBALANCE_NOTED, _IMBALANCE_WARNED = 3, 10
_FEW = 10  # images a class: of so many, two are held out
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "AVIF": (".avif",),
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpc"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PNM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_TOO_LARGE = "are larger than the limit"
_CAUSES = (  # part of an error message -> text of the finding
    ("is empty", "are empty"),
    ("truncated", "are truncated"),
    ("not an image", "are not in a supported format"),
    ("a format that is not read", "are in a format that is not read (convert to JPEG or PNG)"),
    ("black and white are not known", "are made of numbers without a known black and white (convert to 8 or 16 bits)"),
    (
        "has 16 bits a channel and uses",
        "are of 16 bits and use 12 at most (multiply values by 16, or convert to 8 bits)",
    ),
    ("does not read its kind", "are corrupt, or TIFF of a kind that OpenCV does not read (convert to 8 bits)"),
    ("was built without", "are corrupt, or of a format that this OpenCV was built without (convert to PNG)"),
    ("exceed the limit", _TOO_LARGE),
    ("corrupt", "are corrupt"),
)


def copies_of(facts: Sequence[ImageStats]) -> Copies:
    """Finds identical and nearly identical images."""
    return find_copies([f.digest for f in facts], np.array([f.thumbnail for f in facts], np.uint8).reshape(-1, 64, 64))


def check_data(
    folder: ImageFolder,
    facts: Sequence[ImageStats],
    faults: Sequence[Fault] = (),
    copies: Copies | None = None,
    splits: Sequence[Split | None] | None = None,
    sessions: Sequence[str | None] | None = None,
    input_px: int | None = None,
) -> tuple[Finding, ...]:
    """Returns all findings about a dataset, the most severe first. A sound dataset has at most notes.

    Args:
        folder: the folder, as :func:`edgecnn.data.dataset.scan_folder` lists it.
        facts: statistics of the readable images, in any order.
        faults: the unreadable images.
        copies: duplicates among ``facts``, if they were searched for before.
        splits: split of each of ``facts``, if training has split them; None: the split of the folder, if it has one.
        sessions: session of each of ``facts`` (:func:`edgecnn.data.sessions.session_keys`); None: by its rule ``auto``.
        input_px: shorter side of the network's input, if it is chosen.
    """
    names = Names(folder.root)
    sizes = _sizes(folder, facts)
    found = [
        *_unreadable(faults, names),
        *_suffixes(facts, names),
        *check_folder(folder, names),
        *_classes(sizes, names),
        *_missing(folder, facts),
        *_balance(sizes, names),
        *check_copies(facts, copies or copies_of(facts), names),
        *_pixels(facts, names, input_px),
        *_range(facts, names),
        *_blank(facts, names),
        *_orientation(facts, names),
        *check_sequences(
            facts,
            [f.file.split for f in facts] if splits is None else splits,
            session_keys([f.file for f in facts], folder.root) if sessions is None else sessions,
            names,
        ),
        *find_label_leakage(facts, str(folder.root)),
    ]
    return tuple(sorted(found, key=lambda f: ("fault", "warning", "note", "ok").index(f.level)))


# Files


def _unreadable(faults: Sequence[Fault], names: Names) -> Iterator[Finding]:
    by_cause: dict[str, list[Path]] = defaultdict(list)
    for fault in faults:
        by_cause[
            next((words for key, words in _CAUSES if key in fault.reason), f"cannot be read: {fault.reason}")
        ].append(fault.file.path)
    for words, paths in sorted(by_cause.items(), key=lambda item: -len(item[1])):
        one = re.sub(r"^are ", "is ", words)
        too_large = words == _TOO_LARGE
        yield Finding(
            "fault",
            count(len(paths), f"image file {one}", f"image files {words}"),
            names.some(paths),
            "make them smaller, or raise --max-megapixels if you trust them" if too_large else "replace or remove them",
        )


def _suffixes(facts: Sequence[ImageStats], names: Names) -> Iterator[Finding]:
    named = [f for f in facts if f.file.path.suffix.lower() in IMAGE_SUFFIXES]  # the others were known by content
    wrong = [f for f in named if f.file.path.suffix.lower() not in _SUFFIXES.get(f.format, ())]
    if wrong:
        kinds = Counter(f"{f.format} named {f.file.path.suffix}" for f in wrong)
        told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(3))
        what = f"{count(len(wrong), 'image is', 'images are')} not in the format of their file suffix ({told})"
        yield Finding(
            "warning",
            what,
            names.some(f.file.path for f in wrong),
            "rename them; other programs may refuse to open them",
        )


# Classes and splits


def _sizes(folder: ImageFolder, facts: Iterable[ImageStats]) -> dict[str, int]:
    """Number of readable images per class; of the training split, if the dataset has one."""
    trains = any(p.split == "train" for p in folder.images)
    counts = Counter(f.file.class_name for f in facts if f.file.split == "train" or not trains)
    return {name: counts[name] for name in folder.class_names}


def _classes(sizes: dict[str, int], names: Names) -> Iterator[Finding]:
    """Training needs two classes, and two readable images of each."""
    if len(sizes) == 1:
        yield Finding(
            "fault",
            "only one class; training needs at least two",
            names.root,
            "put the images of each class into a separate folder",
        )
    groups = (
        ("without readable images", [n for n, size in sizes.items() if size == 0]),
        (
            "with only one readable image; training needs at least two per class",
            [n for n, size in sizes.items() if size == 1],
        ),
    )
    for words, classes in groups:
        if classes:
            yield Finding(
                "fault",
                f"{count(len(classes), 'class', 'classes')} {words}",
                few(classes, ", "),
                "add images, or remove the class",
            )
    if small := [f"{n} {size}" for n, size in sizes.items() if 2 <= size < _FEW]:
        what = (
            f"{count(len(small), 'class has', 'classes have')} fewer than {_FEW} images: their validation "
            "metrics are not reliable"
        )
        yield Finding("warning", what, few(small, ", "), "add images")


def _missing(folder: ImageFolder, facts: Iterable[ImageStats]) -> Iterator[Finding]:
    """Classes without images in the validation or test split."""
    if not folder.ready_split:
        return
    there = {(f.file.split, f.file.class_name) for f in facts}
    for split in ("val", "test"):
        lacking = [name for name in folder.class_names if (split, name) not in there]
        if lacking and any(image.split == split for image in folder.images):
            what = (
                f"the split '{split}' has no readable images of {count(len(lacking), 'class', 'classes')}, so "
                "they are not evaluated there"
            )
            yield Finding("warning", what, few(lacking, ", "), f"add images to {split}")


def _balance(sizes: dict[str, int], names: Names) -> Iterator[Finding]:
    filled = [name for name, size in sizes.items() if size]
    if len(filled) < 2:
        return
    most, least = max(filled, key=sizes.__getitem__), min(filled, key=sizes.__getitem__)
    ratio = sizes[most] / sizes[least]
    if ratio > _IMBALANCE_NOTED:
        level: Level = "warning" if ratio > _IMBALANCE_WARNED else "note"
        what = f"'{most}' has {sizes[most]} images, '{least}' {sizes[least]}: {ratio:.3g} to 1"
        yield Finding(
            level,
            what,
            names.root,
            "train with --balance weights, and choose the epoch with --best-by macro-f1, which counts all classes "
            f"alike; or add images of '{least}'",
        )


# Images


def _pixels(facts: Sequence[ImageStats], names: Names, input_px: int | None) -> Iterator[Finding]:
    if tiny := [f for f in facts if f.shorter_side < _TINY_PX]:
        what = f"{count(len(tiny), 'image is', 'images are')} smaller than {_TINY_PX} pixels"
        yield Finding(
            "warning", what, names.some(f.file.path for f in tiny), "check that the objects are still recognizable"
        )
    median = float(np.median([f.shorter_side for f in facts])) if facts else math.inf
    if median <= _SMALL_PX and (input_px is None or input_px > _SMALL_IMGSZ):
        what = f"the images are small: half of them have at most {median:g} pixels along the shorter side"
        remedy = (
            f"compare --imgsz {_SMALL_IMGSZ} with the network's own size; with pretrained weights, do not go down to "
            "the size of the images"
        )
        yield Finding("note", what, names.root, remedy)
    if huge := [f for f in facts if f.pixels > _HUGE_PIXELS]:
        what = (
            f"{count(len(huge), 'image has', 'images have')} more than {_HUGE_PIXELS / 1e6:g} megapixels, which "
            "slows reading without a benefit"
        )
        yield Finding("note", what, names.some(f.file.path for f in huge), "resize them once, to about 1,000 pixels")


def _range(facts: Sequence[ImageStats], names: Names) -> Iterator[Finding]:
    """Files of 16 bits that all lack the upper bits: a sensor of 13 to 15 bits. Fewer bits are refused when read."""
    deep = [f for f in facts if f.brightest is not None]
    largest = max((f.brightest or 0 for f in deep), default=255)
    if len(deep) >= _FEWEST_DEEP and 0 < largest < 128:
        used = 8 + largest.bit_length()
        what = (
            f"the {len(deep)} images of 16 bits a channel use at most {used} of them: they are seen "
            f"{1 << (16 - used)} times as dark as they may be meant"
        )
        remedy = f"if the camera gives {used} bits, multiply the values by {1 << (16 - used)} when you write the files"
        yield Finding("warning", what, names.some(f.file.path for f in deep), remedy)


def _blank(facts: Sequence[ImageStats], names: Names) -> Iterator[Finding]:
    if blank := [f for f in facts if f.contrast < _BLANK]:
        what = f"{count(len(blank), 'image is', 'images are')} blank: a single colour"
        yield Finding("warning", what, names.some(f.file.path for f in blank), "look at them and remove them")


def _orientation(facts: Sequence[ImageStats], names: Names) -> Iterator[Finding]:
    turned = [f for f in facts if f.orientation != 1]
    if turned and len(turned) < len(facts):
        what = (
            f"{len(turned):,} of {len(facts):,} images have an EXIF rotation; EdgeCNN applies it, "
            "other programs may not"
        )
        yield Finding("note", what, names.some(f.file.path for f in turned), "")
    wide, tall = (
        sum(r > 1.1 for r in ratios)
        for ratios in ([f.width / f.height for f in facts], [f.height / f.width for f in facts])
    )
    if min(wide, tall) >= max(1, len(facts) // 20):
        yield Finding(
            "note",
            f"{wide:,} images are landscape, {tall:,} are portrait: stretching them to a square distorts "
            "them differently",
            names.root,
            "",
        )
