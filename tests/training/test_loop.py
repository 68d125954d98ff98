"""A whole run: that it repeats, learns, and ends in time or with a clear error."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from run_outputs import Listening, identical, rows_of, weights_of
from shapes import shape_image, write_shapes

from edgecnn.errors import TrainingError
from edgecnn.preprocess import preprocess
from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.torch_backend import open_checkpoint

Options = Callable[..., TrainOptions]


def test_the_same_seed_gives_bit_identical_weights_and_another_seed_others(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    again = train(small_options(tmp_path / "again", test_split=0.1))
    assert identical(trained.best_checkpoint, again.best_checkpoint)
    assert identical(trained.last_checkpoint, again.last_checkpoint)
    assert again.val_top1 == trained.val_top1
    other = train(small_options(tmp_path / "other", test_split=0.1, seed=1))
    assert not identical(trained.best_checkpoint, other.best_checkpoint)


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
    result = train(small_options(tmp_path / "run", epochs=100_000, time_budget_min=1), Listening(said))
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
    before, after = weights_of(trained.best_checkpoint), weights_of(result.best_checkpoint)
    backbone = [name for name in before if not name.startswith("classifier")]
    assert all(torch.equal(before[name], after[name]) for name in backbone)
    assert after["classifier.weight"].shape == (3, 64)
    assert after["classifier.weight"].abs().sum() > 0
    assert (result.epochs, result.labels) == (0, ("circle", "noise", "square"))
    assert rows_of(tmp_path / "run" / "results.csv") == []
    assert {p.name for p in (tmp_path / "run" / "weights").iterdir()} == {"best.pt", "last.pt"}


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
    rows = [row for row in rows_of(tmp_path / "run" / "split.csv") if row["split"] == "train"]
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
    result = train(small_options(tmp_path / "run", epochs=40, lr=1e-12, patience=2), Listening(said))
    assert result.epochs < 40
    assert any("without a better one" in line for line in said)


def test_a_run_that_looks_for_its_learning_rate_trains_with_the_one_it_says(
    small_options: Options, tmp_path: Path
) -> None:
    said: list[str] = []
    train(small_options(tmp_path / "run", epochs=1, find_lr=True), Listening(said))
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
