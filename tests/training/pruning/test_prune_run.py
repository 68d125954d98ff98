"""A run with ``--prune`` and its checkpoint. What later commands make of it: tests/exporters/test_pruned_files.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from run_outputs import Listening, identical
from torch import nn

from edgecnn.errors import CheckpointError, UsageError
from edgecnn.training.inspect_checkpoint import inspect_checkpoint
from edgecnn.training.learner import cpu_weights
from edgecnn.training.loop import train
from edgecnn.training.models.registry import find_model
from edgecnn.training.optim.distillation import Teacher
from edgecnn.training.options import TrainOptions
from edgecnn.training.pruning.widths import Widths
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, save_checkpoint

Options = Callable[..., TrainOptions]


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def teachers() -> list[Teacher]:
    """Whom the network of the run learned from, step by step."""
    return []


@pytest.fixture(scope="module")
def run(
    trained: TrainResult,
    small_options: Options,
    tmp_path_factory: pytest.TempPathFactory,
    said: list[str],
    teachers: list[Teacher],
) -> TrainResult:
    """A run of two epochs from the pruned network; not to be written to."""
    out, blend = tmp_path_factory.mktemp("pruned") / "run", Teacher.blend

    def noted(teacher: Teacher, *given: torch.Tensor) -> torch.Tensor:
        teachers.append(teacher)
        return blend(teacher, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Teacher, "blend", noted)
        return train(small_options(out, weights=trained.best_checkpoint, prune=0.6, epochs=2), Listening(said))


def test_a_checkpoint_records_the_widths_and_builds_the_pruned_network(
    run: TrainResult, trained: TrainResult, said: list[str]
) -> None:
    pruned, before = load_checkpoint(Path(run.best_checkpoint)), load_checkpoint(Path(trained.best_checkpoint))
    assert before.widths is None
    assert pruned.widths is not None
    assert pruned.classes is not None  # statistics of the classes, for `teach`
    assert sum(p.numel() for p in pruned.build().parameters()) == run.parameters < trained.parameters
    left = inspect_checkpoint(Path(run.best_checkpoint)).macs / inspect_checkpoint(Path(trained.best_checkpoint)).macs
    assert left <= 0.6
    assert any(line.startswith("pruned to ") for line in said)
    assert any(line.startswith("before fine-tuning: val ") for line in said)


def test_the_network_before_is_the_teacher_and_stays_in_the_run_folder(
    run: TrainResult, trained: TrainResult, teachers: list[Teacher]
) -> None:
    kept = load_checkpoint(Path(run.run_dir, "weights", "unpruned.pt"))
    before = load_checkpoint(Path(trained.best_checkpoint))
    (teacher,) = set(teachers)
    for weights in (kept.weights, teacher._network.state_dict()):
        assert weights.keys() == before.weights.keys()
        assert all(torch.equal(value, before.weights[name]) for name, value in weights.items())


def test_pruning_alone_takes_no_epoch(trained: TrainResult, small_options: Options, tmp_path: Path) -> None:
    options = small_options(tmp_path / "run", weights=trained.best_checkpoint, prune=0.6, epochs=0)
    found = train(options)
    assert found.epochs == 0
    assert load_checkpoint(Path(found.best_checkpoint)).widths is not None
    assert identical(found.best_checkpoint, train(replace(options, force=True)).best_checkpoint)


def test_a_pruned_network_is_fine_tuned_with_the_dropout_of_the_recipe(
    trained: TrainResult, small_options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after it was resumed; the network as it is built has 0.2."""
    network = find_model("mobilenetv3_small").build(2, 32)
    checkpoint = replace(load_checkpoint(Path(trained.best_checkpoint)), model="mobilenetv3_small")
    save_checkpoint(tmp_path / "full.pt", replace(checkpoint, weights=cpu_weights(network)))
    drawn: set[float] = set()
    forward = nn.Dropout.forward

    def recorded(layer: nn.Dropout, x: torch.Tensor) -> torch.Tensor:
        if layer.training:
            drawn.add(layer.p)
        return forward(layer, x)

    monkeypatch.setattr(nn.Dropout, "forward", recorded)
    changes = {"model": "mobilenetv3_small", "weights": tmp_path / "full.pt", "prune": 0.8, "imgsz": 32}
    begun = small_options(tmp_path / "run", epochs=1, **changes)
    train(begun)
    assert drawn == {0.0}
    train(replace(begun, epochs=2, resume=True, weights="auto", prune=None, model=None, imgsz=None))
    assert drawn == {0.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prune": 0.0}, r"--prune 0: expected a share"),
        ({"prune": 1.0}, r"--prune 1: expected a share"),
        ({"prune": 0.5}, r"--prune: needs trained weights"),
    ],
)
def test_a_wrong_option_leaves_nothing_behind(
    small_options: Options, tmp_path: Path, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(small_options(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_a_network_of_your_own_is_not_pruned(small_options: Options, tmp_path: Path) -> None:
    own = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(UsageError, match="--prune: is for built-in networks"):
        train(small_options(tmp_path / "run", prune=0.5, model=None), network=own)


def test_older_versions_refuse_a_pruned_checkpoint_by_its_format(run: TrainResult, trained: TrainResult) -> None:
    formats = [
        torch.load(file, weights_only=True)["edgecnn_checkpoint"]
        for file in (trained.best_checkpoint, run.best_checkpoint)
    ]
    assert formats == [1, 2]


def test_a_checkpoint_of_a_version_before_pruning_is_read(trained: TrainResult, tmp_path: Path) -> None:
    content = torch.load(trained.best_checkpoint, weights_only=True)
    del content["widths"]
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").widths is None


def test_widths_that_do_not_fit_are_told_in_one_line(run: TrainResult, tmp_path: Path) -> None:
    checkpoint = replace(load_checkpoint(Path(run.best_checkpoint)), widths=Widths({"nowhere": 8}))
    save_checkpoint(tmp_path / "wrong.pt", checkpoint)
    with pytest.raises(CheckpointError, match="cannot have 8 channels of nowhere; train again"):
        load_checkpoint(tmp_path / "wrong.pt").build()
