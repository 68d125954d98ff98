"""What a run refuses to do, before it changes anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from run_outputs import rows_of

from edgecnn.errors import CheckpointError, EdgeCNNError, OutputError, UsageError
from edgecnn.progress import Progress, Silent
from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult

Options = Callable[..., TrainOptions]


def test_a_folder_that_holds_a_run_is_refused_without_force(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    (run / "notes.txt").write_text("mine")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match=r"holds a run already.*--resume.*--force"):
        train(small_options(run))
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    replaced = train(small_options(run, epochs=1, force=True))
    assert len(rows_of(run / "results.csv")) == replaced.epochs == 1
    assert (run / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "wrong", [{"data": Path("no/such/folder")}, {"val_split": 2.0}, {"weights": "no/such/best.pt"}]
)
def test_a_forced_run_that_cannot_begin_leaves_the_earlier_one(
    wrong: dict[str, object], trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    with pytest.raises(EdgeCNNError):
        train(small_options(run, force=True, **wrong))
    assert (run / "weights" / "best.pt").exists()


def test_a_run_can_be_replaced_by_one_that_starts_from_its_checkpoint(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    train(small_options(run, force=True, epochs=1, weights=str(run / "weights" / "best.pt")))


def test_a_wrong_option_leaves_nothing_behind(small_options: Options, tmp_path: Path) -> None:
    wrong = (
        {"lr": -1.0},
        {"layer_decay": 1.5},
        {"batch": 0},
        {"epochs": 0},
        {"imgsz": 4},
        {"augment": "wild"},
        {"model": "none"},
        {"preset": "x"},
        {"time_budget_min": 0},
        {"supervision": "all"},  # these are for clips, and nothing says that these are clips
        {"per_frame": Path("labels.csv")},
        {"backbone": "frozen"},
        {"steps_per_s": 5.0},
        {"fps": 5.0},
    )
    for changes in wrong:
        with pytest.raises(UsageError):
            train(small_options(tmp_path / "run", **changes))
        assert not (tmp_path / "run").exists(), changes


def test_a_checkpoint_of_another_network_is_refused_as_a_start(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="--model resnet8"):
        train(small_options(tmp_path / "run", model="efficientnet_lite0", imgsz=32, weights=trained.best_checkpoint))


def test_a_run_that_begins_without_a_folder_takes_the_next_free_number(
    small_options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = [train(small_options(None, epochs=1)).run_dir for _ in range(2)]
    assert found == [str(Path("runs", "train", n)) for n in "12"]


def test_a_batch_of_one_image_is_refused_where_batch_norm_would_get_one_value(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    """MobileNetV1 shrinks 32 pixels to one; ResNet-8 keeps 64 values of each channel, and trains."""
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    with pytest.raises(UsageError, match=r"--batch 1: at --imgsz 32 .*mobilenetv1_025 .*give --batch 2 or larger$"):
        train(small_options(run, model="mobilenetv1_025", batch=1, imgsz=32, force=True))
    assert (run / "weights" / "best.pt").exists(), "the earlier run is still there"
    for changes in ({"model": "mobilenetv1_025", "batch": 2}, {"batch": 1}):
        result = train(small_options(tmp_path / f"batch-{changes['batch']}", imgsz=32, epochs=1, **changes))
        assert result.epochs == 1


def test_a_batch_of_one_image_trains_where_batch_norm_is_frozen(
    small_options: Options, trained: TrainResult, tmp_path: Path
) -> None:
    """Frozen statistics estimate nothing; 8 pixels leave one value a channel in ResNet-8's last block but one."""
    options = small_options(
        tmp_path / "run", batch=1, imgsz=8, epochs=1, preset="transfer", weights=trained.best_checkpoint
    )
    assert train(options).epochs == 1


@pytest.mark.parametrize("how", [{}, {"force": True}, {"resume": True}], ids=["new", "--force", "--resume"])
def test_a_second_run_into_one_folder_is_refused_while_the_first_one_trains(
    how: dict[str, object], trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    """The second one starts within the first one's last epoch, where all files of a run are there."""
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    refused: list[str] = []

    class Second(Silent):
        def stage(self, name: str) -> Progress:
            if name.startswith("epoch 2"):
                with pytest.raises(OutputError) as error:
                    train(small_options(run, **how))
                refused.append(str(error.value))
            return super().stage(name)

    result = train(small_options(run, epochs=2, force=True), Second())
    assert len(refused) == 1
    assert refused[0].startswith(f"{run}: another run of EdgeCNN (process ")
    assert "name another --out" in refused[0]
    assert len(rows_of(run / "results.csv")) == result.epochs == 2
    assert not list(run.glob(".*")), "the lock is gone"
