"""Model files run on the oldest onnxruntime that pyproject.toml allows, in a venv of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from untrained import shared_backend

from edgecnn.runtime.session.opening import open_session
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


@pytest.fixture(scope="module")
def files(
    shapes: Path, float_file: Callable[[str], Path], harmed: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("oldest")
    made = {name: folder / f"{name}.onnx" for name in ("fp16", "int8", "mixed")}
    export_onnx(shared_backend("mobilenetv3_small"), made["fp16"], ExportOptions(precision="fp16"))
    gates = {"method": "minmax", "min_speedup": 0.0}
    quantize(float_file("mobilenetv2"), shapes, made["int8"], QuantizeOptions(max_drop=1.0, **gates))
    quantize(harmed, shapes, made["mixed"], QuantizeOptions(max_drop=0.1, **gates))
    return made | {"fp32": float_file("mobilenetv3_small")}


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
    side = session.manifest.input.height
    images = np.random.default_rng(0).integers(0, 256, (8, side, side, 3), np.uint8)
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
