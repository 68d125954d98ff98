"""Soft labels and balance: what is taught, and how much it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.training.data.load import Sample, TrainingData
from edgecnn.training.data.soft_labels import Balance, make_training_set

LABELS = ("bad", "good", "odd")


def _data(tmp_path: Path, sides: str = "ttttv") -> TrainingData:
    split = {"t": "train", "v": "val"}
    labels = (0, 1, 1, 1, 2)
    samples = tuple(
        Sample(tmp_path / LABELS[y] / f"{i}.png", y, split[s], f"{i}")
        for i, (y, s) in enumerate(zip(labels, sides, strict=True))
    )  # type: ignore[arg-type]
    return TrainingData(tmp_path, LABELS, samples, (), 0)


def _targets(tmp_path: Path, rows: str, balance: Balance = "none") -> np.ndarray:
    table = tmp_path / "soft.csv"
    table.write_text("path,label,probability\n" + rows)
    return make_training_set(np.zeros((4, 2, 2, 3), np.uint8), _data(tmp_path), balance, table).targets


def test_without_a_table_each_image_is_wholly_of_its_folder(tmp_path: Path) -> None:
    images = make_training_set(np.zeros((4, 2, 2, 3), np.uint8), _data(tmp_path), "none", None)
    assert images.targets.tolist() == np.eye(3)[[0, 1, 1, 1]].tolist()
    assert images.weights.tolist() == [1, 1, 1, 1]


def test_what_the_rows_leave_goes_to_the_folders_class(tmp_path: Path) -> None:
    assert _targets(tmp_path, "good/1.png,bad,0.3\n")[1] == pytest.approx([0.3, 0.7, 0])


def test_what_a_row_on_the_folders_class_leaves_is_shared_by_the_others(tmp_path: Path) -> None:
    assert _targets(tmp_path, "good/1.png,good,0.6\n")[1] == pytest.approx([0.2, 0.6, 0.2])
    assert _targets(tmp_path, "good/1.png,good,0.6\ngood/1.png,bad,0.1\n")[1] == pytest.approx([0.1, 0.6, 0.3])


def test_a_held_out_image_keeps_its_label(tmp_path: Path) -> None:
    assert _targets(tmp_path, "odd/4.png,bad,0.9\n").tolist() == np.eye(3)[[0, 1, 1, 1]].tolist()


def test_targets_add_up_to_one(tmp_path: Path) -> None:
    rows = "bad/0.png,bad,0.5\nbad/0.png,good,0.5\ngood/2.png,bad,0\ngood/3.png,good,1\n"
    assert _targets(tmp_path, rows).sum(1) == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("good/1.png,fine,0.5\n", "line 2: the label 'fine' is no class"),
        ("good/1.png,bad,1.5\n", "line 2: the probability is '1.5'"),
        ("good/1.png,bad,much\n", "line 2: the probability is 'much'"),
        ("good/1.png,bad,nan\n", "line 2: the probability is 'nan'"),
        ("good/1.png,bad,0.6\ngood/1.png,good,0.6\n", "line 3: the probabilities of good/1.png add up to more than 1"),
        ("good/9.png,bad,0.6\n", "1 of 1 images are not in"),
    ],
)
def test_a_wrong_row_is_named(rows: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        _targets(tmp_path, rows)


def test_a_table_that_is_missing_or_has_other_columns_is_refused(tmp_path: Path) -> None:
    data, pixels = _data(tmp_path), np.zeros((4, 2, 2, 3), np.uint8)
    with pytest.raises(InputNotFoundError, match=r"none\.csv"):
        make_training_set(pixels, data, "none", tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("file,label\n")
    with pytest.raises(DataError, match="no column 'path'"):
        make_training_set(pixels, data, "none", tmp_path / "other.csv")


def test_weighed_classes_have_the_same_part_of_the_loss_and_weights_a_mean_of_one(tmp_path: Path) -> None:
    data = _data(tmp_path, "ttttt")
    images = make_training_set(np.zeros((5, 2, 2, 3), np.uint8), data, "weights", None)
    sums = [images.weights[images.labels == c].sum() for c in range(3)]
    assert sums == pytest.approx([5 / 3] * 3)
    assert images.weights.mean() == pytest.approx(1)
