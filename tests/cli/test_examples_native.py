"""The same model file from C++ and JavaScript, by onnxruntime alone, against Python.

`scripts/install_native` brings what they need; nothing is fetched here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from recurrent_models import SIDE, write_clip_file, write_recurrent
from shapes import CLASSES, shape_image
from taught_models import taught_stripes, write_fresh

from edgecnn import Classifier, Prediction
from edgecnn.runtime.golden.samples import GoldenSamples

ROOT = Path(__file__).parents[2]
CPP, JAVASCRIPT, NATIVE = ROOT / "examples" / "cpp", ROOT / "examples" / "javascript", ROOT / ".native"
NODE_MODULE = JAVASCRIPT / "node_modules" / "onnxruntime-node"
HEADER = NATIVE / "ort" / "include" / "onnxruntime_cxx_api.h"
COMPILER = os.environ.get("CXX", "g++")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the Makefile is written for Linux")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not NODE_MODULE.is_dir(),
    reason="no Node.js, or examples/javascript is not installed: scripts/install_native",
)
needs_cpp = pytest.mark.skipif(
    shutil.which(COMPILER) is None
    or shutil.which("make") is None
    or not HEADER.is_file()
    or not (NATIVE / "json").is_dir(),
    reason="no C++ compiler, no make, or no headers: scripts/install_native",
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """uint8 [32, 32, 32, 3], RGB of the tiny models' size: shapes, and noise that is neither."""
    shapes = [cv2.resize(shape_image(name, seed), (32, 32))[..., ::-1] for name in CLASSES for seed in range(8)]
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    return np.concatenate([np.stack(shapes), noise // np.arange(1, 17, dtype=np.uint8)[:, None, None, None]])


@pytest.fixture(scope="module")
def wide_images(images: np.ndarray) -> np.ndarray:
    """The same, uint8 [32, 24, 40, 3]."""
    return np.stack([cv2.resize(image, (40, 24)) for image in images])


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
    command = [
        "make",
        "-C",
        CPP,
        f"ORT={ort}",
        f"JSON={NATIVE / 'json'}",
        f"OUT={out}",
        f"CXX={COMPILER}",
        "CXXFLAGS=-O0 -Wall -Wextra -Werror",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "classify"


Program = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(params=[pytest.param("cpp", marks=needs_cpp), pytest.param("javascript", marks=needs_node)])
def classify(request: pytest.FixtureRequest) -> Program:
    """The program in C++ and that in JavaScript, run on a model file and raw pixels."""
    command = (
        [request.getfixturevalue("cpp_program")] if request.param == "cpp" else ["node", JAVASCRIPT / "classify.js"]
    )

    def run(model: Path, pixels: bytes, *options: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, model, *options], input=pixels, capture_output=True, env={**os.environ, **env}, check=False
        )

    return run


def answers(done: subprocess.CompletedProcess[bytes]) -> list[dict]:
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_python(model: Path, images: np.ndarray) -> tuple[np.ndarray, list[Prediction]]:
    """Probabilities [N, C], and the answers."""
    with Classifier(model, ep="cpu", threads=1) as classifier:
        return classifier.session.probabilities(images), classifier.batch(list(images), color="rgb")


def probabilities_of(found: list[dict]) -> np.ndarray:
    return np.array([answer["probabilities"] for answer in found], np.float32)


def assert_same_decisions(found: list[dict], expected: list[Prediction]) -> None:
    """Label and score are null unless the status is `ok`, there as here."""
    assert [(answer["status"], answer["label"]) for answer in found] == [(p.status, p.label) for p in expected]
    assert [answer["score"] is None for answer in found] == [p.score is None for p in expected]
    np.testing.assert_allclose(
        [a["score"] for a in found if a["score"] is not None],
        [p.score for p in expected if p.score is not None],
        atol=1e-6,
    )


@pytest.fixture(scope="module", params=["max_probability", "feature_distance"])
def strict_model(request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float model for wide images, with labels that need care, and a rule that calls some unknown, by a score of either kind."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tiny_model)
    height, width = model.graph.input[0].type.tensor_type.shape.dim[1:3]
    height.dim_value, width.dim_value = 24, 40
    del model.graph.value_info[:]
    labels = ['naïve "circle"\\', "квадрат 🟦"]
    threshold = 0.95
    if request.param == "feature_distance":  # any number an image will do
        axis = onnx.numpy_helper.from_array(np.array([1]), "axis")
        model.graph.initializer.append(axis)
        model.graph.node.append(
            onnx.helper.make_node("ReduceMean", ["embedding", "axis"], ["unknown_score"], keepdims=0)
        )
        model.graph.output.append(
            onnx.helper.make_tensor_value_info("unknown_score", onnx.TensorProto.FLOAT, ["batch"])
        )
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


@pytest.fixture(scope="module", params=["NaN", "flat"])
def senseless_model(request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float model with last weights that are no numbers, or that tell nothing apart."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tiny_model)
    last = [node for node in model.graph.node if node.op_type in ("Gemm", "MatMul", "Conv")][-1]
    for tensor in model.graph.initializer:
        if tensor.name in last.input:
            values = np.full_like(onnx.numpy_helper.to_array(tensor), np.nan if request.param == "NaN" else 0)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    path = tmp_path_factory.mktemp("senseless") / "senseless.onnx"
    onnx.save(model, path)
    return path


def golden_pixels(model: Path) -> np.ndarray:
    """uint8 [S, 32, 32, 3] RGB"""
    with Classifier(model, ep="cpu") as classifier:
        golden = classifier.session.description.golden()
        assert golden is not None
        return golden.images


@needs_cpp
@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
@pytest.mark.parametrize("classify", ["cpp"], indirect=True)
def test_cpp_with_the_wheels_own_library_says_what_python_says_to_the_bit(
    name: str, classify: Program, tiny_model: Path, images: np.ndarray
) -> None:
    expected, _ = in_python(tiny_model.with_name(name), images)
    np.testing.assert_array_equal(
        probabilities_of(answers(classify(tiny_model.with_name(name), images.tobytes()))), expected
    )


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_either_says_what_python_says(name: str, classify: Program, tiny_model: Path, images: np.ndarray) -> None:
    model = tiny_model.with_name(name)
    probabilities, predictions = in_python(model, images)
    found = answers(classify(model, images.tobytes()))
    np.testing.assert_allclose(probabilities_of(found), probabilities, rtol=0, atol=1e-6)
    assert_same_decisions(found, predictions)


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_either_says_of_a_taught_file_what_python_says(
    name: str, classify: Program, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a file with an added class, and with a rule for `unknown` by the features."""
    model = taught_stripes(name, tmp_path_factory)
    files = sorted(write_fresh(tmp_path / "fresh", 6).rglob("*.png"))
    seen = [cv2.resize(cv2.imread(str(path)), (32, 32))[..., ::-1] for path in files]
    colours = np.zeros((2, 32, 32, 3), np.uint8)  # nothing like them was taught
    colours[0, ..., 0], colours[1, ..., 2] = 255, 255
    images = np.concatenate([np.stack(seen), colours])
    with Classifier(model, ep="cpu", threads=1) as classifier:
        golden = classifier.session.description.golden()
        assert classifier.manifest.unknown.score == "feature_distance"
    assert golden is not None
    assert golden.unknown_scores is not None
    expected, predictions = in_python(model, images)
    assert {p.status for p in predictions} == {"ok", "unknown"}
    found = answers(classify(model, images.tobytes()))
    np.testing.assert_allclose(probabilities_of(found), expected, rtol=0, atol=1e-5)
    assert_same_decisions(found, predictions)
    proven = json.loads(classify(model, golden.images.tobytes(), "--golden").stdout)
    assert proven["passed"] is True
    assert proven["max_abs_diff"] <= 1e-5, "probabilities and unknown scores"


def test_either_takes_size_labels_and_the_rule_for_unknown_from_the_file(
    classify: Program, strict_model: Path, wide_images: np.ndarray
) -> None:
    _, predictions = in_python(strict_model, wide_images)
    assert {p.status for p in predictions} == {"ok", "unknown"}
    assert_same_decisions(answers(classify(strict_model, wide_images.tobytes())), predictions)


def test_either_makes_no_decision_of_outputs_that_are_none(
    classify: Program, senseless_model: Path, images: np.ndarray
) -> None:
    _, predictions = in_python(senseless_model, images)
    assert {p.status for p in predictions} == {"no_decision"}
    assert_same_decisions(answers(classify(senseless_model, images.tobytes())), predictions)


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_either_proves_the_model_by_its_golden_samples(name: str, classify: Program, tiny_model: Path) -> None:
    model = tiny_model.with_name(name)
    pixels = golden_pixels(model)
    done = classify(model, pixels.tobytes(), "--golden")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["passed"], found["samples"]) == (True, len(pixels))
    assert found["max_abs_diff"] <= 1e-6
    other = classify(model, pixels[::-1].tobytes(), "--golden")
    assert (other.returncode, json.loads(other.stdout)["passed"]) == (3, False)
    few = classify(model, pixels[1:].tobytes(), "--golden")
    assert (few.returncode, few.stdout) == (2, b"")
    assert b"golden samples" in few.stderr


def test_golden_samples_hold_the_unknown_score_too(
    classify: Program, strict_model: Path, wide_images: np.ndarray, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    images = np.ascontiguousarray(wide_images[:4])
    with Classifier(strict_model, ep="cpu", threads=1) as classifier:
        outputs = classifier.session.outputs(images, ("unknown_score",))
    for off, status in ((0.0, 0), (0.1, 3)):
        scores = None if outputs.unknown_scores is None else outputs.unknown_scores + np.float32(off)
        model = onnx.load(strict_model)
        entry = next(entry for entry in model.metadata_props if entry.key == "edgecnn.golden")
        entry.value = GoldenSamples(images, outputs.probabilities, 1e-3, scores).to_json()
        onnx.save(model, tmp_path / "golden.onnx")
        done = classify(tmp_path / "golden.onnx", images.tobytes(), "--golden")
        assert done.returncode == (0 if scores is None else status), done.stderr


def test_a_model_that_gives_no_numbers_does_not_prove_itself(classify: Program, senseless_model: Path) -> None:
    done = classify(senseless_model, golden_pixels(senseless_model).tobytes(), "--golden")
    assert (done.returncode, json.loads(done.stdout)["passed"]) == (3, False)


def test_either_refuses_half_an_image_and_a_missing_model_in_a_line(classify: Program, tiny_model: Path) -> None:
    for model, pixels, what in ((tiny_model, bytes(3071), "3071 bytes"), (Path("nowhere.onnx"), b"", "nowhere.onnx")):
        done = classify(model, pixels)
        assert (done.returncode, done.stdout) == (2, b"")
        assert what in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


def test_either_keeps_onnxruntime_from_making_a_number_for_the_device(
    classify: Program, tiny_model: Path, tmp_path: Path
) -> None:
    """The library writes it where it reports at all; where it does not, this shows nothing."""
    assert classify(tiny_model, bytes(3072), HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)).returncode == 0
    assert list(tmp_path.rglob("*")) == []


@pytest.fixture(scope="module", params=["gru", "lstm"])
def step_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    return write_recurrent(tmp_path_factory.mktemp("step") / "m.onnx", request.param)


def test_either_carries_the_state_from_frame_to_frame(classify: Program, step_file: Path) -> None:
    frames = np.random.default_rng(5).integers(0, 256, (40, 1, 1, 3), np.uint8).repeat(SIDE, 1).repeat(SIDE, 2)
    with Classifier(step_file, ep="cpu", threads=1) as classifier:
        state, expected = classifier.session.start(1), []
        for frame in frames:
            outputs = classifier.session.step(frame[None], state)
            state = outputs.state
            expected.append(outputs.probabilities[0])
    found = probabilities_of(answers(classify(step_file, frames.tobytes())))
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-6)
    alone = probabilities_of(answers(classify(step_file, frames[-1:].tobytes())))
    assert np.abs(alone[0] - found[-1]).max() > 1e-3, "the frames before it count"


def test_either_proves_the_state_by_golden_sequences(classify: Program, step_file: Path) -> None:
    pixels = golden_pixels(step_file)
    done = classify(step_file, pixels.tobytes(), "--golden")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == len(pixels)
    other = classify(step_file, pixels[[1, 0, *range(2, len(pixels))]].tobytes(), "--golden")
    assert (other.returncode, json.loads(other.stdout)["passed"]) == (3, False)


def test_golden_sequences_begin_at_zeros(classify: Program, step_file: Path, tmp_path: Path) -> None:
    """Whoever carried the state on from one sequence to the next would pass samples that say they are one."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(step_file)
    entry = next(entry for entry in model.metadata_props if entry.key == "edgecnn.golden")
    golden = json.loads(entry.value)
    for sample in golden["samples"]:
        sample["sequence"] = 0
    entry.value = json.dumps(golden)
    onnx.save(model, tmp_path / "one.onnx")
    assert classify(tmp_path / "one.onnx", golden_pixels(step_file).tobytes(), "--golden").returncode == 3


def test_either_refuses_the_clip_file(classify: Program, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    done = classify(write_clip_file(tmp_path / "m.clip.onnx"), b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"give the step file" in done.stderr
