"""The same model file from C++ and JavaScript, by onnxruntime alone, against Python. `scripts/install_native` brings what they need; nothing is fetched here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from shapes import CLASSES, shape_picture

from edgecnn import Classifier

ROOT = Path(__file__).parents[2]
CPP, JAVASCRIPT, NATIVE = ROOT / "examples" / "cpp", ROOT / "examples" / "javascript", ROOT / ".native"
NODE_MODULE = JAVASCRIPT / "node_modules" / "onnxruntime-node"
HEADER = NATIVE / "ort" / "include" / "onnxruntime_cxx_api.h"
COMPILER = os.environ.get("CXX", "g++")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the Makefile is written for Linux")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not NODE_MODULE.is_dir(), reason="no Node.js, or examples/javascript is not installed: scripts/install_native"
)
needs_cpp = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which("make") is None or not HEADER.is_file() or not (NATIVE / "json").is_dir(),
    reason="no C++ compiler, no make, or no headers: scripts/install_native",
)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """uint8 [32, 32, 32, 3], RGB of the tiny models' size: shapes, and noise that is neither."""
    shapes = [cv2.resize(shape_picture(name, seed), (32, 32))[..., ::-1] for name in CLASSES for seed in range(8)]
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    return np.concatenate([np.stack(shapes), noise // np.arange(1, 17, dtype=np.uint8)[:, None, None, None]])


@pytest.fixture(scope="module")
def wide_pictures(pictures: np.ndarray) -> np.ndarray:
    """The same, uint8 [32, 24, 40, 3]."""
    return np.stack([cv2.resize(picture, (40, 24)) for picture in pictures])


@pytest.fixture(scope="module")
def wheel_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library of the Python wheel, under the names that linker and program look for."""
    folder = tmp_path_factory.mktemp("lib")
    libraries = [p for p in (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*") if p.is_file()]
    if not libraries:
        pytest.skip("this onnxruntime has no library beside its Python module")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(libraries[0])
    return folder


@pytest.fixture(scope="module")
def cpp_program(tmp_path_factory: pytest.TempPathFactory, wheel_library: Path) -> Path:
    out = tmp_path_factory.mktemp("classify")
    ort = out / "ort"
    ort.mkdir()
    (ort / "include").symlink_to(HEADER.parent)
    (ort / "lib").symlink_to(wheel_library)
    command = ["make", "-C", CPP, f"ORT={ort}", f"JSON={NATIVE / 'json'}", f"OUT={out}", f"CXX={COMPILER}", "CXXFLAGS=-O0 -Wall -Wextra -Werror"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "classify"


def run_cpp(program: Path, model: Path, pixels: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, model], input=pixels, capture_output=True, check=False)


def run_javascript(model: Path, pixels: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["node", JAVASCRIPT / "classify.js", model], input=pixels, capture_output=True, check=False)


def answers(done: subprocess.CompletedProcess[bytes]) -> list[dict]:
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_python(model: Path, pictures: np.ndarray) -> tuple[np.ndarray, list[str], list[str]]:
    """Probabilities [N, C], statuses, labels of the largest."""
    with Classifier(model, ep="cpu", threads=1) as classifier:
        probabilities = classifier.session.probabilities(pictures)
        predictions = classifier.batch(list(pictures), color="rgb")
    return probabilities, [p.status for p in predictions], [p.top[0].label for p in predictions]


def probabilities_of(found: list[dict]) -> np.ndarray:
    return np.array([answer["probabilities"] for answer in found], np.float32)


def assert_same_decisions(found: list[dict], statuses: list[str], labels: list[str]) -> None:
    assert [answer["status"] for answer in found] == statuses
    assert [answer["label"] for answer in found] == labels


@pytest.fixture(scope="module", params=["max_probability", "feature_distance"])
def strict_model(request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float model for wide pictures, with labels that need care, and a rule that calls some unknown, by a score of either kind."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tiny_model)
    height, width = model.graph.input[0].type.tensor_type.shape.dim[1:3]
    height.dim_value, width.dim_value = 24, 40
    del model.graph.value_info[:]
    labels = ['naïve "circle"\\', "квадрат 🟦"]
    threshold = 0.95
    if request.param == "feature_distance":  # any number a picture will do
        axis = onnx.numpy_helper.from_array(np.array([1]), "axis")
        model.graph.initializer.append(axis)
        model.graph.node.append(onnx.helper.make_node("ReduceMean", ["embedding", "axis"], ["unknown_score"], keepdims=0))
        model.graph.output.append(onnx.helper.make_tensor_value_info("unknown_score", onnx.TensorProto.FLOAT, ["batch"]))
        threshold = 0.82
    metadata = {entry.key: entry for entry in model.metadata_props}
    manifest = json.loads(metadata["edgecnn"].value) | {"labels": labels}
    manifest["input"] |= {"height": 24, "width": 40}
    manifest["unknown"] |= {"score": request.param, "threshold": threshold}
    metadata["labels"].value = json.dumps(labels)
    metadata["edgecnn"].value = json.dumps(manifest)  # all but ASCII as \u escapes
    path = tmp_path_factory.mktemp("strict") / "strict.onnx"
    onnx.save(model, path)
    return path


@needs_cpp
@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_cpp_with_the_wheels_own_library_says_what_python_says_to_the_bit(
    name: str, cpp_program: Path, tiny_model: Path, pictures: np.ndarray
) -> None:
    model = tiny_model.with_name(name)
    expected, statuses, labels = in_python(model, pictures)
    found = answers(run_cpp(cpp_program, model, pictures.tobytes()))
    np.testing.assert_array_equal(probabilities_of(found), expected)
    assert_same_decisions(found, statuses, labels)


@needs_node
@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_javascript_says_what_python_says(name: str, tiny_model: Path, pictures: np.ndarray) -> None:
    model = tiny_model.with_name(name)
    expected, statuses, labels = in_python(model, pictures)
    found = answers(run_javascript(model, pictures.tobytes()))
    np.testing.assert_allclose(probabilities_of(found), expected, rtol=0, atol=1e-6)
    assert_same_decisions(found, statuses, labels)


@needs_cpp
def test_cpp_takes_size_labels_and_the_rule_for_unknown_from_the_file(cpp_program: Path, strict_model: Path, wide_pictures: np.ndarray) -> None:
    _, statuses, labels = in_python(strict_model, wide_pictures)
    assert set(statuses) == {"ok", "unknown"}
    assert_same_decisions(answers(run_cpp(cpp_program, strict_model, wide_pictures.tobytes())), statuses, labels)


@needs_node
def test_javascript_takes_size_labels_and_the_rule_for_unknown_from_the_file(strict_model: Path, wide_pictures: np.ndarray) -> None:
    _, statuses, labels = in_python(strict_model, wide_pictures)
    assert set(statuses) == {"ok", "unknown"}
    assert_same_decisions(answers(run_javascript(strict_model, wide_pictures.tobytes())), statuses, labels)


@needs_cpp
def test_cpp_refuses_half_a_picture_and_a_missing_model_in_a_line(cpp_program: Path, tiny_model: Path) -> None:
    for model, pixels, what in ((tiny_model, bytes(3071), "3071 bytes"), (Path("nowhere.onnx"), b"", "nowhere.onnx")):
        done = run_cpp(cpp_program, model, pixels)
        assert (done.returncode, done.stdout) == (2, b"")
        assert what in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


@needs_node
def test_javascript_refuses_half_a_picture_and_a_missing_model_in_a_line(tiny_model: Path) -> None:
    for model, pixels, what in ((tiny_model, bytes(3071), "3071 bytes"), (Path("nowhere.onnx"), b"", "nowhere.onnx")):
        done = run_javascript(model, pixels)
        assert (done.returncode, done.stdout) == (2, b"")
        assert what in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
