"""Two processes train as one with twice the batch: real processes, started by torchrun or as it starts them, over gloo."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from command_line import start_fork

from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint

# Rounding differs with the batch. Adam takes a step of up to this for a gradient of nearly zero, either way. Gradients
# that are not shared end 2.5e-3 apart; those that are, 1.1e-4 on a processor with AMX
LR = 3e-4


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class _Ended:
    returncode: int | None
    stdout: str
    stderr: str


def _torchrun(*words: object, folder: Path) -> _Ended:
    """Runs `edgecnn` in two processes on this machine, each a new Python."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    address = ["--master-addr", "127.0.0.1", "--master-port", _free_port(), "--nproc-per-node", 2]
    streams = folder / "streams"
    streams.mkdir()
    process = start_fork([*address, "-m", "edgecnn", *words], env, streams, module="torch.distributed.run")
    process.join()  # pytest's timeout ends a wait in vain
    return _Ended(process.exitcode, *((streams / name).read_text() for name in ("out", "err")))


def _processes(
    *words: object,
    count: int,
    folder: Path,
    machines: Sequence[Path] = (),
    kill_when: Callable[[], bool] | None = None,
) -> list[_Ended]:
    """Runs `edgecnn` in so many processes, told by the environment as torchrun tells them.

    Each may be on a pretended machine of its own, with a working folder of its own. Kills all of them as soon as that is so.
    """
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count)}
    folders, started = [folder / f"streams-{rank}" for rank in range(count)], []
    for rank, streams in enumerate(folders):
        streams.mkdir(parents=True, exist_ok=True)
        rank_env = env | {"RANK": str(rank), "LOCAL_RANK": str(0 if machines else rank)}
        cwd = machines[rank] if machines else None
        started.append(start_fork(words, rank_env, streams, cwd, before="import torch; torch.set_num_threads(1)"))
    while any(process.is_alive() for process in started):  # pytest's timeout ends a wait in vain
        if kill_when and kill_when():
            for process in started:
                process.kill()
        started[0].join(0.005)
        if started[0].exitcode:  # torchrun ends the others then
            for process in started[1:]:
                process.join(10)
                process.kill()
    for process in started:
        process.join()
    texts = [[(streams / name).read_text() for name in ("out", "err")] for streams in folders]
    return [_Ended(process.exitcode, *text) for process, text in zip(started, texts, strict=True)]


def _two_machines(folder: Path) -> list[Path]:
    """A working folder for each of two processes; the second one has no run folder there."""
    (folder / "other").mkdir()
    return [folder, folder / "other"]


def _weights(path: str | Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(Path(path)).weights


def _words(images: Path, out: Path, start: TrainResult, batch: int, epochs: int = 2) -> list[object]:
    recipe = [
        "--model",
        "resnet8",
        "--weights",
        start.best_checkpoint,
        "--epochs",
        epochs,
        "--lr",
        LR,
        "--precision",
        "fp32",
        "--device",
        "cpu",
    ]
    return ["train", images, "--out", out, *recipe, "--batch", batch, "--json"]


@pytest.fixture(scope="module")
def alone(images: Path, trained: TrainResult, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One process with a batch of eight, batch-norm frozen, as the transfer recipe has it."""
    out = tmp_path_factory.mktemp("alone") / "run"
    options = TrainOptions(
        data=images,
        out=out,
        model="resnet8",
        weights=trained.best_checkpoint,
        epochs=2,
        lr=LR,
        batch=8,
        device="cpu",
        precision="fp32",
        workers=2,
    )
    return train(options)


@pytest.mark.parametrize("started", ["by torchrun", "on two machines"])
def test_two_processes_find_the_weights_of_one_with_twice_the_batch(
    started: str, images: Path, trained: TrainResult, alone: TrainResult, tmp_path: Path
) -> None:
    if started == "by torchrun":
        results = [_torchrun(*_words(images, tmp_path / "run", trained, 4), folder=tmp_path)]
    else:
        words = _words(images, Path("run"), trained, 4)
        results = _processes(*words, count=2, folder=tmp_path, machines=_two_machines(tmp_path))
        assert list((tmp_path / "other").iterdir()) == [], "the first one alone writes"
    assert {r.returncode for r in results} == {0}, results[0].stderr[-8000:]
    for name in ("best.pt", "last.pt"):
        one, two = _weights(Path(alone.run_dir) / "weights" / name), _weights(tmp_path / "run" / "weights" / name)
        assert max(float((one[k].float() - two[k].float()).abs().max()) for k in one) < LR
    start = _weights(trained.best_checkpoint)
    assert max(float((two[k].float() - start[k].float()).abs().max()) for k in start) > 1e-3, "they learned"
    printed = json.loads("".join(r.stdout for r in results))  # one object: the first process alone speaks
    assert printed["val_top1"] == alone.val_top1
    assert (printed["epochs"], printed["train_images"]) == (2, alone.train_images)


def test_a_killed_run_of_two_processes_is_resumed_by_two_to_the_bit(
    images: Path, trained: TrainResult, tmp_path: Path
) -> None:
    whole = _processes(*_words(images, tmp_path / "whole", trained, 4, epochs=6), count=2, folder=tmp_path / "a")[0]
    assert whole.returncode == 0, whole.stderr[-8000:]
    killed = tmp_path / "killed"
    words = _words(images, killed, trained, 4, epochs=6)
    _processes(*words, count=2, folder=tmp_path / "b", kill_when=(killed / "results.csv").exists)
    done = load_checkpoint(killed / "weights" / "last.pt").progressed
    assert done is not None
    assert len(done.history) < 6, "killed too late to prove anything"
    words = ["train", images, "--out", "killed", "--resume", "--json"]
    resumed = _processes(*words, count=2, folder=tmp_path / "c", machines=_two_machines(tmp_path))[0]
    assert resumed.returncode == 0, resumed.stderr[-8000:]
    for name in ("best.pt", "last.pt"):
        one, two = _weights(tmp_path / "whole" / "weights" / name), _weights(killed / "weights" / name)
        assert all(torch.equal(one[k], two[k]) for k in one)
    assert json.loads(resumed.stdout)["val_top1"] == json.loads(whole.stdout)["val_top1"]


def test_more_processes_than_images_are_refused_in_one_line(tmp_path: Path) -> None:
    from shapes import write_shapes

    data = write_shapes(tmp_path / "data", 2, side=40, first_seed=1)
    words = ["--model", "resnet8", "--weights", "none", "--val-split", 0.5, "--out", tmp_path / "run"]
    results = _processes("train", data, *words, count=3, folder=tmp_path)
    assert all(result.returncode for result in results)
    assert "3 processes for 2 training images" in results[0].stderr
