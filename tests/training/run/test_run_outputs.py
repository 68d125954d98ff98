"""What a run writes: the files of the contract, and that they agree."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from run_outputs import rows_of

from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint

Options = Callable[..., TrainOptions]


def test_a_run_folder_holds_all_files_of_the_contract(trained: TrainResult) -> None:
    run = Path(trained.run_dir)
    found = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert found == {
        "weights/best.pt",
        "weights/last.pt",
        "weights/last.previous.pt",
        "results.csv",
        "split.csv",
        "summary.json",
        "report.html",
    }
    assert trained.best_checkpoint == str(run / "weights" / "best.pt")
    assert trained.last_checkpoint == str(run / "weights" / "last.pt")


def test_results_have_a_row_an_epoch(trained: TrainResult) -> None:
    path = Path(trained.run_dir) / "results.csv"
    assert path.read_text().splitlines()[0] == (
        "epoch,stage,train_loss,val_loss,val_top1,lr,seconds,images_per_s,val_macro_f1,imgsz"
    )
    rows = rows_of(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(math.isfinite(float(row[key])) for row in rows for key in row if key != "stage")
    assert all(0 <= float(row["val_top1"]) <= 1 for row in rows)


def test_split_csv_names_every_image_with_its_label_and_side(trained: TrainResult, images: Path) -> None:
    rows = rows_of(Path(trained.run_dir) / "split.csv")
    assert list(rows[0]) == ["path", "label", "split"]
    assert {row["path"] for row in rows} == {p.relative_to(images).as_posix() for p in images.rglob("*.png")}
    assert all(row["label"] == row["path"].split("/")[0] for row in rows)
    sides = [row["split"] for row in rows]
    assert (sides.count("train"), sides.count("val"), sides.count("test")) == (28, 8, 4)


def test_the_summary_says_what_the_result_says(trained: TrainResult) -> None:
    summary = json.loads((Path(trained.run_dir) / "summary.json").read_text())
    contract = "run_dir best_checkpoint last_checkpoint model parameters labels epochs train_images val_images val_top1 val_macro_f1 val_ece test_top1"
    for key in (*contract.split(), "seconds", "images_per_s"):
        value = getattr(trained, key)
        assert summary[key] == (list(value) if isinstance(value, tuple) else value)
    assert (summary["train_images"], summary["val_images"], summary["epochs"]) == (28, 8, 3)


def test_the_best_checkpoint_is_the_best_epochs_and_remembers_the_run(trained: TrainResult, images: Path) -> None:
    best = load_checkpoint(Path(trained.best_checkpoint))
    rows = rows_of(Path(trained.run_dir) / "results.csv")
    assert trained.val_top1 == pytest.approx(max(float(row["val_top1"]) for row in rows))
    assert best.manifest.labels == ("circle", "square") == trained.labels
    assert best.manifest.training.val_top1 == trained.val_top1
    assert sorted(len(found) for found in best.record.prefixes.values()) == [4, 8, 28]


def test_a_test_split_gives_the_top1_of_images_that_chose_nothing(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    assert trained.test_top1 in {0.0, 0.25, 0.5, 0.75, 1.0}  # four images
    assert train(small_options(tmp_path / "run", epochs=1)).test_top1 is None
