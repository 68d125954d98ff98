"""A whole run: what it writes, that it repeats, resumes, ends in time and refuses what it should."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import start_fork
from shapes import shape_image, write_shapes

from edgecnn.errors import CheckpointError, EdgeCNNError, InputNotFoundError, TrainingError, UsageError
from edgecnn.preprocess import preprocess
from edgecnn.progress import Silent
from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, load_last
from edgecnn.training.torch_backend import open_checkpoint

Options = Callable[..., TrainOptions]
_EPOCHS = 12  # of the runs that are killed: a second and more, where a kill takes milliseconds


def _weights(path: str | Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(Path(path)).weights


def _identical(first: str | Path, second: str | Path) -> bool:
    a, b = _weights(first), _weights(second)
    return list(a) == list(b) and all(torch.equal(a[k], b[k]) for k in a)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# As many as this process has: sums are added in the same order
_ONE_THREAD = "import torch; torch.set_num_threads(1); "
# Saves after every step
_EAGER = _ONE_THREAD + "import edgecnn.training.run.run_checkpoints as saving; saving._SAVE_EVERY_S = 0.0"


def _stopped(
    words: list[object], out: Path, signum: signal.Signals, *, saves: int = 1, before: str = _ONE_THREAD
) -> tuple[int | None, str]:
    """Begins a run by the command line and sends it a signal as soon as `last.pt` has been seen to change so often."""
    streams = Path(tempfile.mkdtemp(dir=out.parent))
    last = out / "weights" / "last.pt"
    seen = _identity(last)
    process = start_fork(["train", *words, "--out", out], os.environ, streams, before=before)
    while saves and process.is_alive():  # pytest's timeout ends a wait in vain
        if (now := _identity(last)) != seen:
            seen, saves = now, saves - 1
        process.join(0.001)
    os.kill(process.pid or 0, signum)
    process.join(60)
    return process.exitcode, (streams / "err").read_text()


def _identity(path: Path) -> tuple[int, int] | None:
    """Another for every file that took the place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _begun(data: Path) -> list[object]:
    recipe = ["--model", "resnet8", "--weights", "none", "--epochs", _EPOCHS, "--batch", 8, "--device", "cpu"]
    return [data, *recipe]


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
    assert path.read_text().splitlines()[0] == "epoch,stage,train_loss,val_loss,val_top1,lr,seconds,images_per_s"
    rows = _rows(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(math.isfinite(float(row[key])) for row in rows for key in row if key != "stage")
    assert all(0 <= float(row["val_top1"]) <= 1 for row in rows)


def test_split_csv_names_every_image_with_its_label_and_side(trained: TrainResult, images: Path) -> None:
    rows = _rows(Path(trained.run_dir) / "split.csv")
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
    rows = _rows(Path(trained.run_dir) / "results.csv")
    assert trained.val_top1 == pytest.approx(max(float(row["val_top1"]) for row in rows))
    assert best.manifest.labels == ("circle", "square") == trained.labels
    assert best.manifest.training.val_top1 == trained.val_top1
    assert sorted(len(found) for found in best.record.prefixes.values()) == [4, 8, 28]


def test_a_test_split_gives_the_top1_of_images_that_chose_nothing(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    assert trained.test_top1 in {0.0, 0.25, 0.5, 0.75, 1.0}  # four images
    assert train(small_options(tmp_path / "run", epochs=1)).test_top1 is None


def test_the_same_seed_gives_bit_identical_weights_and_another_seed_others(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    again = train(small_options(tmp_path / "again", test_split=0.1))
    assert _identical(trained.best_checkpoint, again.best_checkpoint)
    assert _identical(trained.last_checkpoint, again.last_checkpoint)
    assert again.val_top1 == trained.val_top1
    other = train(small_options(tmp_path / "other", test_split=0.1, seed=1))
    assert not _identical(trained.best_checkpoint, other.best_checkpoint)


def _same_run(resumed: TrainResult, whole: TrainResult) -> bool:
    keys = ("epoch", "train_loss", "val_loss", "val_top1", "lr")
    tables = [
        [tuple(row[key] for key in keys) for row in _rows(Path(run.run_dir) / "results.csv")]
        for run in (resumed, whole)
    ]
    figures = [(run.epochs, run.val_top1, run.val_ece) for run in (resumed, whole)]
    weights = all(_identical(getattr(resumed, k), getattr(whole, k)) for k in ("best_checkpoint", "last_checkpoint"))
    return weights and figures[0] == figures[1] and tables[0] == tables[1]


@pytest.fixture(scope="module")
def never_stopped(small_options: Options, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(small_options(tmp_path_factory.mktemp("whole") / "run", epochs=_EPOCHS))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_run_killed_at_a_random_point_and_resumed_equals_one_that_was_never_stopped(
    seed: int, never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    saves = int(np.random.default_rng(seed).integers(1, 25))  # of 48, a step each
    status, _ = _stopped(_begun(images), tmp_path / "killed", signal.SIGKILL, saves=saves, before=_EAGER)
    assert status == -signal.SIGKILL
    progressed = load_last(
        tmp_path / "killed/weights/last.pt", tmp_path / "killed/weights/last.previous.pt", Silent()
    ).progressed
    assert progressed
    assert len(progressed.history) < _EPOCHS
    assert _same_run(train(TrainOptions(data=images, out=tmp_path / "killed", resume=True)), never_stopped)


def test_a_run_killed_twice_still_equals_one_that_was_never_stopped(
    never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    for words in (_begun(images), [images, "--resume"]):
        status, _ = _stopped(words, tmp_path / "killed", signal.SIGKILL, saves=5, before=_EAGER)
        assert status == -signal.SIGKILL
    assert _same_run(train(TrainOptions(data=images, out=tmp_path / "killed", resume=True)), never_stopped)


def test_ctrl_c_within_an_epoch_saves_that_step_exits_130_and_resumes_to_the_same_weights(
    never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    status, errors = _stopped(_begun(images), tmp_path / "run", signal.SIGINT)
    assert status == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    resume = f"edgecnn: interrupted; continue with: edgecnn train {images} --out {tmp_path / 'run'} --resume"
    assert errors.splitlines()[-1] == resume
    last = load_checkpoint(tmp_path / "run" / "weights" / "last.pt")
    assert last.progressed
    assert len(last.progressed.history) < _EPOCHS
    assert not [p.name for p in (tmp_path / "run").rglob(".*")], "no half-written file stays"
    assert _same_run(train(TrainOptions(data=images, out=tmp_path / "run", resume=True)), never_stopped)


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(
    never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    _stopped(_begun(images), tmp_path / "run", signal.SIGINT, saves=3)
    last = tmp_path / "run" / "weights" / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    said: list[str] = []
    resumed = train(TrainOptions(data=images, out=tmp_path / "run", resume=True), _Listening(said))
    assert any("last.pt" in line and "not a checkpoint that can be read" in line for line in said)
    assert any("last.previous.pt" in line for line in said)
    assert _same_run(resumed, never_stopped)


@pytest.mark.parametrize(
    "lost", [lambda best: best.write_bytes(best.read_bytes()[:-1000]), Path.unlink], ids=["damaged", "missing"]
)
def test_a_lost_best_checkpoint_is_told_at_once_and_replaced(
    lost: Callable[[Path], object], trained: TrainResult, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    lost(run / "weights" / "best.pt")
    said: list[str] = []
    resumed = train(TrainOptions(data=images, out=run, resume=True), _Listening(said))
    assert any("best.pt" in line and "the weights of last.pt as the best so far" in line for line in said)
    assert _identical(resumed.best_checkpoint, run / "weights" / "last.pt")


class _Listening(Silent):
    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, line: str) -> None:
        self._said.append(line)


def test_resuming_a_finished_run_changes_no_weights(trained: TrainResult, images: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    resumed = train(TrainOptions(data=images, out=run, resume=True))
    assert resumed.epochs == trained.epochs
    assert _identical(resumed.best_checkpoint, trained.best_checkpoint)


def test_resuming_with_other_images_is_refused(trained: TrainResult, images: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    data = Path(shutil.copytree(images, tmp_path / "data"))
    next((data / "circle").iterdir()).unlink()
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match="not the images that"):
        train(TrainOptions(data=data, out=run, resume=True))
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_resuming_with_the_same_images_under_other_labels_is_refused(
    trained: TrainResult, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    data = Path(shutil.copytree(images, tmp_path / "data"))
    for old, new in (("circle", "swap"), ("square", "circle"), ("swap", "square")):
        (data / old).rename(data / new)
    with pytest.raises(EdgeCNNError):
        train(TrainOptions(data=data, out=run, resume=True))


def test_resuming_nothing_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"last\.pt"):
        train(TrainOptions(data=images, out=tmp_path / "none", resume=True))
    with pytest.raises(UsageError, match="--out"):
        train(TrainOptions(data=images, resume=True))


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
    assert len(_rows(run / "results.csv")) == replaced.epochs == 1
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
    )
    for changes in wrong:
        with pytest.raises(UsageError):
            train(small_options(tmp_path / "run", **changes))
        assert not (tmp_path / "run").exists(), changes


def test_a_loss_that_is_no_number_names_epoch_step_and_images(
    small_options: Options, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError) as failed:
        train(small_options(tmp_path / "run", lr=1e36, epochs=5))
    message = str(failed.value)
    assert "epoch 1, step " in message
    assert "--lr" in message
    told = (tmp_path / "run" / "diverged.txt").read_text().splitlines()
    assert len(told) == 8  # the batch's images, all of them
    assert all(Path(file).is_file() and file.startswith(str(images)) for file in told)
    assert all(file in message for file in told[:3])
    assert f"all 8 in {tmp_path / 'run' / 'diverged.txt'}" in message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_weights_that_a_last_step_made_no_numbers_are_never_the_best(small_options: Options, tmp_path: Path) -> None:
    """One batch, one epoch: the loss was still a number when the step that spoilt the weights was taken."""
    with pytest.raises(
        TrainingError,
        match=r"the weights are NaN or infinite in epoch 1, step 1 \(images .*; begin again with a lower --lr",
    ):
        train(small_options(tmp_path / "run", lr=1e36, epochs=1, batch=64))
    assert not (tmp_path / "run" / "weights" / "best.pt").exists()


class _Clock:
    """Says a second more whenever it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return float(self.asked)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_run_with_a_time_budget_ends_by_it(small_options: Options, clock: _Clock, tmp_path: Path) -> None:
    """More epochs are planned, by the time of single steps, than fit: saving takes time too."""
    said: list[str] = []
    result = train(small_options(tmp_path / "run", epochs=100_000, time_budget_min=1), _Listening(said))
    planned = int(next(line for line in said if "epochs fit into" in line).split(": ")[1].split()[0])
    assert 1 <= result.epochs < planned < 20
    assert any("another would outlast the time budget" in line for line in said)
    assert clock.asked < 60 + 10, "what is left, up to evaluation and report, is a tenth"


def test_a_time_budget_plans_fewer_epochs_and_never_none(small_options: Options, clock: _Clock, tmp_path: Path) -> None:
    assert train(small_options(tmp_path / "short", epochs=50, time_budget_min=1e-6)).epochs == 1
    assert train(small_options(tmp_path / "long", epochs=2, time_budget_min=5)).epochs == 2


def test_no_epochs_from_a_checkpoint_train_the_classifier_alone(trained: TrainResult, tmp_path: Path) -> None:
    """On three classes where the checkpoint knows two: the backbone stays to the bit."""
    data = write_shapes(tmp_path / "data", 8, side=40, first_seed=900)
    (data / "noise").mkdir()
    for seed in range(8):
        cv2.imwrite(str(data / "noise" / f"{seed}.png"), 255 - shape_image("circle", seed, 40)[:12, :12])
    result = train(
        TrainOptions(
            data=data,
            out=tmp_path / "run",
            model="resnet8",
            weights=trained.best_checkpoint,
            epochs=0,
            device="cpu",
            workers=2,
        )
    )
    before, after = _weights(trained.best_checkpoint), _weights(result.best_checkpoint)
    backbone = [name for name in before if not name.startswith("classifier")]
    assert all(torch.equal(before[name], after[name]) for name in backbone)
    assert after["classifier.weight"].shape == (3, 64)
    assert after["classifier.weight"].abs().sum() > 0
    assert (result.epochs, result.labels) == (0, ("circle", "noise", "square"))
    assert _rows(tmp_path / "run" / "results.csv") == []
    assert {p.name for p in (tmp_path / "run" / "weights").iterdir()} == {"best.pt", "last.pt"}


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


def test_training_learns_dark_from_light_on_images_it_never_saw(small_options: Options, tmp_path: Path) -> None:
    for i, name in enumerate(("dark", "light")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for seed in range(15):
            noise = np.random.default_rng((i, seed)).integers(0, 80, (32, 32, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name / f"{seed}.png"), noise + 120 * i)
    options = small_options(
        tmp_path / "run", data=tmp_path / "data", model="threeconv", imgsz=32, lr=1e-3, epochs=20, test_split=0.2
    )
    assert train(options).test_top1 == 1.0


def test_a_network_from_scratch_answers_its_training_images_as_well_as_its_weights_can(
    small_options: Options, tmp_path: Path
) -> None:
    """By default, with as many steps as 200 images have in batches of 32.

    With its running statistics not far behind the same weights with the statistics of these very images.
    """
    data = write_shapes(tmp_path / "data", 40, side=40, first_seed=100)
    train(small_options(tmp_path / "run", data=data, epochs=None, batch=13, seed=2))
    backend = open_checkpoint(tmp_path / "run" / "weights" / "last.pt")
    rows = [row for row in _rows(tmp_path / "run" / "split.csv") if row["split"] == "train"]
    images = np.stack(
        [preprocess(data / row["path"], backend.manifest.input, backend.manifest.preprocess) for row in rows]
    )
    truth = np.array([backend.manifest.labels.index(row["label"]) for row in rows])
    as_saved = (backend.logits(images).argmax(1) == truth).mean()
    for module in backend.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    assert as_saved >= (backend.logits(images).argmax(1) == truth).mean() - 0.1


def test_training_ends_after_so_many_epochs_without_a_better_one(small_options: Options, tmp_path: Path) -> None:
    said: list[str] = []
    result = train(small_options(tmp_path / "run", epochs=40, lr=1e-12, patience=2), _Listening(said))
    assert result.epochs < 40
    assert any("without a better one" in line for line in said)


def test_a_run_that_looks_for_its_learning_rate_trains_with_the_one_it_says(
    small_options: Options, tmp_path: Path
) -> None:
    said: list[str] = []
    train(small_options(tmp_path / "run", epochs=1, find_lr=True), _Listening(said))
    stated = next(
        float(line.split("learning rate ")[1].split(":")[0]) for line in said if line.startswith("learning rate ")
    )
    options = json.loads((tmp_path / "run" / "summary.json").read_text())["options"]
    assert options["lr"] == pytest.approx(stated, rel=0.05)
    assert options["find_lr"] is False


@pytest.mark.parametrize(
    "changes",
    [{"balance": "weights"}, {"balance": "sampling"}, {"augment": "strong"}, {"flip": False}, {"augment": "standard"}],
)
def test_each_way_of_showing_images_trains(changes: dict[str, object], small_options: Options, tmp_path: Path) -> None:
    result = train(small_options(tmp_path / "run", epochs=1, **changes))
    assert math.isfinite(result.val_ece)
