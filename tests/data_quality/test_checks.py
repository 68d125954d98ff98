"""`doctor DATA` finds each fault of a data set where its cause is there, and nothing above a note where none is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import cropped, jpeg, scene
from spoiled_data import COUNT, of, the, with_orientation, write

from edgecnn.data.dataset import scan_folder
from edgecnn.data_quality.checks import check_data
from edgecnn.data_quality.image_stats import Fault, read_image_stats
from edgecnn.errors import DataError
from edgecnn.runtime.doctor.run import examine


def test_a_sound_folder_gets_one_finding_with_its_counts(sound: Path) -> None:
    found = examine(sound)
    assert found.ok
    assert [f.level for f in found.findings] == ["ok"]
    assert f"{2 * COUNT} of {2 * COUNT} images" in found.findings[0].what
    assert "cat 12, dog 12" in found.findings[0].what


def test_a_sound_ready_split_gets_no_more_than_notes(split: Path) -> None:
    assert {f.level for f in examine(split).findings} <= {"ok", "note"}


# Files


def test_a_file_cut_short_is_a_fault(data: Path) -> None:
    path = data / "cat/0.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    the(data, "fault", "truncated", "cat/0.jpg")
    assert not examine(data).ok


def test_an_empty_file_is_a_fault(data: Path) -> None:
    (data / "cat/empty.jpg").write_bytes(b"")
    the(data, "fault", "1 image file is empty", "cat/empty.jpg")


def test_a_file_that_is_no_image_is_a_fault(data: Path) -> None:
    (data / "dog/no.png").write_text("no image")
    the(data, "fault", "not in a supported format", "dog/no.png")


def test_files_that_are_refused_for_one_reason_are_one_finding_with_the_remedy(data: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(data / f"cat/raw{i}.png"), np.full((40, 40), 900 + i, np.uint16))
        cv2.imwrite(str(data / f"dog/float{i}.tif"), np.full((40, 40), 0.1 * i, np.float32))
        (data / f"cat/phone{i}.jpg").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(99))
    assert {finding.what for finding in of(data, "fault")} == {
        "3 image files are of 16 bits and use 12 at most (multiply values by 16, or convert to 8 bits)",
        "3 image files are made of numbers without a known black and white (convert to 8 or 16 bits)",
        "3 image files are in a format that is not read (convert to JPEG or PNG)",
    }


def test_an_image_without_a_suffix_is_no_wrong_suffix(data: Path) -> None:
    (data / "cat/0.jpg").rename(data / "cat/0")
    assert not any("file suffix" in finding.what for finding in of(data, "warning"))


def test_a_file_broken_inside_is_a_fault(data: Path) -> None:
    path = write(data / "cat/broken.png", scene(55))
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(len(content) - 80) + content[-20:])
    assert "cat/broken.png" in the(data, "fault").where


def test_of_many_bad_files_a_few_are_named_and_the_rest_is_counted(data: Path) -> None:
    for i in range(25):
        (data / f"cat/bad{i:02d}.jpg").write_text("no image")
    finding = the(data, "fault", "25 image files", "cat/bad00.jpg", "and 20 more")
    assert "bad05" not in finding.where


def test_an_image_of_another_format_than_its_name_says_is_a_warning(data: Path) -> None:
    path = data / "cat/0.jpg"
    cv2.imwrite(str(data / "cat/x.png"), scene(0))
    (data / "cat/x.png").replace(path)
    the(data, "warning", "PNG named .jpg", "cat/0.jpg")


# Copies


def test_the_same_file_under_two_labels_is_a_fault(data: Path) -> None:
    shutil.copy(data / "cat/0.jpg", data / "dog/copy.jpg")
    the(data, "fault", "under two labels", "byte for byte", "cat/0.jpg = dog/copy.jpg")


def test_the_same_file_in_two_splits_is_a_fault(split: Path) -> None:
    shutil.copy(split / "train/cat/5.jpg", split / "val/cat/copy.jpg")
    the(split, "fault", "in two splits", "train/cat/5.jpg = val/cat/copy.jpg")


def test_the_same_file_twice_in_a_class_is_a_warning(data: Path) -> None:
    shutil.copy(data / "cat/0.jpg", data / "cat/copy.jpg")
    the(data, "warning", "more than once in a class", "cat/0.jpg = cat/copy.jpg")
    assert examine(data).ok


NEAR = {
    "different encoding, size or brightness": lambda p: cv2.resize(jpeg(p, 50), None, fx=0.7, fy=0.7),
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "cropped": lambda p: cropped(p, 0.1, 0.1, 0.1, 0.1),
}


@pytest.mark.parametrize("change", NEAR)
def test_nearly_the_same_image_under_two_labels_is_a_fault(data: Path, change: str) -> None:
    write(data / "dog/near.jpg", NEAR[change](scene(3)))
    the(data, "fault", "under two labels", f"1 {change}", "cat/3.jpg = dog/near.jpg")


@pytest.mark.parametrize("change", NEAR)
def test_nearly_the_same_image_in_two_splits_is_a_fault(split: Path, change: str) -> None:
    write(split / "val/cat/near.jpg", NEAR[change](scene(7)))
    the(split, "fault", "in two splits", f"1 {change}", "train/cat/7.jpg = val/cat/near.jpg")


def test_nearly_the_same_image_twice_in_a_class_is_a_note(data: Path) -> None:
    write(data / "cat/near.jpg", jpeg(scene(3), 50))
    the(data, "note", "more than once in a class", "cat/3.jpg = cat/near.jpg")


def test_a_near_copy_finds_the_byte_identical_twin_that_lies_in_the_other_split(split: Path) -> None:
    """The twin's original is compared for both."""
    write(split / "train/cat/near.jpg", jpeg(scene(7), 50))
    shutil.copy(split / "train/cat/7.jpg", split / "val/cat/twin.jpg")
    the(split, "fault", "2 cases", "train/cat/near.jpg = val/cat/twin.jpg")


