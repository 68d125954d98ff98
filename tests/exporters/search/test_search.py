"""A search as a user runs it: on real files, interrupted and gone on with."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from made_once import made_once
from shapes import write_shapes

from edgecnn import Classifier
from edgecnn.errors import InputNotFoundError, ModelError, Stopped, TrainingError
from edgecnn.progress import Silent
from edgecnn.runtime.analysis.zoo import ZooResult, benchmark_zoo
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.training import train
from edgecnn.training.run.checkpoint import load_checkpoint
from exporters.search import network_choice, trial
from exporters.search.front import Choice
from exporters.search.network_choice import NetworkChoice
from exporters.search.options import SearchOptions
from exporters.search.result import SearchResult
from exporters.search.search import search
from exporters.search.state import SearchFolder

PRUNED = (0.0, 0.5)  # two of the shares that a search tries
EPOCHS = 2  # of each training: what a search does of it is tested, not how well a network learns


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    """Trainings of two epochs, and two shares to prune."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_choice, "PRUNED", PRUNED)
        patch.setattr(trial, "train", lambda given, reporter: train(replace(given, epochs=EPOCHS), reporter))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, _short_trainings: None) -> Path:
    """A folder with images, a search of them, and what that found."""

    def make(folder: Path) -> None:
        write_shapes(folder / "data", 20)
        (folder / "found.pickle").write_bytes(pickle.dumps(search(options_in(folder))))
        shutil.copy(folder / "out" / "search.json", folder / "first.json")  # later searches write another one

    return made_once("search", make, tmp_path_factory)


def options_in(folder: Path) -> SearchOptions:
    """A small network on small images, and no time for more than the reference."""
    return SearchOptions(data=folder / "data", out=folder / "out", models="resnet8", time_budget_min=0.01)


@pytest.fixture(scope="module")
def found(made: Path) -> SearchResult:
    result: SearchResult = pickle.loads((made / "found.pickle").read_bytes())
    return result


@pytest.fixture
def options(made: Path) -> Iterator[SearchOptions]:
    """Of the search, which no other worker goes on with meanwhile."""
    with FileLock(made / "lock"):
        yield options_in(made)


def test_the_reference_is_always_trained_and_the_rest_is_named(found: SearchResult) -> None:
    assert {c.imgsz for c in found.candidates} == {32}
    assert found.chosen is not None
    assert found.untried
    assert all("pruned" in name for name in found.untried)
    assert [c.latency_ms for c in found.candidates] == sorted(c.latency_ms for c in found.candidates)


def test_the_chosen_file_is_an_ordinary_model_file(found: SearchResult, options: SearchOptions) -> None:
    assert found.chosen is not None
    classifier = Classifier(found.chosen.file, ep="cpu", prove=True)
    assert classifier.labels == ("circle", "square")
    assert Path(found.chosen.checkpoint).is_file()
    assert "edgecnn train" in found.repeat[0]
    assert "edgecnn export" in found.repeat[1]
    page = Path(found.report).read_text(encoding="utf-8")
    assert "<svg" in page
    assert found.chosen.model in page
    told = json.loads((options.out.parent / "first.json").read_text())
    assert told["chosen"]["file"] == found.chosen.file


def test_the_same_command_goes_on_and_trains_nothing_again(found: SearchResult, options: SearchOptions) -> None:
    assert found.chosen is not None
    checkpoint = Path(found.chosen.checkpoint)
    before = checkpoint.stat().st_mtime_ns
    again = search(replace(options, max_latency_ms=1e-6))
    assert checkpoint.stat().st_mtime_ns == before
    assert again.chosen is None
    assert "no file meets the limits (at most 1e-06 ms)" in again.reason
    assert len(again.candidates) == len(found.candidates)


def test_a_network_that_cannot_be_trained_is_left_out(
    found: SearchResult, options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object) -> None:
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr("exporters.search.search.run_trial", diverge)
    monkeypatch.setattr("exporters.search.search.next_network", lambda choices, *_: next(iter(choices[1:]), None))
    said: list[str] = []
    reporter = Silent()
    monkeypatch.setattr(reporter, "say", said.append)
    result = search(options, reporter)
    assert {c.file for c in result.candidates} == {c.file for c in found.candidates}  # timed anew: in another order
    assert found.untried
    assert not result.untried
    assert any("left out: the loss is not finite" in line for line in said)


