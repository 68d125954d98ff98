"""`doctor` on a folder of clips: what harms a recurrent model, or makes its evaluation wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_clips import LABELS, moving, write_clips, write_frames
from scenes import scene
from video_files import write_video

from edgecnn.data_quality.finding import Finding
from edgecnn.errors import UsageError
from edgecnn.runtime.doctor.run import examine

CLIPS = 4


def found_in(root: Path) -> tuple[Finding, ...]:
    return examine(root, clips=True).findings


def the(findings: tuple[Finding, ...], words: str) -> Finding:
    (found,) = [finding for finding in findings if words in finding.what]
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "data", CLIPS)


def test_sound_clips_have_no_finding_but_what_training_would_use(data: Path) -> None:
    (only,) = found_in(data)
    assert only.level == "ok"
    assert only.what.startswith("8 of 8 clips are readable, 2 classes (left 4, right 4), 8 to 10 steps of 0.1 s")


def test_videos_are_known_as_clips_and_folders_of_frames_need_the_option(data: Path, tmp_path: Path, edgecnn) -> None:
    videos = write_clips(tmp_path / "videos", CLIPS, video=True)
    assert "8 of 8 clips" in examine(videos).findings[0].what
    assert "images are readable" in examine(data).findings[0].what
    done = edgecnn("doctor", data, "--clips", "--json")
    assert done.returncode == 0, done.stderr
    assert "8 of 8 clips" in json.loads(done.stdout)["findings"][0]["what"]


def test_a_model_file_is_no_folder_of_clips(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="--clips is for a folder of clips"):
        examine(tiny_model, clips=True)


def test_clips_that_teach_nothing(data: Path) -> None:
    (data / "left" / "broken.avi").write_bytes(b"no video")
    (data / "left" / "hollow").mkdir()
    (data / "right" / "0" / "3.png").write_bytes(b"no image")
    write_frames(data / "right" / "still", moving("right", 1, 50))
    findings = found_in(data)
    unreadable = the(findings, "2 clips cannot be read")
    assert unreadable.level == "fault"
    assert "left/broken.avi" in unreadable.where
    assert "its frame 3.png cannot be read" in unreadable.where
    assert (the(findings, "is empty").level, the(findings, "is empty").where) == ("warning", "left/hollow")
    assert the(findings, "1 clip has a single step").where == "right/still"
    assert "8 of 10 clips are readable" in findings[0].what


def test_a_class_of_one_clip(data: Path) -> None:
    write_frames(data / "up" / "0", moving("left", 8, 77))
    one = the(found_in(data), "only one readable clip")
    assert (one.level, one.where) == ("fault", "up")


def test_a_single_class(data: Path) -> None:
    shutil.rmtree(data / "left")
    assert the(found_in(data), "only one class").level == "fault"


def test_lengths_that_tell_the_class(tmp_path: Path) -> None:
    for label, frames in zip(LABELS, (8, 16), strict=True):
        for i in range(CLIPS):
            write_frames(tmp_path / label / str(i), moving(label, frames + i, 10 * frames + i))
    told = the(found_in(tmp_path), "the length of a clip tells its class")
    assert told.level == "warning"
    assert "'right' 17.5 and 'left' 9.5 steps" in told.what


def test_frame_rates_that_tell_the_class(tmp_path: Path) -> None:
    for label, fps in zip(LABELS, (10, 20), strict=True):
        (tmp_path / label).mkdir()
        for i in range(CLIPS):
            frames = moving(label, fps, 10 * fps + i)
            write_video(tmp_path / label / f"{i}.avi", frames, fps=fps)
    findings = found_in(tmp_path)
    assert the(findings, "the frame rate of a clip tells its class").level == "warning"
    assert not [finding for finding in findings if "the length" in finding.what]


def test_copies_byte_for_byte(data: Path) -> None:
    shutil.copytree(data / "left" / "0", data / "left" / "again")
    shutil.copytree(data / "left" / "1", data / "right" / "wrong")
    findings = found_in(data)
    assert (the(findings, "more than once in a class").where, the(findings, "more than once in a class").level) == (
        "left/0 = left/again",
        "warning",
    )
    assert (the(findings, "under two labels").where, the(findings, "under two labels").level) == (
        "left/1 = right/wrong",
        "fault",
    )


def write_scenes(root: Path, shared: int, *, clips: int = 6) -> Path:
    """A ready split; so many of the test clips of each class are of a scene that training shows."""
    for place, label in enumerate(LABELS):
        for i in range(clips):
            for split in ("train", "test"):
                seed = 100 * place + i + (0 if split == "train" or i < shared else 50)
                frames = [scene(seed)[8 * k :, :-32] for k in range(5 if split == "train" else 4)]
                write_frames(root / split / label / str(i), frames)
    return root


def test_clips_of_one_scene_in_train_and_test(tmp_path: Path) -> None:
    assert not [f for f in found_in(write_scenes(tmp_path / "apart", 0)) if "scene" in f.what]
    leak = the(found_in(write_scenes(tmp_path / "shared", 1)), "a scene that training clips show too")
    assert leak.level == "fault"
    assert "2 held-out clips show" in leak.what
    assert "test/left/0 ~ train/left/0" in leak.where
    assert "in one split" in leak.remedy


def test_a_fixed_camera_is_a_caution_and_no_fault(tmp_path: Path) -> None:
    found = the(found_in(write_scenes(tmp_path, 6)), "a scene that training clips show too")
    assert found.level == "warning"
    assert "fixed camera" in found.remedy
    assert examine(tmp_path, clips=True).ok


def test_one_clip_in_two_splits(tmp_path: Path) -> None:
    data = write_scenes(tmp_path, 0)
    shutil.rmtree(data / "test" / "left" / "0")
    shutil.copytree(data / "train" / "left" / "0", data / "test" / "left" / "0")
    leak = the(found_in(data), "the same clip in two splits")
    assert (leak.level, leak.where) == ("fault", "train/left/0 = test/left/0")
