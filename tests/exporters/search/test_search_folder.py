"""A search goes on with its folder, and only with its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.errors import DataError, UsageError
from exporters.search.latencies import Latencies, read_timings
from exporters.search.network_choice import NetworkChoice, network_choices, reference_of
from exporters.search.options import SearchOptions
from exporters.search.probe import Probed
from exporters.search.state import SearchFolder
from exporters.search.trial import read_trial


def test_a_folder_of_another_search_is_refused_and_limits_may_change(tmp_path: Path) -> None:
    options = SearchOptions(data=Path("data"), out=tmp_path)
    folder = SearchFolder(tmp_path)
    folder.begin(options)
    folder.begin(replace(options, max_latency_ms=3.0, time_budget_min=5.0, threads=2))
    with pytest.raises(UsageError, match="holds a search with seed 0, not 1"):
        folder.begin(replace(options, seed=1))


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path)
    assert folder.spent_s() == 0.0
    assert folder.probes() == {}
    folder.record_spent(12.5)
    folder.record_probes({("net", 64): Probed(3, 100)})
    assert folder.spent_s() == 12.5
    assert folder.probes() == {("net", 64): Probed(3, 100)}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"choice": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "trial.json").write_text(content)
    with pytest.raises(DataError, match=r"trial\.json: cannot be read .* delete"):
        read_trial(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"timings": [{"model": "net"}], "cpu": "x", "threads": 1}', "[1]"])
def test_timings_that_are_none_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "timings.json"
    path.write_text(content)
    with pytest.raises(DataError, match="is not the output of `edgecnn benchmark DIR --zoo --json`"):
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


def test_a_mixed_file_counts_as_int8_where_a_device_gave_the_timings() -> None:
    choice = NetworkChoice("net", 64)
    found = Latencies("cpu", 1, {(choice, "int8"): 2.0, (choice, "fp32"): 6.0})
    assert (found.file(choice, "mixed"), found.file(choice, "fp32"), found.best(choice)) == (2.0, 6.0, 2.0)


def test_the_default_network_is_the_reference_and_pruned_in_shares() -> None:
    choices = network_choices("mobilenetv2,efficientnet_lite0")
    reference = reference_of(choices)
    assert (reference.model, reference.imgsz, reference.pruned) == ("efficientnet_lite0", 224, 0.0)
    assert len(set(choices)) == len(choices)
    assert {choice.pruned for choice in choices if choice.model == "efficientnet_lite0"} == {0.0, 0.3, 0.5, 0.7}
    assert {choice.pruned for choice in choices if choice.model == "mobilenetv2"} == {0.0}
    with pytest.raises(UsageError, match="unknown network"):
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
