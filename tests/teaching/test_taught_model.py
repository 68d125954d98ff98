"""A taught file is an ordinary model file: every command takes it as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from taught_models import LABELS, taught_stripes, write_fresh

from edgecnn.runtime.session.opening import open_session


@pytest.fixture(scope="module", params=["tiny.onnx", "tiny.int8.onnx"], ids=["float", "int8"])
def taught(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float or an int8 file to which a class was added."""
    return taught_stripes(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fresh(tmp_path_factory.mktemp("fresh"))


def result_of(edgecnn, *arguments: object) -> dict:
    done = edgecnn(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_predict_and_val(taught: Path, fresh: Path, edgecnn) -> None:
    done = edgecnn("predict", taught, fresh / "stripes", "--format", "jsonl", "--threshold", 2)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["top"][0]["label"] for row in answers].count("stripes") >= 18
    assert all(row["model_sha256"] == open_session(taught).sha256 for row in answers)
    found = result_of(edgecnn, "val", taught, "--data", fresh, "--split", "all")
    assert (found["images"], tuple(found["labels"])) == (60, LABELS)
    assert found["top1"] > 0.9


def test_doctor_inspect_and_benchmark(taught: Path, edgecnn) -> None:
    assert result_of(edgecnn, "doctor", taught)["ok"] is True
    manifest = result_of(edgecnn, "inspect", taught)["manifest"]
    assert (tuple(manifest["labels"]), manifest["taught"]["labels"]) == (LABELS, ["stripes"])
    assert result_of(edgecnn, "benchmark", taught, "--seconds", 0.1)["images_per_s"] > 0


def test_verify_against_itself(taught: Path, fresh: Path, edgecnn) -> None:
    found = result_of(edgecnn, "verify", taught, taught, "--data", fresh)
    assert found["passed"] is True
    assert found["stages"][0]["max_abs_diff"] == 0


def test_bundle(taught: Path, tmp_path: Path, edgecnn) -> None:
    pytest.importorskip("model_signing", reason="bundles need the extra serve")
    found = result_of(edgecnn, "bundle", taught, "-o", tmp_path / "device")
    assert "model.onnx" in found["files"]
    assert (tmp_path / "device" / "model.onnx").read_bytes() == taught.read_bytes()


def test_serve(taught: Path, fresh: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="the service needs the extra serve")
    from serving.running import ask, running

    with running(tmp_path, models=[{"file": taught}]) as service:
        answer = ask(f"{service.url}/api/classify", body=next((fresh / "stripes").iterdir()).read_bytes())
    assert answer.status == 200, answer.content
    assert answer.json["top"][0]["label"] == "stripes"


def test_quantized_after_a_class_was_added_and_taught_again(
    fresh: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, edgecnn
) -> None:
    pytest.importorskip("onnx", reason="models are quantized with onnx, which devices do not have")
    taught = taught_stripes("tiny.onnx", tmp_path_factory)
    out = tmp_path / "taught.int8.onnx"
    options = ("--max-drop", 0.05, "--min-speedup", 0, "--method", "minmax")
    found = result_of(edgecnn, "quantize", taught, "--data", fresh, "--out", out, *options)
    assert found["decision"] in {"int8", "mixed"}, found["reason"]
    session = open_session(out, prove=True)
    assert session.manifest.labels == LABELS
    assert session.manifest.taught is not None
    assert result_of(edgecnn, "val", out, "--data", fresh, "--split", "all")["top1"] > 0.9
    done = edgecnn("teach", out, "--data", fresh, "--json", "--out", tmp_path / "again.onnx")
    assert done.returncode in {0, 3}, done.stderr
    assert tuple(json.loads(done.stdout)["labels"]) == LABELS
