"""What a run leaves for people: the report of a real run, its maps, and a command that repeats it."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer

from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Option, declarations
from edgecnn.manifest import PreprocessSpec
from edgecnn.training.data.load import Sample
from edgecnn.training.options import TrainOptions
from edgecnn.training.report.mistakes import find_mistakes
from edgecnn.training.result import TrainResult
from edgecnn.training.run.environment import environment
from edgecnn.training.run.repeat_command import repeat_command
from edgecnn.training.setup import RECIPE_OPTIONS, resolve_options
from edgecnn.training.torch_backend import TorchBackend, open_checkpoint


def _parse(command: list[str]) -> TrainOptions:
    """The options that the command line makes of a command; raises for one that it does not have."""
    seen: list[TrainOptions] = []
    app = typer.Typer()
    add_command(app, TrainOptions, seen.append)
    typer.main.get_command(app)(command, standalone_mode=False)
    return seen[0]


@pytest.mark.parametrize(
    "options",
    [
        TrainOptions(Path("my  data"), seed=3, lr=0.00123456789, val_split=1 / 3),
        TrainOptions(Path("d"), preset="classic", flip=False, workers=2, patience=3, balance="sampling", compile=True),
        TrainOptions(Path("d"), model="resnet8", weights="none", imgsz=(24, 40)),
        TrainOptions(
            Path("d"),
            model="resnet8",
            weights="none",
            soft_labels=Path("s.csv"),
            precision="fp32",
            out=Path("o"),
            force=True,
        ),
    ],
)
def test_the_printed_command_is_understood_and_gives_the_same_run(options: TrainOptions) -> None:
    setup = resolve_options(options)
    words = shlex.split(repeat_command(options, setup, 7))
    assert words[:2] == ["edgecnn", "train"]
    again = _parse(words[2:])
    settled = resolve_options(again)
    assert replace(settled, loader_threads=setup.loader_threads) == setup
    not_repeated = {d.name for d in declarations(TrainOptions) if isinstance(d.spec, Option) and not d.spec.repeated}
    assert {"out", "resume", "force"} < not_repeated
    for field in fields(TrainOptions):
        if field.name not in not_repeated | {"device"} and getattr(options, field.name) is not None:
            assert getattr(again, field.name) == getattr(options, field.name), field.name


def test_the_command_states_every_value_that_was_left_to_the_recipe() -> None:
    options = TrainOptions(Path("d"))
    words = shlex.split(repeat_command(options, resolve_options(options), 7))
    left = [d for d in declarations(TrainOptions) if isinstance(d.spec, Option) and d.spec.default == "the recipe's"]
    assert {d.name for d in left} == {*RECIPE_OPTIONS, "augment", "decode"}
    assert all(d.flag in words for d in left)


def test_epochs_of_a_time_budget_are_those_that_fitted() -> None:
    options = TrainOptions(Path("d"), time_budget_min=5)
    assert "--epochs 7 " in repeat_command(options, resolve_options(options), 7)
    assert "--epochs 9 " in repeat_command(
        replace(options, time_budget_min=None, epochs=9), resolve_options(replace(options, epochs=9)), 7
    )


def test_a_runs_report_tells_how_to_repeat_it(trained: TrainResult) -> None:
    page = (Path(trained.run_dir) / "report.html").read_text()
    for words in ("--model resnet8", "--weights none", "--epochs 3", "--batch 8", "--test-split 0.1", "--seed 0"):
        assert words in page
    assert torch.__version__ in page
    assert re.search(r"data SHA-256</th><td><span class=\"word\">[0-9a-f]{64}<", page)
    assert "test images" in page
    assert page.count('class="range"') == 8  # four figures of validation, four of test


def test_surroundings_name_versions_and_the_processor() -> None:
    found = dict(environment(torch.device("cpu")))
    assert torch.__version__ in found["versions"]
    assert len(found["processor"].split(",")[0]) > 2


@pytest.fixture(scope="module")
def backend(trained: TrainResult) -> TorchBackend:
    return open_checkpoint(Path(trained.best_checkpoint))


def _samples(folder: Path, count: int, size: tuple[int, int] = (60, 30)) -> list[Sample]:
    rng = np.random.default_rng(0)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (*size, 3)).astype(np.uint8))
    return [Sample(folder / f"{i}.png", 0, "val", f"{i}") for i in range(count)]


def test_mistakes_are_the_wrong_answers_the_surest_first_with_maps_for_the_worst(
    backend: TorchBackend, tmp_path: Path
) -> None:
    samples = _samples(tmp_path, 30)
    sure = np.linspace(0.55, 0.95, 30)
    probabilities = np.stack([1 - sure, sure], 1)
    probabilities[3] = 0.9, 0.1  # right
    found = find_mistakes(samples, probabilities, ("circle", "square"), backend)
    assert [m.path.stem for m in found] == [str(i) for i in range(29, -1, -1) if i != 3]
    assert {(m.truth, m.answer) for m in found} == {("circle", "square")}
    assert [m.evidence is not None for m in found] == [True] * 24 + [False] * 5
    assert all(m.evidence is None for m in find_mistakes(samples, probabilities, ("circle", "square"), None))


@pytest.mark.parametrize(("resize", "shape"), [("stretch", (60, 30)), ("letterbox", (32, 32)), ("crop", (32, 32))])
def test_a_map_has_the_images_own_proportions_where_it_was_stretched(
    backend: TorchBackend, resize: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    stretched = TorchBackend(backend.network, backend.manifest.replace(preprocess=PreprocessSpec(resize=resize)))  # type: ignore[arg-type]
    (mistake,) = find_mistakes(_samples(tmp_path, 1), np.array([[0.1, 0.9]]), ("circle", "square"), stretched)
    assert mistake.evidence is not None
    assert mistake.evidence.shape == (*shape, 3)


def test_a_mistake_whose_image_is_gone_has_no_map(backend: TorchBackend, tmp_path: Path) -> None:
    samples = _samples(tmp_path, 1)
    samples[0].path.unlink()
    (mistake,) = find_mistakes(samples, np.array([[0.1, 0.9]]), ("circle", "square"), backend)
    assert mistake.evidence is None
