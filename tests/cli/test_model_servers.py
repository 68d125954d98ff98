"""The folder that Triton and OpenVINO Model Server serve, held against Triton's own schema and the model file."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from recurrent_models import write_recurrent

from edgecnn import Classifier
from edgecnn.runtime.onnx_file.tensor_info import TensorInfo

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving" / "model_repository.py"
TYPES = {
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(int64)": "TYPE_INT64",
}


def load(file: Path) -> Any:
    """A Python file as a module, without the package around it."""
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schema() -> Any:
    """Triton's schema, which its client ships; its package for gRPC is not imported, since that needs gRPC."""
    package = find_spec("tritonclient")
    assert package is not None
    assert package.submodule_search_locations is not None
    return load(Path(package.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py")


def write(model: Path, repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLE, model, repository, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def repository(tiny_model: Path, tiny_int8_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "repository"
    recurrent = tmp_path_factory.mktemp("recurrent") / "door.onnx"
    write_recurrent(recurrent)
    for model, name in ((tiny_model, "shapes"), (tiny_int8_model, "shapes_int8"), (recurrent, "door")):
        done = write(model, folder, "--name", name)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return folder


def test_the_folder_for_model_servers_is_what_their_schema_and_the_file_say(repository: Path, tiny_model: Path) -> None:
    pb = schema()
    for name in ("shapes", "shapes_int8", "door"):
        config = text_format.Parse((repository / name / "config.pbtxt").read_text(), pb.ModelConfig())
        assert (config.name, config.backend, config.max_batch_size) == (name, "onnxruntime", 8)
        session = onnxruntime.InferenceSession(repository / name / "1" / "model.onnx")
        for given, own in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
            assert [one.name for one in given] == [one.name for one in own]
            for one, real in zip(given, own, strict=True):
                assert pb.DataType.Name(one.data_type) == TYPES[real.type]
                assert isinstance(real.shape[0], str)  # free: Triton makes the batches
                assert list(one.dims) == [side if isinstance(side, int) else -1 for side in real.shape[1:]]
    assert (repository / "shapes" / "1" / "model.onnx").read_bytes() == tiny_model.read_bytes()


def test_one_number_per_image_is_a_list_of_one_for_triton() -> None:
    """Triton refuses a configuration in which a tensor has no sizes (``must specify 'dims'``)."""
    inputs = (TensorInfo("image", "uint8", ("batch", 32, 32, 3)),)
    outputs = (TensorInfo("probabilities", "float", ("batch", 2)), TensorInfo("unknown_score", "float", ("batch",)))
    text = load(EXAMPLE).triton("shapes", inputs, outputs, 8)
    probabilities, score = text_format.Parse(text, schema().ModelConfig()).output
    assert (list(probabilities.dims), probabilities.HasField("reshape")) == ([2], False)
    assert (list(score.dims), score.HasField("reshape"), list(score.reshape.shape)) == ([1], True, [])


def test_triton_can_answer_with_labels(repository: Path, tiny_model: Path) -> None:
    config = text_format.Parse((repository / "shapes" / "config.pbtxt").read_text(), schema().ModelConfig())
    named = {output.name: output.label_filename for output in config.output}
    assert named["probabilities"] == "labels.txt"
    assert not any(file for name, file in named.items() if name != "probabilities")
    with Classifier(tiny_model, ep="cpu") as classifier:
        assert (repository / "shapes" / "labels.txt").read_text().splitlines() == list(classifier.labels)


def test_the_configuration_for_openvino_lists_every_model(repository: Path) -> None:
    listed = json.loads((repository / "config.json").read_text())["model_config_list"]
    assert [one["config"]["name"] for one in listed] == ["door", "shapes", "shapes_int8"]
    for one in listed:
        folder = repository / Path(one["config"]["base_path"]).relative_to("/models")
        assert [file.name for file in (folder / "1").iterdir()] == ["model.onnx"]


def test_openvino_runs_the_file_as_the_runner_does(repository: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="needs openvino, which is in no extra")
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for name in ("shapes", "shapes_int8"):
        file = repository / name / "1" / "model.onnx"
        compiled = openvino.Core().compile_model(openvino.Core().read_model(file), "CPU")
        found = compiled({"image": images})["probabilities"]
        (expected,) = onnxruntime.InferenceSession(file).run(["probabilities"], {"image": images})
        assert np.abs(found - expected).max() < 0.02, name


def test_a_file_that_cannot_prove_itself_is_not_put_there(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    done = write(tmp_path / "model.onnx", tmp_path / "repository")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "repository").exists()
