"""The Open Inference Protocol, used by Triton's client, which nobody here wrote, and by hand where that sends nothing wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving.running import MODELS, TINY, ask, running

from edgecnn import Classifier
from edgecnn.serving.running import RunningService

triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
from tritonclient.utils import InferenceServerException  # noqa: E402

SIDE = 32
PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = [{"name": "main", "file": TINY}, {"name": "int8", "file": MODELS / "tiny.int8.onnx"}]
    with running(tmp_path_factory.mktemp("service"), models=models) as service:
        yield service


@pytest.fixture
def client(service: RunningService) -> Iterator[object]:
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    yield client
    client.close()


def image_input(pixels: np.ndarray = PIXELS, *, binary: bool = True) -> object:
    made = triton.InferInput("image", list(pixels.shape), "UINT8")
    return made.set_data_from_numpy(pixels, binary_data=binary)


def post(
    service: RunningService, request: object, *, path: str = "/v2/models/main/infer", tail: bytes = b"", **headers: str
):
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    if tail:
        headers.setdefault("Inference-Header-Content-Length", str(len(text)))
    return ask(service.url + path, body=text + tail, headers=headers)


def infer_request(**changes: object) -> dict:
    data = PIXELS[:1].ravel().tolist()
    return {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, SIDE, SIDE, 3], "data": data, **changes}]}


def expected(file: Path = TINY, pixels: np.ndarray = PIXELS) -> np.ndarray:
    with Classifier(file, ep="cpu") as classifier:
        return classifier.session.probabilities(pixels)


def test_triton_finds_server_and_model(client, service: RunningService) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("main")
    assert client.get_server_metadata()["name"] == "edgecnn"
    sha256 = service.service.models["main"].current.sha256
    for found in (client.get_model_metadata("main"), client.get_model_metadata("main", sha256[:12])):
        assert found["versions"] == [sha256[:12]]
        assert found["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, SIDE, SIDE, 3]}]
        assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]} in found["outputs"]
        assert found["parameters"] == {"model_sha256": sha256, "labels": ["circle", "square"]}


@pytest.mark.parametrize("sent_binary", [True, False])
@pytest.mark.parametrize("asked_binary", [True, False])
def test_triton_infers_the_numbers_of_the_runner(client, service, sent_binary: bool, asked_binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=asked_binary)]
    result = client.infer("main", [image_input(binary=sent_binary)], outputs=outputs, request_id="7")
    np.testing.assert_array_equal(result.as_numpy("probabilities"), expected())
    answered = result.get_response()
    sha256 = service.service.models["main"].current.sha256
    assert (answered["model_name"], answered["model_version"], answered["id"]) == ("main", sha256[:12], "7")
    assert answered["parameters"]["model_sha256"] == sha256


def test_without_a_choice_all_outputs_come(client, service) -> None:
    result = client.infer("main", [image_input()])
    names = [output["name"] for output in result.get_response()["outputs"]]
    assert names == [output["name"] for output in client.get_model_metadata("main")["outputs"]]
    if "embedding" in names:
        assert result.as_numpy("embedding").shape[0] == len(PIXELS)


def test_each_model_answers_under_its_own_name(client) -> None:
    result = client.infer("int8", [image_input()])
    np.testing.assert_array_equal(result.as_numpy("probabilities"), expected(MODELS / "tiny.int8.onnx"))


def test_a_batch_that_is_run_in_parts_is_answered_whole(client) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (19, SIDE, SIDE, 3), np.uint8)
    result = client.infer("main", [image_input(pixels)])
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected(pixels=pixels), atol=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_the_best_classes_come_as_text(client, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)]
    found = client.infer("main", [image_input()], outputs=outputs).as_numpy("probabilities")
    assert found.shape == (3, 1)
    texts = [text.decode() if isinstance(text, bytes) else text for text in found[:, 0]]
    for text, row in zip(texts, expected(), strict=True):
        score, index, label = text.split(":")
        assert (int(index), label) == (int(row.argmax()), ("circle", "square")[int(row.argmax())])
        assert float(score) == pytest.approx(row.max(), abs=1e-6)


def test_a_version_that_does_not_serve_is_refused(client, service) -> None:
    with pytest.raises(InferenceServerException, match="this version does not serve"):
        client.infer("main", [image_input()], model_version="0" * 12)
    sha256 = service.service.models["main"].current.sha256
    assert client.is_model_ready("main", sha256[:12])
    assert not client.is_model_ready("main", "0" * 12)


def test_an_unknown_model_is_refused(client) -> None:
    with pytest.raises(InferenceServerException, match="no such model; there are: main, int8"):
        client.infer("other", [image_input()])


def test_another_size_is_refused_with_what_is_expected(client) -> None:
    with pytest.raises(InferenceServerException, match=r"UINT8 \[N, 32, 32, 3\]"):
        client.infer("main", [image_input(np.zeros((1, 64, 64, 3), np.uint8))])


def test_compressed_requests_are_refused(client) -> None:
    with pytest.raises(InferenceServerException, match="compressed"):
        client.infer("main", [image_input()], request_compression_algorithm="gzip")


def test_an_output_that_the_model_lacks_is_refused(client) -> None:
    with pytest.raises(InferenceServerException, match="no such output; it has probabilities"):
        client.infer("main", [image_input()], outputs=[triton.InferRequestedOutput("logits")])


def test_sequences_and_shared_memory_are_refused(client) -> None:
    with pytest.raises(InferenceServerException, match="sequences are not supported"):
        client.infer("main", [image_input()], sequence_id=5, sequence_start=True)
    shared = triton.InferInput("image", [1, SIDE, SIDE, 3], "UINT8")
    shared.set_shared_memory("region", SIDE * SIDE * 3)
    with pytest.raises(InferenceServerException, match="shared memory is not supported"):
        client.infer("main", [shared])


@pytest.mark.parametrize("nested", [True, False])
def test_data_may_be_nested_or_flat(service, nested: bool) -> None:
    data = PIXELS[:1].tolist() if nested else PIXELS[:1].ravel().tolist()
    answer = post(service, infer_request(data=data))
    assert answer.status == 200, answer.content
    (probabilities,) = [o for o in answer.json["outputs"] if o["name"] == "probabilities"]
    np.testing.assert_allclose(probabilities["data"], expected(pixels=PIXELS[:1]).ravel(), rtol=1e-6)


FAULTS = {
    "no JSON": (b"\x89PNG", "no JSON object"),
    "a list": (b"[]", "no JSON object"),
    "very deep": (b"[" * 100_000, "no JSON object"),
    "a constant": (b'{"inputs": NaN}', "no JSON object"),
    "a huge number": (b'{"inputs": ' + b"9" * 5000 + b"}", "no JSON object"),
    "no input": ({}, "expected one input 'image'"),
    "inputs no list": ({"inputs": 5}, "list of objects"),
    "another name": (infer_request(name="pixels"), "expected one input 'image'"),
    "two inputs": ({"inputs": infer_request()["inputs"] * 2}, "expected one input 'image'"),
    "floats": (infer_request(datatype="FP32"), "not UINT8"),
    "no shape": (infer_request(shape=None), "no list of four numbers"),
    "three numbers": (infer_request(shape=[SIDE, SIDE, 3]), "no list of four numbers"),
    "true as a number": (infer_request(shape=[True, SIDE, SIDE, 3]), "no list of four numbers"),
    "no image": (infer_request(shape=[0, SIDE, SIDE, 3], data=[]), "0 images"),
    "a negative number": (infer_request(shape=[-1, SIDE, SIDE, 3]), "-1 images"),
    "too many images": (infer_request(shape=[10**9, SIDE, SIDE, 3]), "1 to 64"),
    "too little data": (infer_request(data=[0, 1]), "whole numbers from 0 to 255"),
    "ragged data": (infer_request(data=[[0], [0, 1]]), "no array"),
    "texts": (infer_request(data=["0"] * (SIDE * SIDE * 3)), "whole numbers"),
    "fractions": (infer_request(data=[0.5] * (SIDE * SIDE * 3)), "whole numbers"),
    "above 255": (infer_request(data=[256] * (SIDE * SIDE * 3)), "does not fit UINT8"),
    "below 0": (infer_request(data=[-1] * (SIDE * SIDE * 3)), "does not fit UINT8"),
    "beyond 64 bits": (infer_request(data=[2**80] * (SIDE * SIDE * 3)), "whole numbers"),
    "no data": (infer_request(data=None), "whole numbers"),
    "an id that is no text": ({**infer_request(), "id": {"a": 1}}, "id is a text"),
    "a long id": ({**infer_request(), "id": "x" * 1000}, "id is a text"),
    "outputs no list": ({**infer_request(), "outputs": {"name": "probabilities"}}, "list of objects"),
    "an output twice": ({**infer_request(), "outputs": [{"name": "probabilities"}] * 2}, "asked for twice"),
    "classes below 0": (
        {**infer_request(), "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
        "classification is a number",
    ),
    "parameters no object": ({**infer_request(), "parameters": [1]}, "parameters is an object"),
    "binary no boolean": ({**infer_request(), "parameters": {"binary_data_output": "yes"}}, "true or false"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_request_is_told_what_is_expected(service, fault: str) -> None:
    request, said = FAULTS[fault]
    answer = post(service, request)
    assert answer.status == 400
    assert said in answer.json["error"]


def test_binary_data_must_have_the_size_of_its_shape(service) -> None:
    size = SIDE * SIDE * 3
    request = infer_request(parameters={"binary_data_size": size})
    del request["inputs"][0]["data"]
    assert post(service, request, tail=PIXELS[:1].tobytes()).status == 200
    assert "bytes of binary data" in post(service, request, tail=bytes(size - 1)).json["error"]
    assert "bytes of binary data" in post(service, request, tail=bytes(size + 1)).json["error"]
    both = infer_request(parameters={"binary_data_size": size})
    assert "both data and binary_data_size" in post(service, both, tail=bytes(size)).json["error"]
    assert "bytes behind the JSON" in post(service, infer_request(), tail=b"x").json["error"]


@pytest.mark.parametrize("header", ["-1", "1e3", "99999999", "٣", "", "9" * 400])
def test_a_wrong_header_length_is_refused(service, header: str) -> None:
    answer = post(service, infer_request(), **{"Inference-Header-Content-Length": header.encode().decode("latin-1")})
    assert answer.status == 400
    assert "Inference-Header-Content-Length" in answer.json["error"]


def test_large_json_is_refused_before_it_is_parsed(service) -> None:
    answer = post(service, b'{"inputs": [' + b"[]," * 1_500_000 + b"[]]}")
    assert answer.status == 400
    assert "send images as binary tensors" in answer.json["error"]


def test_a_swap_changes_the_version_of_the_answers(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        model = service.service.first_model
        before = post(service, infer_request()).json["model_version"]
        model.replace(service.service.open_model("main", MODELS / "tiny.int8.onnx"))
        after = post(service, infer_request()).json
        assert after["model_version"] == model.current.sha256[:12] != before
        assert after["parameters"]["model_sha256"] == model.current.sha256


def test_a_number_that_is_not_finite_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as service:
        session = service.service.first_model.current.classifier.session
        monkeypatch.setattr(
            session, "_run", lambda names, images: [np.full((len(images), 2), np.nan, np.float32)] * len(names)
        )
        answer = post(service, infer_request())
    assert answer.status == 500
    assert "invalid output" in answer.json["error"]


def test_a_recurrent_model_is_refused(tmp_path: Path) -> None:
    recurrent = pytest.importorskip("recurrent_models", reason="recurrent model files are made with onnx")
    recurrent.write_recurrent(tmp_path / "clips.onnx")
    with running(tmp_path, models=[{"file": tmp_path / "clips.onnx"}]) as service:
        for answer in (post(service, infer_request()), ask(f"{service.url}/v2/models/main/ready")):
            assert answer.status == 400
            assert "frames of a source in their order" in answer.json["error"]