# Classes and splits


@pytest.mark.parametrize("images", [0, 1])
def test_a_class_with_fewer_than_two_images_is_a_fault(data: Path, images: int) -> None:
    (data / "emu").mkdir()
    for i in range(images):
        write(data / f"emu/{i}.jpg", scene(200 + i))
    the(data, "fault", "1 class", "emu")


def test_of_many_small_classes_a_few_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    for i in range(30):
        write(tmp_path / f"class{i:02d}/1.jpg", scene(i))
    the(tmp_path, "fault", "30 classes", "class00", "and 25 more")


def test_images_that_cannot_be_read_do_not_make_a_class(data: Path) -> None:
    for path in (data / "dog").iterdir():
        path.write_text("no image")
    assert any("dog" in f.where and "without readable images" in f.what for f in of(data, "fault"))


def test_a_class_too_small_to_hold_images_out_is_a_warning(data: Path) -> None:
    for i in range(5):
        write(data / f"emu/{i}.jpg", scene(200 + i))
    the(data, "warning", "1 class has fewer than 10", "emu 5")


def test_one_class_alone_is_a_fault(data: Path) -> None:
    shutil.rmtree(data / "dog")
    the(data, "fault", "two")


def test_a_class_of_the_other_splits_that_training_lacks_is_a_fault(split: Path) -> None:
    write(split / "val/emu/0.jpg", scene(300))
    the(split, "fault", "emu")


def test_a_class_that_a_split_lacks_is_a_warning(split: Path) -> None:
    shutil.rmtree(split / "val/dog")
    the(split, "warning", "'val'", "dog")


def test_a_ready_split_without_training_images_can_be_sound(split: Path) -> None:
    """It may be there to evaluate on."""
    shutil.rmtree(split / "val")
    (split / "train").replace(split / "test")
    assert {f.level for f in examine(split).findings} <= {"ok", "note"}


def test_more_than_ten_to_one_is_a_warning_that_names_the_option(data: Path) -> None:
    for i in range(COUNT, 125):
        write(data / f"cat/{i}.jpg", scene(1000 + i, 60, 50))
    imbalance = next(f for f in of(data, "warning") if "to 1" in f.what)
    assert "'cat' has 125" in imbalance.what
    assert "--balance" in imbalance.remedy


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        examine(tmp_path)


# Images


def test_tiny_images_are_a_warning(data: Path) -> None:
    write(data / "cat/small.png", scene(60, 31, 40))
    write(data / "cat/enough.png", scene(61, 32, 32))
    assert any(f.where == "cat/small.png" and "1 image is smaller than 32" in f.what for f in of(data, "warning"))


def test_a_set_of_small_images_is_a_note(tmp_path: Path) -> None:
    for i in range(COUNT):
        write(tmp_path / f"cat/{i}.jpg", scene(i, 60, 60))
        write(tmp_path / f"dog/{i}.jpg", scene(100 + i, 60, 60))
    assert "imgsz" in the(tmp_path, "note", "60 pixels").remedy


