"""Taking in a folder: what cannot be read is listed, what cannot be trained on is refused by name."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import cv2
import pytest
from shapes import CLASSES, shape_image, write_shapes

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.progress import Silent
from edgecnn.training.data import load
from edgecnn.training.data.load import TrainingData, load_training_data
from edgecnn.training.data.split_carried_over import KnownSplit


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


def test_copies_among_the_same_images_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search trains many networks on one folder; among solar cells, looking takes 20 seconds."""
    root = write_shapes(tmp_path, 5, first_seed=400)
    shutil.copy(root / "circle" / "0400.png", root / "circle" / "again.png")
    looked, find = [], load.find_copies
    monkeypatch.setattr(load, "find_copies", lambda *given: (looked.append(1), find(*given))[1])
    first, second = _take_in(root), _take_in(root)
    assert len(looked) == 1
    assert [(s.path, s.split) for s in first.samples] == [(s.path, s.split) for s in second.samples]
    (root / "square" / "0401.png").unlink()
    _take_in(root)
    assert len(looked) == 2


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
    data = _take_in(tmp_path, 0.5)
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


def test_a_test_share_beside_a_test_split_is_refused_and_without_one_it_is_split_off(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "val")):
        write_shapes(tmp_path / split, 10, first_seed=100 * i)
    data = _take_in(tmp_path, test_split=0.3)
    sides = Counter((s.path.relative_to(tmp_path).parts[0], s.split) for s in data.samples)
    assert sides == {("train", "train"): 14, ("train", "test"): 6, ("val", "val"): 20}
    write_shapes(tmp_path / "test", 2, first_seed=500)
    with pytest.raises(UsageError, match="has a test split already"):
        _take_in(tmp_path, test_split=0.3)


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


# ---- sessions


def _in_sessions(root: Path, sessions: int = 6, frames: int = 5, folder: str = "session-{}") -> Path:
    """Each class with frames in a folder a session."""
    for session in range(sessions):
        write_shapes(root, frames, first_seed=100 * session)
        for name in CLASSES:
            place = root / name / folder.format(session)
            place.mkdir()
            for path in sorted((root / name).glob("*.png")):
                path.rename(place / path.name)
    return root


def _split_by_folder(data: TrainingData) -> dict[Path, set[str]]:
    sides: dict[Path, set[str]] = {}
    for sample in data.samples:
        sides.setdefault(sample.path.parent, set()).add(sample.split)
    return sides


def test_the_session_folders_of_capture_stay_together(tmp_path: Path) -> None:
    data = _take_in(_in_sessions(tmp_path))
    assert all(len(sides) == 1 for sides in _split_by_folder(data).values())
    assert {s.split for s in data.samples} == {"train", "val"}


@pytest.mark.parametrize("rule", ["folder", r"day(\d+)/", "table"])
def test_sessions_are_named_by_folder_pattern_or_table(tmp_path: Path, rule: str) -> None:
    root = _in_sessions(tmp_path / "data", folder="day{}")
    if rule == "table":
        paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
        rows = "".join(f"{path},{path.split('/')[1]}\n" for path in paths)
        (tmp_path / "days.csv").write_text(f"path,day\n{rows}")
        rule = f"{tmp_path / 'days.csv'}:day"
    data = load_training_data(root, 0.3, 0.0, 0, Silent(), 2, group=rule)
    assert all(len(sides) == 1 for sides in _split_by_folder(data).values())
    apart = load_training_data(root, 0.3, 0.0, 0, Silent(), 2, group="none")
    assert any(len(sides) == 2 for sides in _split_by_folder(apart).values())


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("(", "not a regular expression"),
        ("day", "a group in parentheses"),
        ("(nothing)", "fits the path of no image"),
        ("folder", "no image lies in a folder"),
        ("missing.csv:day", "no such table"),
    ],
)
def test_a_rule_of_sessions_that_cannot_be_used_is_refused(images: Path, rule: str, why: str) -> None:
    with pytest.raises((UsageError, InputNotFoundError), match=why):
        load_training_data(images, 0.2, 0.0, 0, Silent(), 2, group=rule)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"path,day\ncat/\xff.png,1\n", "cannot be read as CSV.*UTF-8"),
        (b"day\n1\n", "no column 'path'"),
        (b"day,path\n1\n", "no path"),
    ],
)
def test_a_table_of_sessions_that_cannot_be_used_is_no_internal_error(
    images: Path, content: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / "days.csv").write_bytes(content)
    with pytest.raises((DataError, UsageError), match=why):
        load_training_data(images, 0.2, 0.0, 0, Silent(), 2, group=f"{tmp_path / 'days.csv'}:day")


def test_sessions_larger_than_the_share_still_leave_some_to_validate_on(tmp_path: Path) -> None:
    data = _take_in(_in_sessions(tmp_path, sessions=3, frames=8))  # a fifth of 24 is less than a session
    assert Counter(s.label for s in data.of("val")) == {0: 8, 1: 8}


# ---- going on from earlier weights


def test_what_the_weights_were_trained_on_stays_in_training(tmp_path: Path) -> None:
    write_shapes(tmp_path, 20)
    first = _take_in(tmp_path)
    write_shapes(tmp_path, 10, first_seed=500)
    said = Told()
    second = load_training_data(tmp_path, 0.2, 0.0, 1, said, 2, known=[KnownSplit("best.pt", first.record)])
    before = {s.digest: s.split for s in first.samples}
    after = {s.digest: s.split for s in second.samples}
    assert {digest: after[digest] for digest in before} == before
    new = Counter(split for digest, split in after.items() if digest not in before)
    assert new == {"train": 16, "val": 4}
    assert any("was trained on 32 of these 60 images, which stay in training" in line for line in said.lines)


def test_the_record_remembers_what_earlier_weights_were_trained_on(tmp_path: Path) -> None:
    write_shapes(tmp_path / "old", 10)
    write_shapes(tmp_path / "new", 10, first_seed=500)
    first = _take_in(tmp_path / "old")
    second = load_training_data(tmp_path / "new", 0.2, 0.0, 0, Silent(), 2, known=[KnownSplit("best.pt", first.record)])
    trained = first.of("train")[0]
    assert second.record.split_of(trained.digest) == "train"
    assert SplitRecord.from_json(second.record.to_json()) == second.record


def test_a_ready_split_gives_up_held_out_images_that_were_trained_on(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "val")):
        write_shapes(tmp_path / split, 6, first_seed=100 * i)
    seen = next((tmp_path / "val" / "circle").glob("*.png"))
    record = SplitRecord.of({"train": [hashlib.sha256(seen.read_bytes()).hexdigest()]})
    said = Told()
    data = load_training_data(tmp_path, 0.2, 0.0, 0, said, 2, known=[KnownSplit("best.pt", record)])
    assert {s.split for s in data.samples if s.path == seen} == {"train"}
    assert Counter(s.split for s in data.samples) == {"train": 13, "val": 11}
    assert any("1 images of the folder's val and test" in line for line in said.lines)


def test_with_nothing_left_to_validate_on_it_is_refused(images: Path) -> None:
    everything = SplitRecord.of({"train": [hashlib.sha256(p.read_bytes()).hexdigest() for p in images.rglob("*.png")]})
    with pytest.raises(DataError, match="none is left to validate on"):
        load_training_data(images, 0.2, 0.0, 0, Silent(), 2, known=[KnownSplit("best.pt", everything)])


class Told(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)
