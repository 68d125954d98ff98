"""Frames of one scene on both sides of a split are told, with the option that keeps them together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgecnn.data.image_folder import ImageFile
from edgecnn.data.split_record import Split
from edgecnn.data_quality.finding import Finding
from edgecnn.data_quality.image_stats import ImageStats
from edgecnn.data_quality.sequences import check_sequences
from edgecnn.data_quality.wording import Names

ROOT = Path("data")


def frames(sessions: int, count: int, *, alike: bool = True) -> list[ImageStats]:
    """Two classes; each session shows one scene with noise, or each frame shows another."""
    random = np.random.default_rng(0)
    found = []
    for name in ("cat", "dog"):
        for session in range(sessions):
            scene = np.kron(random.integers(0, 256, (8, 8)), np.ones((8, 8)))
            for frame in range(count):
                if not alike:
                    scene = np.kron(random.integers(0, 256, (8, 8)), np.ones((8, 8)))
                shown = np.clip(scene + random.normal(0, 20, scene.shape), 0, 255).astype(np.uint8)
                path = ROOT / name / f"s{session:02}_f{frame:02}.jpg"
                found.append(
                    ImageStats(
                        file=ImageFile(path, name),
                        digest=str(path),
                        thumbnail=shown,
                        format="JPEG",
                        size_bytes=1,
                        width=64,
                        height=64,
                        orientation=1,
                        grey=True,
                        contrast=9.0,
                    )
                )
    return found


def told(
    facts: Sequence[ImageStats], splits: Sequence[Split | None], keys: Sequence[str | None] | None = None
) -> list[Finding]:
    return list(check_sequences(facts, splits, keys or [None] * len(facts), Names(ROOT)))


def at_random(count: int) -> list[Split | None]:
    return ["val" if draw < 0.2 else "train" for draw in np.random.default_rng(1).random(count)]


def test_frames_of_a_scene_on_both_sides_are_a_warning_with_the_remedy() -> None:
    facts = frames(10, 15)
    splits = at_random(len(facts))
    (finding,) = told(facts, splits)
    assert finding.level == "warning"
    held_out = splits.count("val")
    assert f"of {held_out} validation images" in finding.what
    assert int(finding.what.split()[0]) > 0.9 * held_out
    assert "--group '" in finding.remedy


def test_before_a_split_the_sequences_are_a_warning() -> None:
    facts = frames(10, 15)
    (finding,) = told(facts, [None] * len(facts))
    assert "300 images come in sequences" in finding.what


def test_whole_sessions_on_one_side_are_sound() -> None:
    facts = frames(10, 15)
    splits: list[Split | None] = ["val" if f.file.path.name < "s02" else "train" for f in facts]
    assert told(facts, splits) == []


def test_named_sessions_are_not_told_of() -> None:
    facts = frames(10, 15)
    assert told(facts, [None] * len(facts), [f.file.path.name[:3] for f in facts]) == []


@pytest.mark.parametrize("split", [True, False])
def test_images_of_many_scenes_are_sound(split: bool) -> None:  # a parameter
    facts = frames(10, 15, alike=False)
    assert told(facts, at_random(len(facts)) if split else [None] * len(facts)) == []


def test_copies_of_one_file_are_no_sequence() -> None:
    facts = frames(10, 15, alike=False)
    twice = [*facts, *facts]
    splits: list[Split | None] = ["train"] * len(facts) + ["val"] * len(facts)
    assert told(twice, splits) == []
