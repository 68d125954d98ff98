"""Which side of the split each image is on, where the folder, earlier models and chance may all say so."""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.split_record import Split, SplitRecord
from edgecnn.training.data.choose_split import ToSplit, choose_split
from edgecnn.training.data.split import SplitShares
from edgecnn.training.data.split_carried_over import KnownSplit

DIGESTS = tuple(f"{i:x}" * 64 for i in range(8))
READY: tuple[Split, ...] = ("train", "train", "train", "train", "val", "val", "test", "test")
DATA = ToSplit(root=Path("data"), digests=DIGESTS, labels=[0, 1] * 4, groups=list(range(8)), ready=READY, noun="images")


def chosen(record: SplitRecord) -> list[Split]:
    return choose_split(DATA, SplitShares(val=0.25, test=0.0, seed=0), [KnownSplit("best.pt", record)], print)


def test_the_folders_own_split_is_kept_where_an_earlier_model_knows_none_of_it() -> None:
    assert chosen(SplitRecord.of({"train": ["f" * 64], "val": [], "test": []})) == list(READY)


def test_the_folders_own_split_is_kept_where_an_earlier_model_held_some_of_it_out() -> None:
    assert chosen(SplitRecord.of({"train": [], "val": [DIGESTS[0]], "test": []})) == list(READY)


def test_what_an_earlier_model_was_trained_on_stays_in_training() -> None:
    found = chosen(SplitRecord.of({"train": [DIGESTS[7]], "val": [], "test": []}))
    assert found == [*READY[:7], "train"]
