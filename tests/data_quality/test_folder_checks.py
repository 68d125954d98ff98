"""What `doctor DATA` says of files that are left out, and of folders that are not as training expects them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes import scene
from spoiled_data import COUNT, of, the, write


@pytest.mark.parametrize("name", ["photo.heic", "photo.dat"])
def test_an_image_that_is_left_out_for_its_suffix_is_a_warning(data: Path, name: str) -> None:
    write(data / "cat/new.jpg", scene(77)).replace(data / "cat" / name)
    the(data, "warning", "left out", name)


def test_other_files_among_the_images_are_a_note_and_those_beside_the_classes_are_not(data: Path) -> None:
    (data / "labels.csv").write_text("a,b")
    (data / "cat/.hidden").write_text("")
    assert of(data, "note") == []
    (data / "cat/notes.txt").write_text("x")
    the(data, "note", "1 file among the images", "cat/notes.txt")


def test_images_outside_the_class_folders_are_a_warning(data: Path) -> None:
    write(data / "loose.jpg", scene(90))
    the(data, "warning", "no class folder", "loose.jpg")


def test_a_split_beside_other_folders_is_a_warning(data: Path) -> None:
    """It would be trained on as a class called `train`."""
    for i in range(COUNT):
        write(data / f"train/{i}.jpg", scene(300 + i))
    the(data, "warning", "train: interpreted as classes")


def test_images_without_labels_are_a_warning(tmp_path: Path) -> None:
    """They can still calibrate."""
    write(tmp_path / "1.jpg", scene(1))
    the(tmp_path, "warning", "labels")
