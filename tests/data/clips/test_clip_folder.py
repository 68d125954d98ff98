"""Folders of clips: videos and folders of frames by class."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data.clips.clip_folder import frames_of, scan_clips
from edgecnn.errors import DataError, InputNotFoundError


def image(path: Path, level: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((12, 16, 3), level, np.uint8))
    return path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_a_clip_is_a_video_or_a_folder_of_frames(tmp_path: Path) -> None:
    touch(tmp_path / "open" / "1.mp4")
    image(tmp_path / "open" / "2" / "0001.jpg")
    image(tmp_path / "shut" / "session-1" / "a" / "0.png")
    touch(tmp_path / "shut" / "session-1" / "b.MOV")
    found = scan_clips(tmp_path)
    assert found.class_names == ("open", "shut")
    assert not found.ready_split
    assert [(c.path.relative_to(tmp_path).as_posix(), c.class_name, c.below) for c in found.clips] == [
        ("open/1.mp4", "open", ""),
        ("open/2", "open", ""),
        ("shut/session-1/a", "shut", "session-1"),
        ("shut/session-1/b.MOV", "shut", "session-1"),
    ]


def test_a_ready_split_is_kept(tmp_path: Path) -> None:
    for split in ("train", "Valid", "test"):
        for name in ("open", "shut"):
            touch(tmp_path / split / name / "1.mp4")
    found = scan_clips(tmp_path)
    assert found.ready_split
    assert found.class_names == ("open", "shut")
    assert [clip.split for clip in found.clips] == ["train", "train", "val", "val", "test", "test"]


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        image(tmp_path / f"frame{number}.png")
    assert [path.name for path in frames_of(tmp_path)] == ["frame1.png", "frame9.png", "frame10.png"]


def test_images_in_a_class_folder_are_refused_with_the_right_place(tmp_path: Path) -> None:
    image(tmp_path / "open" / "7.jpg")
    with pytest.raises(DataError, match=r"7\.jpg: is an image in a class folder.*put the frames of each clip into"):
        scan_clips(tmp_path)


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    with pytest.raises(DataError, match="contains no clips; put videos"):
        scan_clips(tmp_path)
    with pytest.raises(InputNotFoundError):
        scan_clips(tmp_path / "nowhere")


def test_what_is_not_used_is_counted(tmp_path: Path) -> None:
    touch(tmp_path / "open" / "1.mp4")
    touch(tmp_path / "shut" / "1.mp4")
    touch(tmp_path / "loose.mp4")
    touch(tmp_path / "notes.txt")
    found = scan_clips(tmp_path)
    assert [(file.path.name, file.reason) for file in found.left_out] == [("loose.mp4", "no_class_folder")]


def test_the_run_folder_inside_the_data_is_no_class(tmp_path: Path) -> None:
    touch(tmp_path / "open" / "1.mp4")
    touch(tmp_path / "shut" / "1.mp4")
    run = tmp_path / "runs" / "train" / "1"
    (run / "weights").mkdir(parents=True)
    assert scan_clips(tmp_path, run).class_names == ("open", "shut")
