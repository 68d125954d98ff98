"""``loop:``: files that act as a camera."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_files import write_video

from edgecnn.errors import SourceError
from edgecnn.runtime.sources import open_source
from edgecnn.runtime.sources.drivers.driver import DriverError
from edgecnn.runtime.sources.drivers.loop import read_loop


@pytest.fixture
def shades(tmp_path: Path) -> Path:
    """Three grey images of different brightness."""
    for shade in (10, 20, 30):
        cv2.imwrite(str(tmp_path / f"{shade}.png"), np.full((16, 16, 3), shade, np.uint8))
    return tmp_path


def brightness(source: str, count: int) -> list[int]:
    frames = islice(read_loop(source, max_pixels=10_000), count)
    return [int(frame.decode()[0, 0, 0]) for frame in frames]


def test_the_images_of_a_folder_come_again_and_again(shades: Path) -> None:
    assert brightness(f"loop:{shades}@1000", 7) == [10, 20, 30, 10, 20, 30, 10]


def test_a_list_names_images_from_its_own_folder_in_its_order(shades: Path) -> None:
    (shades / "held-out.txt").write_text("30.png\n\n10.png\n")
    assert brightness(f"loop:{shades}/held-out.txt@1000", 4) == [30, 10, 30, 10]


def test_an_image_that_is_gone_is_dropped_and_the_others_go_on(shades: Path) -> None:
    (shades / "list.txt").write_text("10.png\nnone.png\n20.png\n")
    with open_source(f"loop:{shades}/list.txt@50") as source:
        found = [int(frame.image[0, 0, 0]) for frame in islice(source, 4)]
        assert set(found) == {10, 20}
        assert source.counters.dropped


def test_a_video_begins_again_at_its_end(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", [np.full((32, 32, 3), shade, np.uint8) for shade in (40, 120, 200)])
    found = brightness(f"loop:{video}@1000", 6)
    assert [round(level / 40) for level in found] == [1, 3, 5, 1, 3, 5]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("loop:", "expected loop:PATH@FPS"),
        ("loop:x@0.1", "0.25 to 1000 frames"),
        ("loop:/nowhere", "cannot be read: No such file"),
    ],
)
def test_an_address_that_cannot_be_says_why(source: str, said: str) -> None:
    with pytest.raises(DriverError, match=said):
        next(read_loop(source, max_pixels=10_000))


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="no images in"):
        next(read_loop(f"loop:{tmp_path}", max_pixels=10_000))


def test_a_wrong_address_ends_a_program_that_would_wait_for_ever() -> None:
    with open_source("loop:x@0.1") as source, pytest.raises(SourceError, match=r"0\.25 to 1000"):
        next(iter(source))
