"""Folders as others lay them out: names of splits, stray folders, links, strange names; nothing goes without a word."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data.image_folder import find_images, scan_folder
from edgecnn.data.left_out import left_out_by_reason, usage_line
from edgecnn.data.split_names import matching_class, split_of_name
from edgecnn.data_quality.folder_checks import check_folder
from edgecnn.data_quality.wording import Names
from edgecnn.errors import DataError

PNG = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()


def laid(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return root


def reasons(root: Path) -> dict[str, int]:
    return {str(reason): number for reason, number in left_out_by_reason(scan_folder(root).left_out).items()}


# ---- splits


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Training", "Validation", "Testing"),
        ("Train", "Val", "Test"),
        ("TRAIN", "DEV", "TEST"),
        ("training_set", "validation set", "test-set"),
        ("train_images", "valid_images", "test_images"),
        ("Train", "Eval", "Holdout"),
        ("seg_train", "seg_val", "seg_test"),
        ("01_train", "02_val", "03_test"),
        ("Cats Train Images", "Cats Validation Images", "Cats Test Images"),
        ("train-v2", "val-v2", "test-v2"),
    ],
)
def test_the_usual_names_of_splits_are_known_in_any_case(tmp_path: Path, names: tuple[str, str, str]) -> None:
    train, val, test = names
    found = scan_folder(
        laid(tmp_path, f"{train}/cat/1.png", f"{train}/dog/2.png", f"{val}/cat/3.png", f"{test}/dog/4.png")
    )
    assert found.ready_split
    assert found.class_names == ("cat", "dog")
    assert [p.split for p in sorted(found.images, key=lambda p: p.path.name)] == ["train", "train", "val", "test"]


@pytest.mark.parametrize("name", ["cat", "trained", "testis", "valley", "contest", "train station", "set", "data"])
def test_other_names_are_no_splits(name: str) -> None:
    assert split_of_name(name) is None


@pytest.mark.parametrize("stray", ["extra/9.png", "sample/deep/9.png", "docs/cat/9.png"])
def test_a_folder_beside_the_splits_is_named_and_makes_no_classes_of_them(tmp_path: Path, stray: str) -> None:
    laid(tmp_path, "train/cat/1.png", "train/dog/2.png", "valid/cat/3.png", "valid/dog/4.png", stray)
    found = scan_folder(tmp_path)
    assert found.ready_split
    assert found.class_names == ("cat", "dog")
    assert reasons(tmp_path) == {"beside_split": 1}


def test_splits_with_a_word_in_common_are_unpacked_and_a_folder_beside_them_is_named(tmp_path: Path) -> None:
    """As Intel's scenes are packed on Kaggle: they trained a classifier of split names."""
    laid(tmp_path, "seg_train/seg_train/sea/1.png", "seg_train/seg_train/ice/2.png", "seg_test/seg_test/sea/3.png")
    found = scan_folder(laid(tmp_path, "seg_pred/seg_pred/9.png"))
    assert found.class_names == ("ice", "sea")
    assert {p.split for p in found.images} == {"train", "test"}
    assert reasons(tmp_path) == {"beside_split": 1}


def test_a_training_split_of_one_class_is_no_class(tmp_path: Path) -> None:
    """As data sets of anomalies are laid out; a class `good` then lacks others to be told from."""
    laid(tmp_path, "train/good/1.png", "test/good/2.png", "test/broken/3.png", "ground_truth/broken/4.png")
    found = scan_folder(tmp_path)
    assert found.class_names == ("good",)
    assert reasons(tmp_path) == {"beside_split": 1}


@pytest.mark.parametrize(
    "names",
    [
        ("bullet_train/1.png", "bullet_test/2.png"),  # no class folders in them
        ("steam train/a/1.png", "blood test/a/2.png"),
        ("a_train/x/1.png", "a_test/x/2.png", "b_train/x/3.png", "b_test/x/4.png"),
        ("my_train/x/1.png", "my_cat/x/2.png"),
    ],
)
def test_classes_whose_names_end_in_words_of_splits_are_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    found = scan_folder(laid(tmp_path, *names))
    assert found.class_names == tuple(sorted({name.partition("/")[0] for name in names}))


def test_an_empty_folder_beside_train_alone_does_not_make_it_a_class(tmp_path: Path) -> None:
    laid(tmp_path, "train/cat/1.png", "train/dog/2.png")
    (tmp_path / "annotations").mkdir()
    assert scan_folder(tmp_path).class_names == ("cat", "dog")


def test_vehicles_of_which_one_is_a_train_are_classes(tmp_path: Path) -> None:
    laid(tmp_path, "train/1.png", "car/2.png", "bus/3.png")
    assert scan_folder(tmp_path).class_names == ("bus", "car", "train")


@pytest.mark.parametrize("unlabelled", ["test/7.png", "test/images/7.png", "test/test/7.png"])
def test_a_test_folder_without_labels_is_named_and_left_out(tmp_path: Path, unlabelled: str) -> None:
    laid(tmp_path, "train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/dog/4.png", unlabelled)
    found = scan_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert {p.split for p in found.images} == {"train", "val"}
    assert reasons(tmp_path) == {"unlabelled_split": 1}


