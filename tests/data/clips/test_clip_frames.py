"""The steps of a clip: by time, whatever the frame rate, at the model's size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from video_files import write_video

from edgecnn.data.clips.clip_frames import ClipReader, clip_digest
from edgecnn.errors import DataError, EdgeCNNError, ImageError
from edgecnn.manifest import InputSpec, PreprocessSpec

READER = ClipReader(InputSpec(24, 32), PreprocessSpec(), interval_s=0.1, fps=10)


def levels(count: int) -> list[NDArray[np.uint8]]:
    """Grey frames, each brighter than the one before."""
    return [np.full((48, 64, 3), 20 + 200 * i // count, np.uint8) for i in range(count)]


def write_frames(folder: Path, frames: list[NDArray[np.uint8]]) -> Path:
    folder.mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{i}.png"), frame)
    return folder


def test_a_video_of_any_rate_gives_the_same_steps(tmp_path: Path) -> None:
    found = []
    for rate in (10, 20, 30):
        write_video(tmp_path / f"{rate}.avi", levels(2 * rate), fps=rate)
        found.append([int(step.row.mean()) for step in READER.steps(tmp_path / f"{rate}.avi")])
    assert len(found[0]) == len(found[1]) == len(found[2]) == 20
    assert np.abs(np.array(found) - found[0]).max() <= 3  # each rate rounds its levels, and the encoder does


def test_a_folder_of_frames_has_the_rate_that_is_given(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", levels(12))
    steps = list(READER.steps(folder))
    assert [step.row.shape for step in steps] == [(24, 32, 3)] * 12
    assert [round(step.time_s, 3) for step in steps[:3]] == [0.0, 0.1, 0.2]
    assert [step.begins for step in steps] == [True] + [False] * 11
    slow = ClipReader(READER.size, READER.preprocess, interval_s=0.1, fps=5)
    assert [step.count for step in slow.steps(folder)] == [1] + [2] * 11


def test_colours_are_rgb_in_both(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR
    write_video(tmp_path / "red.avi", [red] * 3, fps=10)
    folder = write_frames(tmp_path / "red", [red] * 3)
    for clip in (tmp_path / "red.avi", folder):
        row = next(READER.steps(clip)).row
        assert row[..., 0].mean() > 150
        assert row[..., 2].mean() < 40


def test_a_clip_of_one_frame_has_one_step(tmp_path: Path) -> None:
    assert len(list(READER.steps(write_frames(tmp_path / "one", levels(1))))) == 1


def test_a_clip_without_frames_and_a_broken_frame_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the clip has no frames"):
        list(READER.steps(tmp_path / "empty"))
    folder = write_frames(tmp_path / "broken", levels(3))
    (folder / "1.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken: its frame 1\.png cannot be read"):
        list(READER.steps(folder))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(EdgeCNNError, match=r"broken\.mp4"):
        list(READER.steps(tmp_path / "broken.mp4"))


def test_the_digest_is_of_the_content_and_of_the_order(tmp_path: Path) -> None:
    frames = levels(3)
    first = clip_digest(write_frames(tmp_path / "a", frames))
    assert clip_digest(write_frames(tmp_path / "b", frames)) == first
    assert clip_digest(write_frames(tmp_path / "c", frames[::-1])) != first