def test_a_very_large_image_is_a_note(data: Path) -> None:
    write(data / "cat/huge.jpg", cv2.resize(scene(60), (5000, 3300)))
    assert any(f.where == "cat/huge.jpg" and "16 megapixels" in f.what for f in of(data, "note"))


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_is_a_warning(data: Path, level: int) -> None:
    write(data / "cat/blank.jpg", np.full((200, 240, 3), level, np.uint8))
    the(data, "warning", "a single colour", "cat/blank.jpg")


def test_fine_noise_is_not_taken_for_one_colour(data: Path) -> None:
    write(data / "cat/noise.png", np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), np.uint8))
    assert not any("a single colour" in f.what for f in examine(data).findings)


def test_images_turned_by_exif_among_others_are_a_note(data: Path) -> None:
    for i in range(2):
        with_orientation(data / f"cat/{i}.jpg", 6)
        with_orientation(data / f"dog/{i}.jpg", 3)
    assert any("4 of 24" in f.what and "EXIF" in f.what for f in of(data, "note"))
    assert of(data, "warning") == []


def test_landscape_and_portrait_images_together_are_a_note(data: Path) -> None:
    for i in range(6):
        for k, name in enumerate(("cat", "dog")):
            write(data / f"{name}/{i}.jpg", scene(100 * k + i, 200, 240))
    the_note = next(f for f in of(data, "note") if "portrait" in f.what)
    assert "12 images are landscape, 12 are portrait" in the_note.what


# Its uses


def test_small_images_are_noted_where_the_network_takes_much_larger_ones(tmp_path: Path) -> None:
    for name, first in (("cat", 0), ("dog", 100)):
        for i in range(8):
            write(tmp_path / f"{name}/{i}.png", cv2.resize(scene(first + i), (32, 32), interpolation=cv2.INTER_AREA))
    folder = scan_folder(tmp_path)
    read = [f for f in map(read_image_stats, folder.images) if not isinstance(f, Fault)]
    for input_px, noted in ((None, True), (224, True), (112, False), (32, False)):
        found = [f for f in check_data(folder, read, input_px=input_px) if "the images are small" in f.what]
        assert bool(found) == noted, input_px
        assert all("compare --imgsz 112" in f.remedy and "do not go down to the size" in f.remedy for f in found)


def test_training_can_have_the_findings_of_what_it_read_itself(data: Path) -> None:
    shutil.copy(data / "cat/0.jpg", data / "dog/copy.jpg")
    (data / "dog/no.jpg").write_text("no image")
    folder = scan_folder(data)
    read = [read_image_stats(p) for p in folder.images]
    found = check_data(folder, [r for r in read if not isinstance(r, Fault)], [r for r in read if isinstance(r, Fault)])
    assert [f.level for f in found] == ["fault", "fault"]
    assert found == tuple(examine(data).findings[1:])


def test_the_command_ends_with_status_3_and_one_json_object(data: Path, edgecnn) -> None:
    shutil.copy(data / "cat/0.jpg", data / "dog/copy.jpg")
    done = edgecnn("doctor", data, "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert all(set(f) == {"level", "what", "where", "remedy"} for f in found["findings"])
    assert "reading images" in done.stderr


def test_the_table_keeps_to_80_columns(data: Path, edgecnn) -> None:
    shutil.copy(data / "cat/0.jpg", data / "dog/copy.jpg")
    done = edgecnn("doctor", data, env={"COLUMNS": "80"})
    assert done.returncode == 3
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "fault" in done.stdout
    assert "cat/0.jpg = dog/copy.jpg" in " ".join(done.stdout.split())


def test_before_one_camera_relatives_under_two_labels_are_a_warning_and_in_two_splits_a_fault(tmp_path: Path) -> None:
    """Likeness cannot tell two parts of one kind from one part taken twice."""
    random = np.random.default_rng(0)

    def shot(part: int) -> np.ndarray:
        background, cells = scene(1), scene(500 + part)
        background[60:140, 80:160] = cells[60:140, 80:160]
        return np.clip(background + random.normal(0, 6, background.shape), 0, 255).astype(np.uint8)

    for i in range(20):
        for k, name in enumerate(("cat", "dog")):
            image = shot(2 * i + k)
            write(tmp_path / f"labels/{name}/{i}.png", image)
            write(tmp_path / f"splits/{'train' if i < 12 else 'val'}/{name}/{i}.png", image)
    assert examine(tmp_path / "labels").ok
    assert examine(tmp_path / "splits").ok
    write(tmp_path / "labels/dog/again.png", shot(0))
    write(tmp_path / "splits/val/cat/again.png", shot(0))
    the(tmp_path / "labels", "warning", "two labels", "look alike", "cat/0.png = dog/again.png")
    the(tmp_path / "splits", "fault", "two splits", "look alike", "train/cat/0.png = val/cat/again.png")
