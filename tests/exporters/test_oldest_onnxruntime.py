"""Model files run on the oldest onnxruntime that pyproject.toml allows, in a venv of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from harmed import write_harmed_model

from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.models.registry import find_model
from exporters import ExportOptions, QuantizeOptions, export_onnx, quantize

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-oldest" / "bin" / "python"
ANSWERS = """
import sys, numpy, onnxruntime
from edgecnn.runtime.session.opening import open_session
print(onnxruntime.__version__)
print(open_session(sys.argv[1], "cpu").probabilities(numpy.load(sys.argv[2])).tolist())
"""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-oldest; scripts/install_oldest makes it")


def _export(name: str, size: int, path: Path, precision: str = "fp32") -> Path:
    spec = find_model(name)
    torch.manual_seed(0)
    manifest = Manifest(
        ("circle", "square"),
        InputSpec(size, size),
        PreprocessSpec(),
        spec.normalization,
        UnknownRule(),
        TrainingRecord(name, "", "", None, None),
        "t",
    )
    export_onnx(spec.build(2, size).eval(), path, ExportOptions(precision=precision), manifest=manifest)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def files(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("oldest")
    made = {name: _export("mobilenetv3_small", 32, folder / f"{name}.onnx", name) for name in ("fp32", "fp16")}
    made["int8"], made["mixed"] = folder / "int8.onnx", folder / "mixed.onnx"
    quantize(
        _export("mobilenetv2", 32, folder / "v2.onnx"),
        shapes,
        made["int8"],
        QuantizeOptions(method="minmax", max_drop=1.0, min_speedup=0.0),
    )
    quantize(
        write_harmed_model(folder / "six.onnx", folder / "training"),
        shapes,
        made["mixed"],
        QuantizeOptions(method="minmax", max_drop=0.1, min_speedup=0.0),
    )
    return made


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "mixed"])
def test_the_oldest_onnxruntime_proves_the_file_and_answers_the_same(
    precision: str, files: dict[str, Path], tmp_path: Path
) -> None:
    session = open_session(files[precision], "cpu")
    assert session.manifest.precision == precision
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    proof = subprocess.run(
        [PYTHON, "-m", "edgecnn", "doctor", files[precision], "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert json.loads(proof.stdout)["ok"] is True
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [PYTHON, "-c", ANSWERS, files[precision], tmp_path / "images.npy"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    version, answers = done.stdout.splitlines()
    assert version.startswith("1.23.")
    assert np.abs(np.array(json.loads(answers)) - session.probabilities(images)).max() < {
        "fp32": 1e-5,
        "fp16": 5e-3,
    }.get(precision, 0.02)
