"""Two processes train as one with twice the batch: real processes, started by torchrun, over gloo."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from edgecnn.training.loop import train
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _torchrun(
    *words: object, nodes: int = 1, per_node: int = 2, kill_when: Callable[[], bool] | None = None
) -> list[subprocess.CompletedProcess[str]]:
    """Runs `edgecnn` in so many processes, on as many pretended machines; kills all of them as soon as that is so."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    address = [
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        str(_free_port()),
        "--nnodes",
        str(nodes),
        "--nproc-per-node",
        str(per_node),
    ]
    started = []
    for node in range(nodes):
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *address,
            "--node-rank",
            str(node),
            "-m",
            "edgecnn",
            *map(str, words),
        ]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env))
    while kill_when and started[0].poll() is None:
        if kill_when():
            _kill(started[0].pid)
        time.sleep(0.005)
    results = []
    for process in started:
        out, err = process.communicate(timeout=180)
        results.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return results


def _kill(torchrun: int) -> None:
    """torchrun and its processes, which it puts into sessions of their own."""
    processes = [int(child) for child in Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split()]
    for process in (torchrun, *processes):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


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
        3e-4,
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
        images,
        out,
        "resnet8",
        weights=trained.best_checkpoint,
        epochs=2,
        lr=3e-4,
        batch=8,
        device="cpu",
        precision="fp32",
        workers=2,
    )
    return train(options)


@pytest.mark.parametrize(("nodes", "per_node"), [(1, 2), (2, 1)])
def test_two_processes_find_the_weights_of_one_with_twice_the_batch(
    nodes: int, per_node: int, images: Path, trained: TrainResult, alone: TrainResult, tmp_path: Path
) -> None:
    results = _torchrun(*_words(images, tmp_path / "run", trained, 4), nodes=nodes, per_node=per_node)
    assert [r.returncode for r in results] == [0] * nodes, results[0].stderr[-8000:]
    for name in ("best.pt", "last.pt"):
        one, two = _weights(Path(alone.run_dir) / "weights" / name), _weights(tmp_path / "run" / "weights" / name)
        assert max(float((one[k].float() - two[k].float()).abs().max()) for k in one) < 1e-4
    start = _weights(trained.best_checkpoint)
    assert max(float((two[k].float() - start[k].float()).abs().max()) for k in start) > 1e-3, "they learned"
    printed = json.loads("".join(r.stdout for r in results))  # one object: the first process alone speaks
    assert printed["val_top1"] == alone.val_top1
    assert (printed["epochs"], printed["train_images"]) == (2, alone.train_images)


def test_a_killed_run_of_two_processes_is_resumed_by_two_to_the_bit(
    images: Path, trained: TrainResult, tmp_path: Path
) -> None:
    whole = _torchrun(*_words(images, tmp_path / "whole", trained, 4, epochs=20))[0]
    assert whole.returncode == 0, whole.stderr[-8000:]
    killed = tmp_path / "killed"
    _torchrun(*_words(images, killed, trained, 4, epochs=20), kill_when=(killed / "results.csv").exists)
    done = load_checkpoint(killed / "weights" / "last.pt").progressed
    assert done is not None
    assert len(done.history) < 20, "killed too late to prove anything"
    resumed = _torchrun("train", images, "--out", killed, "--resume", "--json")[0]
    assert resumed.returncode == 0, resumed.stderr[-8000:]
    for name in ("best.pt", "last.pt"):
        one, two = _weights(tmp_path / "whole" / "weights" / name), _weights(killed / "weights" / name)
        assert all(torch.equal(one[k], two[k]) for k in one)
    assert json.loads(resumed.stdout)["val_top1"] == json.loads(whole.stdout)["val_top1"]


def test_more_processes_than_images_are_refused_in_one_line(tmp_path: Path) -> None:
    from shapes import write_shapes

    data = write_shapes(tmp_path / "data", 2, side=40, first_seed=1)
    result = _torchrun(
        "train",
        data,
        "--model",
        "resnet8",
        "--weights",
        "none",
        "--val-split",
        0.5,
        "--out",
        tmp_path / "run",
        per_node=3,
    )[0]
    assert result.returncode != 0
    assert "3 processes for 2 training images" in result.stderr