def test_a_split_packed_in_a_folder_of_its_own_name_is_unpacked(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "train/train/cat/1.png", "train/train/dog/2.png", "test/test/cat/3.png"))
    assert found.class_names == ("cat", "dog")
    assert {p.split for p in found.images} == {"train", "test"}


def test_splits_one_folder_deeper_are_refused_with_that_folder(tmp_path: Path) -> None:
    laid(tmp_path, "archive/train/cat/1.png", "archive/train/dog/1.png", "archive/test/cat/2.png")
    with pytest.raises(DataError, match="give .*archive"):
        scan_folder(tmp_path)


def test_splits_beside_a_folder_without_images_are_refused_with_their_folder(tmp_path: Path) -> None:
    laid(tmp_path, "images/train/cat/1.png", "images/train/dog/1.png", "images/val/cat/2.png")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "1.txt").write_text("0")
    with pytest.raises(DataError, match="give .*images"):
        scan_folder(tmp_path)


def test_splits_inside_class_folders_are_refused(tmp_path: Path) -> None:
    laid(tmp_path, "cat/train/1.png", "cat/test/2.png", "dog/train/1.png", "dog/test/2.png")
    with pytest.raises(DataError, match="would be mixed"):
        scan_folder(tmp_path)


# ---- names of classes


def test_a_class_of_a_later_split_may_differ_in_case_form_and_white_space(tmp_path: Path) -> None:
    laid(tmp_path, "train/cat/1.png", "train/caf\u00e9/2.png", "val/Cat/3.png", "val/cafe\u0301 /4.png")
    found = scan_folder(tmp_path)
    assert found.class_names == ("caf\u00e9", "cat")
    assert {p.class_name for p in found.images if p.split == "val"} == {"caf\u00e9", "cat"}


def test_folders_whose_names_look_alike_are_one_class(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "caf\u00e9/1.png", "cafe\u0301/2.png", "tea/3.png", "tea /4.png"))
    assert found.class_names == ("caf\u00e9", "tea")
    assert len(found.images) == 4


def test_letters_in_both_cases_stay_two_classes(tmp_path: Path) -> None:
    assert scan_folder(laid(tmp_path, "A/1.png", "a/2.png")).class_names == ("A", "a")
    assert matching_class("a", ("A", "a")) == "a"
    assert matching_class("B", ("A", "b")) == "b"
    assert matching_class("Ab", ("aB", "AB")) is None


def test_folders_that_make_one_class_are_named(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "tea/1.png", "tea /2.png", "caf\u00e9/3.png"))
    (finding,) = (f for f in check_folder(found, Names(tmp_path)) if "one class" in f.what)
    assert finding.level == "note"
    assert "'tea' and 'tea '" in finding.what


@pytest.mark.parametrize("name", [" ", "\u2003"])
def test_a_folder_named_by_white_space_alone_keeps_its_name(tmp_path: Path, name: str) -> None:
    assert set(scan_folder(laid(tmp_path, f"{name}/1.png", "cat/2.png")).class_names) == {name, "cat"}


def test_classes_in_groups_are_one_class_a_group_and_named(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "a/airfield/1.png", "a/alcove/2.png", "b/bar/3.png", "b/barn/4.png"))
    assert found.class_names == ("a", "b")
    (finding,) = (f for f in check_folder(found, Names(tmp_path)) if "several folders" in f.what)
    assert finding.level == "warning"
    assert "'a' (airfield, alcove)" in finding.what
    assert finding.remedy == "where those folders are the classes, move them up by one level"


# ---- files


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    data = laid(tmp_path / "data", "cat/1.png", "dog/2.png")
    laid(tmp_path / "elsewhere", "3.png", "4.png")
    (data / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    found = scan_folder(data)
    assert [p.path.name for p in found.images if p.class_name == "cat"] == ["1.png", "3.png", "4.png"]
    assert found.left_out == ()


def test_links_that_lead_back_are_named_and_end(tmp_path: Path) -> None:
    data = laid(tmp_path / "data", "cat/1.png", "dog/2.png", "cat/deep/3.png")
    (data / "cat" / "up").symlink_to(data)
    (data / "cat" / "deep" / "self").symlink_to(data / "cat" / "deep")
    (data / "dog" / "gone.png").symlink_to(data / "nowhere.png")
    found = scan_folder(data)
    assert sorted(p.path.name for p in found.images) == ["1.png", "2.png", "3.png"]
    assert reasons(data) == {"link_loop": 2, "broken_link": 1}


def test_links_that_lead_to_themselves_or_into_each_other_are_broken_links(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "cat" / "self").symlink_to("self")
    (tmp_path / "dog" / "a.png").symlink_to("b.png")
    (tmp_path / "dog" / "b.png").symlink_to("a.png")
    (tmp_path / "owl").symlink_to("owl")
    found = scan_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert len(found.images) == 2
    assert reasons(tmp_path) == {"broken_link": 4}


def test_a_class_folder_that_links_to_the_dataset_is_no_class(tmp_path: Path) -> None:
    laid(tmp_path / "data", "cat/1.png", "dog/2.png")
    (tmp_path / "data" / "all").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "up").symlink_to(tmp_path)
    found = scan_folder(tmp_path / "data")
    assert found.class_names == ("cat", "dog")
    assert len(found.images) == 2
    assert reasons(tmp_path / "data") == {"link_loop": 2}


