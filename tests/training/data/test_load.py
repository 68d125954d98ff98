"""Taking in a folder: what cannot be read is listed, what cannot be trained on is refused by name."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import cv2
import pytest
from shapes import CLASSES, shape_image, write_shapes

from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.progress import Silent
from edgecnn.training.data.load import TrainingData, load_training_data


def _take_in(root: Path, val_split: float = 0.2, test_split: float = 0.0, seed: int = 0) -> TrainingData:
    return load_training_data(root, val_split, test_split, seed, Silent(), 2)


def test_every_image_is_taken_in_with_its_class_and_digest(images: Path) -> None:
    data = _take_in(images, 0.2, 0.1)
    assert data.labels == CLASSES
    assert data.skipped == ()
    assert sorted(s.path for s in data.samples) == sorted(images.rglob("*.png"))
    for sample in data.samples:
        assert data.labels[sample.label] == sample.path.parent.name
        assert sample.digest == hashlib.sha256(sample.path.read_bytes()).hexdigest()
    assert Counter((s.label, s.split) for s in data.samples) == {
        (c, s): n for c in (0, 1) for s, n in (("train", 14), ("val", 4), ("test", 2))
    }


def test_the_record_knows_which_side_each_image_was_on(images: Path) -> None:
    data = _take_in(images, 0.2, 0.1)
    assert all(data.record.split_of(s.digest) == s.split for s in data.samples)
    assert data.record.split_of(hashlib.sha256(b"never seen").hexdigest()) is None


def test_the_hash_of_the_data_depends_on_images_and_not_on_names(tmp_path: Path) -> None:
    first, second = write_shapes(tmp_path / "a", 5), write_shapes(tmp_path / "b", 5)
    (second / "circle" / "0000.png").rename(second / "circle" / "zzz.png")
    assert _take_in(first).sha256 == _take_in(second).sha256
    cv2.imwrite(str(second / "circle" / "one more.png"), shape_image("circle", 99))
    assert _take_in(first).sha256 != _take_in(second).sha256


def test_unreadable_images_are_listed_and_left_out(tmp_path: Path) -> None:
    root = write_shapes(tmp_path, 6)
    broken = {root / "circle" / "text.jpg": b"no image", root / "square" / "empty.png": b""}
    broken[root / "square" / "cut.png"] = (root / "square" / "0000.png").read_bytes()[:200]
    for path, content in broken.items():
        path.write_bytes(content)
    data = _take_in(root)
    assert {Path(s.path) for s in data.skipped} == set(broken)
    assert all(s.reason and s.path not in s.reason for s in data.skipped)
    assert len(data.samples) == 12
    assert not set(broken) & {s.path for s in data.samples}


def test_a_class_with_too_few_readable_images_is_refused_by_name(tmp_path: Path) -> None:
    root = write_shapes(tmp_path, 4)
    for path in sorted((root / "square").iterdir())[1:]:
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"'square' has 1.*3 images could not be read"):
        _take_in(root)


def test_an_empty_class_folder_is_refused_by_name(tmp_path: Path) -> None:
    root = write_shapes(tmp_path, 4)
    (root / "triangle").mkdir()
    with pytest.raises(DataError, match="'triangle' has 0"):
        _take_in(root)


def test_one_class_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(write_shapes(tmp_path, 4) / "square")
    with pytest.raises(DataError, match=r"one class \('circle'\)"):
        _take_in(tmp_path)


def test_images_without_class_folders_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), shape_image("circle", 0))
    with pytest.raises(DataError, match="no class folders"):
        _take_in(tmp_path)


def test_a_missing_folder_and_a_file_are_refused_by_path(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="nowhere"):
        _take_in(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file; expected a folder"):
        _take_in(tmp_path / "file")


def test_a_ready_split_is_kept_whatever_shares_are_asked_for(tmp_path: Path) -> None:
    for i, (split, count) in enumerate((("train", 6), ("val", 3), ("test", 2))):
        write_shapes(tmp_path / split, count, first_seed=100 * i)
    data = _take_in(tmp_path, 0.5, 0.3)
    assert all(s.split == s.path.relative_to(tmp_path).parts[0] for s in data.samples)
    assert Counter(s.split for s in data.samples) == {"train": 12, "val": 6, "test": 4}


def test_without_val_it_is_split_off_from_train_and_test_is_left_alone(tmp_path: Path) -> None:
    write_shapes(tmp_path / "train", 10)
    write_shapes(tmp_path / "test", 5, first_seed=50)
    data = _take_in(tmp_path)
    sides = Counter((s.path.relative_to(tmp_path).parts[0], s.label, s.split) for s in data.samples)
    assert sides == {
        (f, c, s): n for c in (0, 1) for f, s, n in (("train", "train", 8), ("train", "val", 2), ("test", "test", 5))
    }


def test_a_class_that_train_lacks_is_refused_by_name(tmp_path: Path) -> None:
    write_shapes(tmp_path / "train", 4)
    write_shapes(tmp_path / "val", 2, first_seed=50)
    (tmp_path / "val" / "circle").rename(tmp_path / "val" / "triangle")
    with pytest.raises(DataError, match="'triangle' is in val or test, but not in train"):
        _take_in(tmp_path)


def test_a_class_that_a_later_split_lacks_is_no_fault(tmp_path: Path) -> None:
    write_shapes(tmp_path / "train", 4)
    shutil.rmtree(write_shapes(tmp_path / "val", 2, first_seed=50) / "circle")
    assert _take_in(tmp_path).labels == CLASSES


def test_copies_are_counted_and_stay_on_one_side(tmp_path: Path) -> None:
    root = write_shapes(tmp_path, 10)
    for name in CLASSES:
        for path in sorted((root / name).iterdir()):
            shutil.copy(path, path.with_name(f"copy of {path.name}"))
    data = _take_in(root, 0.3, 0.2)
    assert data.duplicates == 20
    sides: dict[str, set[str]] = {}
    for sample in data.samples:
        sides.setdefault(sample.digest, set()).add(sample.split)
    assert len(sides) == 20
    assert all(len(found) == 1 for found in sides.values())
