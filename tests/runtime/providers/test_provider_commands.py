"""The options of providers on the command line: what runs is told, what cannot be used is one line and status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_predict_answers_the_same_at_low_power_and_without_an_arena(
    tiny_int8_model: Path, shapes: Path, edgecnn
) -> None:
    plain = edgecnn("predict", tiny_int8_model, shapes, "--ep", "cpu", "--format", "jsonl")
    spare = edgecnn(
        "predict",
        tiny_int8_model,
        shapes,
        "--ep",
        "cpu",
        "--power",
        "low",
        "--no-arena",
        "--strict-ep",
        "--format",
        "jsonl",
    )
    assert spare.returncode == 0, spare.stderr
    labels = [[json.loads(line)["top"][0]["label"] for line in done.stdout.splitlines()] for done in (plain, spare)]
    assert labels[0] == labels[1]
    assert len(labels[0]) == 40


def test_benchmark_and_inspect_tell_which_provider_runs_how_many_nodes(tiny_model: Path, edgecnn) -> None:
    measured = json.loads(
        edgecnn("benchmark", tiny_model, "--ep", "cpu", "--seconds", "0.1", "--power", "low", "--json").stdout
    )
    inspected = json.loads(edgecnn("inspect", tiny_model, "--json").stdout)
    assert measured["nodes"] == inspected["nodes"]
    assert inspected["ep"] == "cpu"


def test_inspect_shows_a_file_that_does_not_open_here_and_says_why(tiny_int8_model: Path, edgecnn) -> None:
    done = edgecnn("inspect", tiny_int8_model, "--ep", "cuda", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["ep"], found["nodes"]) == (None, None)
    assert found["quantized_nodes"]
    assert "does not open here: --ep cuda" in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--ep", "cuda"), "tiny.int8.onnx is an int8 file"),
        (("--ep", "nonsense"), "unknown execution provider 'nonsense'"),
        (("--ep-option", "x=1"), "choose the provider with --ep"),
        (("--ep", "cpu", "--ep-option", "x"), "expected KEY=VALUE"),
        (("--ep", "cpu", "--ep-option", "x=1"), "cpu: has no options"),
        (("--threads", "0"), "threads is 0"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(
    options: tuple[str, ...], named: str, tiny_int8_model: Path, shapes: Path, edgecnn
) -> None:
    done = edgecnn("predict", tiny_int8_model, shapes, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert named in line
