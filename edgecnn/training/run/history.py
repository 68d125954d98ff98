"""What each epoch gave, and ``RUN/results.csv``, which keeps it for people, spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, astuple, dataclass, fields
from pathlib import Path

from edgecnn.atomic import write_text
from edgecnn.errors import CheckpointError, InputNotFoundError
from edgecnn.training.options import BestBy

__all__ = ["EpochRow", "rank", "read_results_csv", "write_results_csv"]


@dataclass(frozen=True)
class EpochRow:
    """One finished epoch."""

    epoch: int  # the first is 1
    stage: str
    train_loss: float  # mean over the epoch, on augmented images
    val_loss: float  # mean, in nats, after the epoch
    val_top1: float  # a fraction
    lr: float  # at the epoch's last batch
    seconds: float  # training alone, without validation
    images_per_s: float
    val_macro_f1: float = math.nan  # a fraction; runs of older versions have none
    imgsz: str = ""  # of the training images, as an option gives it; runs of older versions have none

    def rank(self, by: BestBy) -> tuple[float, ...]:
        """What chooses the best epoch, see :func:`rank`."""
        return rank(by, top1=self.val_top1, macro_f1=self.val_macro_f1, nll=self.val_loss)


def rank(by: BestBy, *, top1: float, macro_f1: float, nll: float) -> tuple[float, ...]:
    """The larger, the better; between equals the lower NLL decides."""
    return {"top1": (top1, -nll), "macro-f1": (macro_f1, -nll), "nll": (-nll,)}[by]


_COLUMNS = tuple(field.name for field in fields(EpochRow))
_WORDS = ("stage", "imgsz")
_REQUIRED = tuple(field.name for field in fields(EpochRow) if field.default is MISSING)


def write_results_csv(path: Path, rows: Sequence[EpochRow]) -> None:
    """Writes a header row and a row an epoch, the whole file at once.

    No reader sees half of it. Raises :class:`OutputError`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(astuple(row) for row in rows)  # floats as repr: they read back as they were
    write_text(path, text.getvalue())


def read_results_csv(path: Path) -> list[EpochRow]:
    """Reads what :func:`write_results_csv` wrote; columns it does not know are left out.

    Raises:
        InputNotFoundError: no such file.
        CheckpointError: not such a table; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # a spreadsheet that saved it puts a byte order mark in front
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such file; give the results.csv of a run folder") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"{path}: cannot be read: {why}; give the results.csv of a run folder") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
        rows = [] if missing else [_row(values) for values in reader]
    except (csv.Error, TypeError, ValueError) as error:  # TypeError: a row cut short
        raise CheckpointError(
            f"{path}: line {reader.line_num} is no epoch: {error}; mend that line, or train again"
        ) from error
    if missing:
        raise CheckpointError(
            f"{path}: no column {missing[0]!r} in its header row; give the results.csv of a run folder"
        )
    return rows


def _row(values: Mapping[str, str]) -> EpochRow:
    numbers = {name: float(values[name]) for name in _COLUMNS if name in values and name not in ("epoch", *_WORDS)}
    words = {name: values[name] for name in _WORDS if name in values}
    return EpochRow(epoch=int(values["epoch"]), **words, **numbers)  # type: ignore[arg-type]