def test_a_folder_keeps_its_own_images_where_a_link_with_a_smaller_name_leads_to_it(tmp_path: Path) -> None:
    laid(tmp_path, "cat/z/1.png", "cat/a/2.png")
    (tmp_path / "cat" / "a" / "link").symlink_to(tmp_path / "cat" / "z")
    found = scan_folder(tmp_path)
    assert sorted(p.below for p in found.images) == ["a", "z"]
    assert [file.path.name for file in found.left_out] == ["link"]


def test_a_file_without_a_suffix_is_an_image_by_its_content(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1", "cat/img.0002", "cat/Mr. Smith", "cat/4.png ", "dog/3.png")
    (tmp_path / "dog" / "LICENSE").write_text("P3 is how this text begins")
    (tmp_path / "dog" / "IMG_0001").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic")
    assert len(scan_folder(tmp_path).images) == 5
    assert reasons(tmp_path) == {"not_an_image": 1, "other_format": 1}


def test_everything_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    laid(
        tmp_path,
        *("cat/1.png", "dog/2.png", "loose.png", "clip.mp4", "cat/film.MOV", "cat/photo.heic", "cat/photo.psd"),
        *("dog/photo.jxl", "dog/photo.tga", ".owl/3.png", "cat/.hidden.png", "cat/png.dat", "cat/._1.png"),
    )
    laid(tmp_path, "__MACOSX/cat/1.png")
    (tmp_path / "cat" / "notes.txt").write_text("text")
    (tmp_path / "README.txt").write_text("text")
    assert reasons(tmp_path) == {
        "no_class_folder": 1,
        "other_format": 4,
        "other_suffix": 1,
        "hidden": 2,
        "video": 2,
        "not_an_image": 1,
    }
    assert scan_folder(tmp_path).class_names == ("cat", "dog")


def test_the_line_says_how_many_and_why(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png", "dog/2.png", "cat/photo.heic")
    line = usage_line(1, left_out_by_reason(scan_folder(tmp_path).left_out), unreadable=1)
    assert line.startswith("1 image used, 2 files left out: 1 that cannot be read; 1 of a format that is not read")
    assert usage_line(3, {}) == "3 images used, none left out"


def test_an_error_about_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.heic", "dog/2.heic")
    with pytest.raises(DataError, match="2 of a format that is not read"):
        scan_folder(tmp_path)


def test_run_folders_are_no_classes(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png", "dog/2.png", "runs/train/1/mistakes.png", "run1/curves.png")
    for run in ("runs/train/1", "run1"):
        (tmp_path / run / "weights").mkdir()
        (tmp_path / run / "split.csv").write_text("path,label,split\n")
    (tmp_path / "runs" / "train" / "2").mkdir()  # of a command that failed
    assert scan_folder(tmp_path).class_names == ("cat", "dog")
    assert reasons(tmp_path) == {"run_folder": 2}


def test_a_run_inside_a_class_folder_does_not_cost_the_class(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png", "cat/run/mistakes.png", "dog/2.png")
    (tmp_path / "cat" / "run" / "weights").mkdir()
    (tmp_path / "cat" / "run" / "results.csv").write_text("epoch\n")
    found = scan_folder(tmp_path)
    assert [p.path.name for p in found.images] == ["1.png", "2.png"]
    assert reasons(tmp_path) == {"run_folder": 1}


def test_the_run_that_is_being_written_is_no_class(tmp_path: Path) -> None:
    laid(tmp_path, "cat/1.png", "dog/2.png", "out/1/curves.png")
    assert scan_folder(tmp_path, own_run=tmp_path / "out" / "1").class_names == ("cat", "dog")


def test_what_lies_below_a_class_folder_is_remembered(tmp_path: Path) -> None:
    found = scan_folder(laid(tmp_path, "cat/monday/left/1.png", "cat/2.png"))
    assert {p.path.name: p.below for p in found.images} == {"1.png": "monday/left", "2.png": ""}
    assert len(find_images(tmp_path)) == 2


def test_a_folder_of_videos_is_told_how_clips_are_trained_on(tmp_path: Path) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.mp4").write_bytes(b"video")
    with pytest.raises(
        DataError, match=r"contains no images \(2 videos\); .*, or train on the videos with --temporal gru"
    ):
        scan_folder(tmp_path)


def test_a_class_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """Labels are UTF-8 in every file that holds them."""
    laid(tmp_path, "cat/1.png", "d\udcff\udcfeg/1.png")  # two bytes that are no UTF-8
    with pytest.raises(DataError, match="must be UTF-8 text, for it is a label; rename the folder"):
        scan_folder(tmp_path)