def test_a_second_training_begins_with_the_weights_of_the_first(
    options: SearchOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(options.out, tmp_path / "out")  # other tests count what the first search found
    once = NetworkChoice("resnet8", 32, PRUNED[1])
    following = iter((once, once.again))
    monkeypatch.setattr("exporters.search.search.next_network", lambda *_: next(following, None))
    monkeypatch.setattr(
        "exporters.search.search.choose",
        lambda candidates, *_: Choice(next(each for each in candidates if each.trainings == 2), "twice"),
    )
    result = search(replace(options, out=tmp_path / "out"))
    assert {(each.pruned, each.trainings) for each in result.candidates} == {(0.0, 1), (0.5, 1), (0.5, 2)}
    of_reference, of_first, of_second = (Path(line.rsplit(" --out ", 1)[1]) for line in result.repeat[:3])
    first, second = (load_checkpoint(run / "weights" / "best.pt") for run in (of_first, of_second))
    assert second.widths == first.widths  # it was not pruned once more
    assert f"--weights {of_reference / 'weights' / 'best.pt'}" in result.repeat[1]
    assert f"--weights {of_first / 'weights' / 'best.pt'}" in result.repeat[2]
    assert "--preset pruned" in result.repeat[2]
    resumed = search(replace(options, out=tmp_path / "out"))
    assert {each.file for each in resumed.candidates} == {each.file for each in result.candidates}


@pytest.mark.parametrize("stop", [KeyboardInterrupt("continue with: edgecnn train"), Stopped(143, "continue with: …")])
def test_an_interrupted_search_names_its_own_command(
    stop: BaseException, options: SearchOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise stop

    monkeypatch.setattr("exporters.search.search.run_trial", interrupted)
    with pytest.raises(type(stop)) as caught:
        search(replace(options, out=tmp_path / "out"))
    told = caught.value.how_to_continue if isinstance(caught.value, Stopped) else str(caught.value)
    assert told == f"the same command goes on with what is in {tmp_path / 'out'}"
    assert SearchFolder(tmp_path / "out").spent_s() > 0


def test_timings_of_a_device_take_the_place_of_this_machine(found: SearchResult, options: SearchOptions) -> None:
    del found  # the zoo is there
    timed = _timed(options.out / "zoo")
    told = {"cpu": "Cortex-A76", "threads": 4, "timings": [vars(each) | {"latency_ms": 40.0} for each in timed.timings]}
    path = options.out.parent / "timings.json"
    path.write_text(json.dumps(told))
    result = search(replace(options, timings=path))
    assert (result.cpu, result.threads) == ("Cortex-A76", 4)
    assert {c.latency_ms for c in result.candidates} == {40.0}


def test_a_zoo_is_timed_by_network_size_and_precision(found: SearchResult, options: SearchOptions) -> None:
    del found
    timed = _timed(options.out / "zoo")
    assert {(each.pruned, each.precision) for each in timed.timings} == {
        (pruned, precision) for pruned in PRUNED for precision in ("fp32", "int8")
    }
    assert {each.imgsz for each in timed.timings} == {32}
    assert all(each.latency_ms > 0 for each in timed.timings)
    assert benchmark_zoo(options.out / "zoo", "auto", RunOptions(threads=1), Silent().stage("")).ep == "cpu"  # what ran


def test_a_folder_that_is_no_zoo_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(InputNotFoundError, match="no zoo"):
        _timed(tmp_path)
    (tmp_path / "model.onnx").write_bytes(tiny_model.read_bytes())
    with pytest.raises(ModelError, match="is not a file of a zoo"):
        _timed(tmp_path)


def test_a_damaged_file_of_a_zoo_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.onnx.*delete the file; the same `edgecnn search` writes it again"):
        _timed(tmp_path)


def _timed(folder: Path) -> ZooResult:
    return benchmark_zoo(folder, "cpu", RunOptions(threads=1), Silent().stage(""))
