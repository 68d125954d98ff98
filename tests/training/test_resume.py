"""A run that was killed or interrupted goes on and ends as one that never was."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import start_fork
from run_outputs import Listening, identical, rows_of

from edgecnn.errors import CheckpointError, EdgeCNNError, InputNotFoundError, UsageError
from edgecnn.progress import Silent
from edgecnn.training.loop import train
from edgecnn.training.optim import progressive_size
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, load_last
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.setup import resolve_options

Options = Callable[..., TrainOptions]
_EPOCHS = 9  # of the runs that are killed: most of a second, where a kill takes milliseconds


# As many as this process has: sums are added in the same order
_ONE_THREAD = "import torch; torch.set_num_threads(1); "
# Saves after every step
_EAGER = _ONE_THREAD + "import edgecnn.training.run.run_checkpoints as saving; saving._SAVE_EVERY_S = 0.0"
_TINY = "; import edgecnn.training.optim.progressive_size as progressive_size; progressive_size._LEAST_SIDE = 32"


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


def _same_run(resumed: TrainResult, whole: TrainResult) -> bool:
    keys = ("epoch", "train_loss", "val_loss", "val_top1", "lr", "imgsz")
    tables = [
        [tuple(row[key] for key in keys) for row in rows_of(Path(run.run_dir) / "results.csv")]
        for run in (resumed, whole)
    ]
    figures = [(run.epochs, run.val_top1, run.val_ece) for run in (resumed, whole)]
    weights = all(identical(getattr(resumed, k), getattr(whole, k)) for k in ("best_checkpoint", "last_checkpoint"))
    return weights and figures[0] == figures[1] and tables[0] == tables[1]


@pytest.fixture(scope="module")
def never_stopped(small_options: Options, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(small_options(tmp_path_factory.mktemp("whole") / "run", epochs=_EPOCHS))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_killed_at_a_random_point_and_resumed_equals_one_that_was_never_stopped(
    seed: int, never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    saves = int(np.random.default_rng(seed).integers(1, 25))  # of 36, a step each
    status, _ = _stopped(_begun(images), tmp_path / "killed", signal.SIGKILL, saves=saves, before=_EAGER)
    assert status == -signal.SIGKILL
    progressed = load_last(
        tmp_path / "killed/weights/last.pt", tmp_path / "killed/weights/last.previous.pt", Silent()
    ).progressed
    assert progressed
    assert len(progressed.history) < _EPOCHS
    assert _same_run(train(TrainOptions(data=images, out=tmp_path / "killed", resume=True)), never_stopped)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [25, 170])  # of some 240
def test_a_run_killed_at_a_change_of_a_file_and_resumed_equals_one_that_was_never_stopped(
    number: int, never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    before = f"{_ONE_THREAD}from killed_writes import kill_at_change; kill_at_change({str(out)!r}, {number})"
    process = start_fork(["train", *_begun(images), "--out", out], os.environ, tmp_path, before=before)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, (tmp_path / "err").read_text()
    assert _same_run(train(TrainOptions(data=images, out=out, resume=True)), never_stopped)


def test_a_run_killed_twice_still_equals_one_that_was_never_stopped(
    never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    for words in (_begun(images), [images, "--resume"]):
        status, _ = _stopped(words, tmp_path / "killed", signal.SIGKILL, saves=5, before=_EAGER)
        assert status == -signal.SIGKILL
    assert _same_run(train(TrainOptions(data=images, out=tmp_path / "killed", resume=True)), never_stopped)


def test_a_run_killed_among_small_epochs_or_after_them_equals_one_that_was_never_stopped(
    trained: TrainResult, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progressive_size, "_LEAST_SIDE", 32)
    options = TrainOptions(
        images, weights=trained.best_checkpoint, model="resnet8", imgsz=56, batch=8, epochs=6, small_epochs=4
    )
    whole = train(replace(options, out=tmp_path / "whole", device="cpu"))
    words = repeat_command(options, resolve_options(options), 6).split()[2:]
    for saves in (8, 24):  # of 31: in the second epoch of 32 pixels, and in the first of 56
        out = tmp_path / f"killed-{saves}"
        status, _ = _stopped([*words], out, signal.SIGKILL, saves=saves, before=_EAGER + _TINY)
        assert status == -signal.SIGKILL
        assert _same_run(train(TrainOptions(data=images, out=out, resume=True)), whole)


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


def test_a_run_that_a_service_manager_stops_says_how_to_continue(images: Path, tmp_path: Path) -> None:
    status, errors = _stopped(_begun(images), tmp_path / "run", signal.SIGTERM)
    assert status == 143
    resume = f"edgecnn: stopped; continue with: edgecnn train {images} --out {tmp_path / 'run'} --resume"
    assert errors.splitlines()[-1] == resume


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(
    never_stopped: TrainResult, images: Path, tmp_path: Path
) -> None:
    _stopped(_begun(images), tmp_path / "run", signal.SIGINT, saves=3)
    last = tmp_path / "run" / "weights" / "last.pt"
    last.write_bytes(last.read_bytes()[:-1000])
    said: list[str] = []
    resumed = train(TrainOptions(data=images, out=tmp_path / "run", resume=True), Listening(said))
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
    resumed = train(TrainOptions(data=images, out=run, resume=True), Listening(said))
    assert any("best.pt" in line and "the weights of last.pt as the best so far" in line for line in said)
    assert identical(resumed.best_checkpoint, run / "weights" / "last.pt")


def test_resuming_a_finished_run_changes_no_weights(trained: TrainResult, images: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    resumed = train(TrainOptions(data=images, out=run, resume=True))
    assert resumed.epochs == trained.epochs
    assert identical(resumed.best_checkpoint, trained.best_checkpoint)


def test_a_finished_run_goes_on_to_more_epochs_with_the_learning_rate_of_the_longer_run(
    trained: TrainResult, small_options: Options, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    said: list[str] = []
    result = train(TrainOptions(data=images, out=run, resume=True, epochs=5), Listening(said))
    assert any(
        "after epoch 3 of 5; planned were 3, the learning rate goes on as in a run of 5" in line for line in said
    )
    assert result.epochs == 5
    whole = train(small_options(tmp_path / "whole", epochs=5, test_split=0.1))
    rates = [[row["lr"] for row in rows_of(Path(run.run_dir) / "results.csv")] for run in (result, whole)]
    assert rates[0][3:] == rates[1][3:]
    again = load_checkpoint(run / "weights" / "last.pt").progressed
    assert again
    assert (again.planned_epochs, again.options["epochs"]) == (5, 5), "a run resumed once more goes to 5 as well"


def test_a_run_can_end_sooner_than_planned_but_not_before_what_is_done(
    trained: TrainResult, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    with pytest.raises(UsageError, match="--epochs 2: the run has finished 3 epochs"):
        train(TrainOptions(data=images, out=run, resume=True, epochs=2))
    _stopped(_begun(images), tmp_path / "stopped", signal.SIGKILL, saves=10, before=_EAGER)
    last = load_last(tmp_path / "stopped/weights/last.pt", tmp_path / "stopped/weights/last.previous.pt", Silent())
    assert last.progressed
    until = len(last.progressed.history) + 1
    assert train(TrainOptions(data=images, out=tmp_path / "stopped", resume=True, epochs=until)).epochs == until


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr": 0.5}, "the run was begun without --lr, not with --lr 0.5"),
        ({"batch": 16}, "the run was begun with --batch 8, not with --batch 16"),
        ({"model": "mobilenetv2"}, "the run was begun with --model resnet8, not with --model mobilenetv2"),
        ({"flip": False}, "the run was begun without --no-flip, not with --no-flip"),
        ({"force": True}, "--resume and --force"),
    ],
)
def test_an_option_that_would_make_another_run_is_refused_on_resume(
    changes: dict[str, object], told: str, trained: TrainResult, images: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match=told):
        train(TrainOptions(data=images, out=run, resume=True, **changes))  # type: ignore[arg-type]
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_the_command_that_began_a_run_resumes_it_with_resume_added(
    trained: TrainResult, small_options: Options, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    said: list[str] = []
    options = small_options(run, test_split=0.1, resume=True, workers=1, patience=3)
    assert train(options, Listening(said)).epochs == trained.epochs
    shown = next(line for line in said if line.startswith("options of the run: "))
    assert "--model resnet8" in shown
    assert "--patience 3" in shown, "what says only when to end may change"


def test_resuming_with_other_images_is_refused(trained: TrainResult, images: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.run_dir, tmp_path / "run"))
    data = Path(shutil.copytree(images, tmp_path / "data"))
    next((data / "circle").iterdir()).unlink()
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match="not the data that"):
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


def test_a_resumed_run_chooses_the_best_epoch_by_what_it_was_begun_with(
    small_options: Options, images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(small_options(run, epochs=1, best_by="macro-f1"))
    kept = load_checkpoint(run / "weights" / "last.pt").progressed
    assert kept
    assert kept.best_macro_f1 == kept.history[0].val_macro_f1
    resumed = train(TrainOptions(data=images, out=run, resume=True, epochs=2))
    assert resumed.best_by == "macro-f1"
    assert "--best-by macro-f1" in (run / "report.html").read_text()
    assert resumed.val_macro_f1 == pytest.approx(
        max(float(row["val_macro_f1"]) for row in rows_of(run / "results.csv"))
    )
    with pytest.raises(UsageError, match="begun with --best-by macro-f1, not with --best-by nll"):
        train(TrainOptions(data=images, out=run, resume=True, best_by="nll"))
