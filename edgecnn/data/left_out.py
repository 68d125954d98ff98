"""Files of a dataset folder that are not used, and why: what every command that reads a folder ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["LeftOut", "Reason", "in_place_of_images", "left_out_by_reason", "left_out_note", "usage_line"]

Reason = Literal[
    "beside_clips",
    "beside_split",
    "broken_link",
    "hidden",
    "link_loop",
    "not_an_image",
    "no_class_folder",
    "other_format",
    "other_suffix",
    "run_folder",
    "unlabelled_split",
    "video",
]

_WORDS: dict[Reason, str] = {
    "unlabelled_split": "in a split folder without class folders",
    "no_class_folder": "in no class folder",
    "beside_clips": "images in a class folder of clips, but in no folder of frames",
    "beside_split": "in a folder beside the split folders",
    "other_format": "of a format that is not read: convert to JPEG or PNG",
    "other_suffix": "images by content, with the suffix of something else",
    "hidden": "hidden: the name of the file or of its folder begins with a dot",
    "video": "videos",
    "link_loop": "links to a folder that was read already, or lies above",
    "broken_link": "broken links",
    "run_folder": "in a run folder of EdgeCNN",
    "not_an_image": "no images",
}


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used."""

    path: Path
    reason: Reason


def left_out_by_reason(files: Iterable[LeftOut]) -> dict[Reason, int]:
    """How many files were left out for each reason, in a fixed order."""
    counts = Counter(file.reason for file in files)
    return {reason: counts[reason] for reason in _WORDS if counts[reason]}


def left_out_note(left_out: Sequence[LeftOut]) -> str:
    """The end of a line about the images that were chosen; empty where no file was left out."""
    reasons = "; ".join(f"{number:,} {_WORDS[reason]}" for reason, number in left_out_by_reason(left_out).items())
    return f"; files left out: {reasons}" if reasons else ""


def in_place_of_images(left_out: Sequence[LeftOut]) -> str:
    """What a folder without images holds in their place, in parentheses; empty where nothing looks like images."""
    counts = left_out_by_reason(file for file in left_out if file.reason != "not_an_image")
    return f" ({'; '.join(f'{count:,} {_WORDS[reason]}' for reason, count in counts.items())})" if counts else ""


def usage_line(used: int, left_out: Mapping[Reason, int], unreadable: int = 0, unit: str = "image") -> str:
    """One line for people: how many images were used, how many files were not, and why.

    Args:
        used: images that were read.
        left_out: files that were not tried, as :func:`left_out_by_reason` counts them.
        unreadable: images that were tried and could not be read.
        unit: what was used, in the singular.
    """
    reasons = [f"{number:,} {_WORDS[reason]}" for reason, number in left_out.items()]
    if unreadable:
        reasons.insert(0, f"{unreadable:,} that cannot be read")
    images = f"{used:,} {unit}{'' if used == 1 else 's'} used"
    total = sum(left_out.values()) + unreadable
    if not total:
        return f"{images}, none left out"
    return f"{images}, {total:,} {'file' if total == 1 else 'files'} left out: {'; '.join(reasons)}"
