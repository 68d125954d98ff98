"""Which copies the findings name, and what it costs where there are thousands."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edgecnn.data.image_folder import ImageFile
from edgecnn.data_quality.copy_findings import check_copies
from edgecnn.data_quality.image_stats import ImageStats
from edgecnn.data_quality.near_duplicates import Copies, NearPair
from edgecnn.data_quality.wording import Names

ROOT = Path("data")
THUMBNAIL = np.zeros((64, 64), np.uint8)


def stats(digest: str, class_name: str, number: int) -> ImageStats:
    return ImageStats(
        file=ImageFile(ROOT / class_name / f"{digest}{number:04d}.png", class_name),
        digest=digest,
        thumbnail=THUMBNAIL,
        format="PNG",
        size_bytes=100,
        width=64,
        height=64,
        orientation=1,
        grey=False,
        contrast=50.0,
    )


def test_of_thousands_of_copies_the_two_of_different_classes_are_found_at_once() -> None:
    """Two stuck frames, nearly one: 2,500 files of each, and the last of the second is in another class."""
    facts = [stats("a", "cat", i) for i in range(2500)] + [stats("b", "cat", i) for i in range(2500)]
    facts.append(stats("b", "dog", 2500))
    copies = Copies((0,) * len(facts), (NearPair(0, 2500, 0.999, "noise"),), look_alike=False)
    begun = time.process_time()
    found = list(check_copies(facts, copies, Names(ROOT)))
    assert time.process_time() - begun < 0.4  # six million pairs take a second
    (near,) = (one for one in found if one.level == "fault" and "1 noise" in one.what)
    assert "cat/a0000.png = dog/b2500.png" in near.where
