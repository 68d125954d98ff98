"""``predict --engine ray`` on a cluster of two machines here."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import children_of, command_of
from waiting import comes_true

from edgecnn import Classifier
from edgecnn.errors import ClusterError, ModelError, OutputError, UsageError
from edgecnn.plain_json import as_json
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.scale.engine import ClusterOptions, run_job
from edgecnn.scale.images.listing import list_sources
from edgecnn.scale.prepared import ModelOrder, open_once, prepare
from edgecnn.scale.rows import schema

TIMES = ("captured_at", "age_ms", "latency_ms")


def rows(out: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return [
        row for path in sorted((out / "predictions").glob("*.parquet")) for row in parquet.read_table(path).to_pylist()
    ]


def prepared(model: Path, source: Path, shard_size: int):
    order = ModelOrder(model, {"ep": "cpu", "max_pixels": 10**6}, RunOptions())
    return prepare(open_once(order), list_sources([str(source)]), shard_size)


@pytest.fixture
def long_list(shapes: Path, tmp_path: Path) -> Path:
    """Six thousand paths of forty images."""
    images = sorted(map(str, shapes.rglob("*.png")))
    (tmp_path / "list.txt").write_text("\n".join(images * 150))
    return tmp_path / "list.txt"


def test_the_columns_are_the_fields_of_a_prediction() -> None:
    assert schema(labelled=False).names == [field.name for field in fields(Prediction)]
    assert schema(labelled=True).names[-2:] == ["truth", "probabilities"]


def test_rows_are_what_predict_answers_and_any_reader_of_parquet_reads_them(
    cluster, answer: Callable[..., int], tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    assert answer(shapes, bad, tmp_path / "bad.png", address=cluster.address, topk=2) == 0
    found = rows(tmp_path / "out")
    with Classifier(tiny_model, ep="cpu", topk=2) as classifier, classifier.stream(shapes, bad, bad) as stream:
        expected = [as_json(prediction) for _, prediction in stream]
    assert [{k: v for k, v in row.items() if k not in TIMES} for row in found] == [
        {k: v for k, v in row.items() if k not in TIMES} for row in expected
    ]
    assert [row["status"] for row in found[-2:]] == ["error", "error"]
    assert found[0]["latency_ms"].keys() == expected[0]["latency_ms"].keys()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["images"], summary["errors"], summary["missing"]) == (42, 2, 0)
    assert summary["answered"] + summary["unknown"] == 40
    check_readers(tmp_path / "out" / "predictions", found)


def check_readers(folder: Path, found: list[dict[str, Any]]) -> None:
    import duckdb
    import pandas as pd
    import polars as pl

    labels = [row["label"] for row in found]
    by_pandas = pd.read_parquet(folder).sort_values("frame")
    assert [None if pd.isna(label) else label for label in by_pandas["label"]] == labels
    by_polars = pl.read_parquet(folder / "*.parquet").sort("frame")
    assert by_polars["label"].to_list() == labels
    assert by_polars["top"][0].to_list()[0].keys() == {"label", "score"}
    query = f"select label, top[1].score from '{folder}/*.parquet' order by frame"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == labels


def test_another_run_adds_what_is_missing_and_nothing_else(
    cluster, answer: Callable[..., int], shapes: Path, tmp_path: Path, capsys
) -> None:
    assert answer(shapes, address=cluster.address, core_price=3.6) == 0
    files = sorted((tmp_path / "out" / "predictions").glob("*.parquet"))
    before = rows(tmp_path / "out")
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:100])
    (files[0].parent / ".left.part").touch()
    kept = files[2].stat().st_mtime_ns
    assert answer(shapes, address=cluster.address) == 0
    assert [row["source"] for row in rows(tmp_path / "out")] == [row["source"] for row in before]
    assert files[2].stat().st_mtime_ns == kept
    assert not list(files[0].parent.glob(".*"))
    capsys.readouterr()
    assert answer(shapes, address=cluster.address, json=True) == 0
    told = capsys.readouterr()
    assert "nothing was missing" in told.err
    assert json.loads(told.out)["shards_before"] == len(files)


def test_a_model_that_a_machine_refuses_is_one_line_with_the_machine(
    cluster, tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    job, given = prepared(tiny_model, shapes, 10)
    broken = replace(given, order=replace(given.order, model=b"no model"))
    with pytest.raises(ModelError, match=f"^worker on {socket.gethostname()}: .*tiny.onnx: "):
        run_job(job, broken, tmp_path, ClusterOptions(cluster.address), lambda *_: None, print)
    older = replace(given, order=replace(given.order, version="0.0.1"))
    with pytest.raises(ModelError, match="install the same version on every machine"):
        run_job(job, older, tmp_path, ClusterOptions(cluster.address), lambda *_: None, print)
    elsewhere = replace(given, order=replace(given.order, local="not/here.jpg"))
    with pytest.raises(FileNotFoundError, match="mount the folder on every machine"):
        run_job(job, elsewhere, tmp_path, ClusterOptions(cluster.address), lambda *_: None, print)


def at_a_shard(machine: Any) -> list[int]:
    """The processes of this machine that answer a shard. Ray names its processes after the method that they run."""
    raylet = machine.all_processes["raylet"][0].process.pid
    return [child for child in children_of(raylet) if "ShardWorker.answer" in command_of(child)]


def test_a_machine_that_is_killed_in_mid_run_loses_no_row_and_gives_none_twice(
    cluster, tiny_model: Path, long_list: Path, tmp_path: Path
) -> None:
    job, given = prepared(tiny_model, long_list, 1000)
    said: list[str] = []

    def progress(done: int, total: int, note: str = "") -> None:
        if done and cluster.second is not None and (workers := comes_true(partial(at_a_shard, cluster.second), 2.0)):
            for worker in workers:  # without its raylet it would go on for a second
                os.kill(worker, signal.SIGKILL)
            cluster.remove_node(cluster.second, allow_graceful=False)
            cluster.second = None

    summary = run_job(job, given, tmp_path / "out", ClusterOptions(cluster.address), progress, said.append)
    found = rows(tmp_path / "out")
    assert [row["frame"] for row in found] == list(range(6000))
    assert [row["source"] for row in found] == long_list.read_text().splitlines()
    assert (summary.images, summary.missing, summary.workers, summary.workers_lost) == (6000, 0, 2, 1)
    assert any("a worker was lost" in line for line in said)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"out": None}, "name a folder for them with --out"),
        ({"out": Path("s3://bucket/out")}, "is no folder of this machine"),
        ({"batch": 4}, "--batch: is no option of --engine ray"),
        ({"save": Path("x")}, "--save: is no option of --engine ray"),
        ({"workers": 0}, "--workers 0: expected at least 1"),
        ({"shard_size": 0}, "--shard-size 0: expected at least 1"),
        ({"address": "nowhere"}, "--address nowhere: expected HOST:PORT"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    options: dict[str, Any], told: str, answer: Callable[..., int], shapes: Path
) -> None:
    with pytest.raises(UsageError, match=told):
        answer(shapes, **options)


def test_an_option_of_ray_without_ray_is_named(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    for command in (("predict", tiny_model, shapes), ("val", tiny_model, "--data", shapes)):
        done = edgecnn(*command, "--out", tmp_path / "out")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "--out: is an option of --engine ray" in done.stderr


def test_nobody_at_the_address_is_one_line_at_once(answer: Callable[..., int], shapes: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"--address {address}: nothing answers there"):
        answer(shapes, address=address)


def test_a_missing_extra_is_named(answer: Callable[..., int], shapes: Path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs fsspec, pyarrow, ray, .* pip install 'edgecnn\[ray\]'"):
        answer(shapes)


def test_a_folder_of_another_job_is_refused(
    answer: Callable[..., int], tiny_model: Path, tiny_int8_model: Path, shapes: Path, tmp_path: Path
) -> None:
    from edgecnn.scale.job import keep_job

    out = tmp_path / "out"
    out.mkdir()
    job, _ = prepared(tiny_model, shapes, 16)
    keep_job(out, replace(job, max_pixels=64_000_000))
    for told, given in (
        ("another model", {"model": tiny_int8_model}),
        ("another --shard-size", {"shard_size": 7}),
        ("another --threshold", {"threshold": 0.9}),
    ):
        with pytest.raises(OutputError, match=f"{out}: holds the answers of {told}.* name another --out"):
            answer(shapes, **given)
    with pytest.raises(OutputError, match="another list of images"):
        answer(shapes / "circle")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.txt").touch()
    with pytest.raises(OutputError, match="holds something else"):
        answer(shapes, out=tmp_path / "else")
    with pytest.raises(OutputError, match="cannot be written"):
        answer(shapes, out=Path("/proc/here"))


def test_a_dry_run_writes_nothing_and_tells_the_cost(
    answer: Callable[..., int], shapes: Path, tmp_path: Path, capsys
) -> None:
    assert answer(shapes, dry_run=True, json=True, core_price=2.0) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["shards"], found["missing"], found["sampled"]) == (40, 3, 40, 16)
    assert found["cost"] == pytest.approx(2 * 40 * found["seconds_per_image"] / 3600)
    assert not (tmp_path / "out").exists()
