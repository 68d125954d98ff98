"""results.csv: what an epoch gave comes back as it was, and a table that is none is refused with the line to mend."""

from __future__ import annotations

import csv
import math
from dataclasses import fields
from pathlib import Path

import pytest

from edgecnn.errors import CheckpointError, InputNotFoundError, OutputError
from edgecnn.training.run.history import EpochRow, read_results_csv, write_results_csv

ROWS = [
    EpochRow(1, "head", 0.1 + 0.2, 1 / 3, 0.875, 1e-3, 12.5, 140.0, 0.8, "96x160"),
    EpochRow(2, 'all, "slow"\nlayers', 1e-17, 2 / 3, 1.0, 3.3e-05, 0.25, 1e6, 0.9),
]


def test_rows_come_back_to_the_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "results.csv"
    write_results_csv(path, ROWS)
    assert read_results_csv(path) == ROWS


def test_a_loss_that_is_no_number_comes_back_so(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", [EpochRow(1, "head", math.nan, math.inf, 0.5, 1e-3, 1.0, 1.0)])
    (row,) = read_results_csv(tmp_path / "r.csv")
    assert math.isnan(row.train_loss)
    assert row.val_loss == math.inf


def test_any_csv_reader_finds_the_field_names_as_header_and_a_row_an_epoch(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", ROWS)
    with (tmp_path / "r.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == [f.name for f in fields(EpochRow)]
    assert [row[0] for row in table[1:]] == ["1", "2"]


def test_a_run_without_epochs_has_a_table_without_rows(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", [])
    assert read_results_csv(tmp_path / "r.csv") == []


def test_a_longer_table_replaces_the_shorter_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", ROWS[:1])
    write_results_csv(tmp_path / "r.csv", ROWS)
    assert len(read_results_csv(tmp_path / "r.csv")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", ROWS[:1])
    text = (tmp_path / "r.csv").read_text()
    header, row = text.splitlines()
    (tmp_path / "r.csv").write_bytes(f"\ufeffnote,{header}\r\nmine,{row}\r\n".encode())
    assert read_results_csv(tmp_path / "r.csv") == ROWS[:1]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda text: text.replace("0.875", "much"), "line 2"),
        (lambda text: text[: text.index(",0.875")] + "\n", "line 2"),
        (lambda text: text.replace("val_top1", "accuracy"), "'val_top1'"),
        (lambda text: text.replace(",", ";"), "'epoch'"),
        (lambda text: "", "'epoch'"),
    ],
    ids=["word for a number", "row cut short", "other column", "semicolons", "empty"],
)
def test_a_broken_table_is_refused_and_the_place_named(tmp_path: Path, damage, named: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "r.csv"
    write_results_csv(path, ROWS[:1])
    path.write_text(damage(path.read_text()))
    with pytest.raises(CheckpointError, match=named) as caught:
        read_results_csv(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00epoch")
    with pytest.raises(CheckpointError, match=r"r\.csv: cannot be read"):
        read_results_csv(tmp_path / "r.csv")


def test_a_table_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"none\.csv"):
        read_results_csv(tmp_path / "none.csv")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        write_results_csv(tmp_path / "file" / "r.csv", ROWS)


def test_a_table_of_an_older_version_has_neither_macro_f1_nor_image_sizes(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "r.csv", ROWS[:1])
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines[0].endswith(",val_macro_f1,imgsz")
    (tmp_path / "r.csv").write_text("".join(line.rsplit(",", 2)[0] + "\n" for line in lines))
    (row,) = read_results_csv(tmp_path / "r.csv")
    assert math.isnan(row.val_macro_f1)
    assert row.imgsz == ""
    assert row.images_per_s == ROWS[0].images_per_s
