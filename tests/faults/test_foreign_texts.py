"""Small files of settings and tables that anybody may have damaged: an error for users, and never an internal one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import edgecnn
from edgecnn.errors import EdgeCNNError
from edgecnn.plain_json import parse_json
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.providers.openvino_options import openvino_options
from edgecnn.runtime.smoothing.smoother import read_smoothing
from edgecnn.serving.collect.age_clock import AgeClock

ROOT = Path(edgecnn.__file__).parents[1]
NESTED = "[" * 100_000
HOSTILE = {
    "nothing": b"",
    "nested": NESTED.encode(),
    "nested objects": b'{"a":' * 100_000,
    "a number of 5000 digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "a number beyond floats": b'{"schema": 1' + b"0" * 400 + b', "counted_s": 1' + b"0" * 400 + b', "saved_at": 0}',
    "an array": b"[1, 2]",
    "no UTF-8": b"\xff\xfe{}",
    "NUL": b"\0" * 100,
    "infinite": b'{"counted_s": Infinity, "saved_at": NaN}',
}
READERS: dict[str, Callable[[Path], object]] = {
    "smoothing": read_smoothing,
    "frame health": FrameQualityThresholds.load,
}
WITHIN_ONE_PROGRAM = {
    "edgecnn/runtime/sources/capture/worker_order.py": "a line of the process that started this one",
    "edgecnn/runtime/sources/capture/connection.py": "a line of a child process",
    "edgecnn/runtime/admission/conversation.py": "a line of a child process",
    "edgecnn/scale/job.py": "its own text, to compare; a file of others it reads with parse_json",
    "edgecnn/serving/teaching/process.py": "a line of a child process",
    "edgecnn/serving/teaching/order.py": "a line of the process that started this one",
    "edgecnn/runtime/analysis/inspect.py": "the manifest was read before",
    "edgecnn/training/inspect_checkpoint.py": "our own text of a manifest",
    "edgecnn/training/run/results.py": "our own text of a manifest",
}
"""Where ``json.loads`` reads what a stranger cannot write."""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_file_is_an_error_for_users(name: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(EdgeCNNError, match=r"some\.json"):
        READERS[reader](path)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_clock_of_collected_frames_begins_anew(name: str, tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    path.write_bytes(HOSTILE[name])
    clock = AgeClock(path, least_s=5.0, wall=lambda: 100.0, monotonic=lambda: 0.0)
    assert clock.now_s == 5.0


def test_a_hostile_configuration_of_a_provider_is_an_error_for_users() -> None:
    with pytest.raises(EdgeCNNError):
        openvino_options({"load_config": '{"a":' * 100_000}, "CPU", 1)


def test_nesting_without_end_is_a_value_error() -> None:
    assert parse_json('{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(NESTED)


def test_whoever_reads_json_of_others_heeds_nesting_without_end() -> None:
    unheeding = []
    for package in ("edgecnn", "exporters"):
        for file in sorted((ROOT / package).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            name = file.relative_to(ROOT).as_posix()
            if (
                re.search(r"\bjson\.loads?\(", text)
                and not re.search(r"RecursionError|\bUNFIT\b", text)
                and name not in WITHIN_ONE_PROGRAM
            ):
                unheeding.append(name)
    assert not unheeding, "parse_json of edgecnn.plain_json raises ValueError where json.loads does not"
