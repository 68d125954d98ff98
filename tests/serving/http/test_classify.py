"""``POST /api/classify``: the answer of ``predict`` for the same file, and a reason where there is none."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from encoded_images import blocks, encoded, png_of_size
from PIL import Image as Pil  # noqa: TID251  # writes the strange files
from serving.http_forms import form
from serving.running import MODELS, TESTS, TINY, ask, running
from shapes import shape_image

from edgecnn.serving.running import RunningService

TIMES = {"captured_at", "age_ms", "latency_ms", "source"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = [{"name": "main", "file": TINY}, {"name": "int8", "file": MODELS / "tiny.int8.onnx"}]
    limits = {"megapixels": 8.0, "body_mb": 4.0}
    with running(tmp_path_factory.mktemp("service"), models=models, limits=limits) as service:
        yield service


def classify(service: RunningService, content: bytes, query: str = "", **headers: str):
    return ask(f"{service.url}/api/classify{query}", body=content, headers=headers)


def circle() -> np.ndarray:
    return shape_image("circle", 1)[..., ::-1]


def turned(image: np.ndarray) -> bytes:
    exif = Pil.Exif()
    exif[0x0112] = 6
    return encoded(np.ascontiguousarray(np.rot90(image)), "JPEG", exif=exif, quality=95)


FILES = {
    "circle.png": encoded(circle(), "PNG"),
    "circle.jpg": encoded(circle(), "JPEG"),
    "circle.webp": encoded(circle(), "WEBP", lossless=True),
    "turned.jpg": turned(circle()),
    "16bit.png": encoded(Pil.fromarray(np.full((40, 40), 0x8000, np.uint16)), "PNG"),
    "grey.png": encoded(circle()[..., 0], "PNG"),
}


@pytest.fixture(scope="module")
def predicted(edgecnn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The lines of `edgecnn predict --format jsonl`, by file."""
    folder = tmp_path_factory.mktemp("images")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    result = edgecnn(
        "predict", TINY, *(folder / name for name in FILES), "--format", "jsonl", env={"PYTHONPATH": str(TESTS.parent)}
    )
    assert result.returncode == 0, result.stderr
    return {Path(line["source"]).name: line for line in map(json.loads, result.stdout.splitlines())}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("as_form", [True, False])
def test_the_answer_is_the_line_of_predict(service, predicted, name: str, as_form: bool) -> None:
    body, headers = form(FILES[name], name) if as_form else (FILES[name], {})
    answer = classify(service, body, **headers)
    assert answer.status == 200, answer.content
    line = predicted[name]
    assert list(answer.json) == list(line)
    assert answer.json["source"] == (name if as_form else "image")
    assert answer.json["latency_ms"].keys() == line["latency_ms"].keys()
    differing = {key for key in line if key not in TIMES | {"frame"} and answer.json[key] != line[key]}
    assert not differing


def test_the_model_is_chosen_by_its_name(service) -> None:
    hashes = {
        model: classify(service, FILES["circle.png"], f"?model={model}").json["model_sha256"]
        for model in ("main", "int8")
    }
    assert hashes == {name: served.current.sha256 for name, served in service.service.models.items()}
    answer = classify(service, FILES["circle.png"], "?model=other")
    assert (answer.status, answer.json["error"]) == (404, "no such model; there are: main, int8")


UNREADABLE = {
    "text": b"this is no image",
    "a part of a JPEG": encoded(blocks(), "JPEG")[:-40],
    "a part of a PNG": FILES["circle.png"][:-30],
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "zeros": bytes(1000),
    "a bomb": png_of_size(30_000, 30_000),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_readable_image_is_refused_at_once(service, kind: str) -> None:
    start = time.process_time()  # of this process, in which the service runs too
    answer = classify(service, UNREADABLE[kind])
    assert time.process_time() - start < 5
    assert answer.status == 422
    assert answer.json["error"].startswith("image: ")
    assert "\n" not in answer.json["error"]
    assert "--max-megapixels" not in answer.json["error"]


def test_an_image_beyond_the_limit_names_the_setting(service) -> None:
    answer = classify(service, png_of_size(4000, 4000))
    assert answer.status == 422
    assert "[limits] megapixels" in answer.json["error"]


def test_nothing_is_no_image(service) -> None:
    for body, headers in ((b"", {}), form(b"")):
        answer = classify(service, body, **headers)
        assert answer.status == 400
        assert "holds no image" in answer.json["error"]


def test_a_body_beyond_the_limit_is_refused(service) -> None:
    answer = classify(service, bytes(4_000_001))
    assert answer.status == 413
    assert "larger than 4 MB; [limits]" in answer.json["error"]


def test_a_compressed_body_is_refused(service) -> None:
    assert classify(service, b"x", **{"Content-Encoding": "gzip"}).status == 415


FORMS = {
    "another field": (form(FILES["circle.png"], field="image"), "no file 'file'"),
    "no boundary": ((b"x", {"Content-Type": "multipart/form-data"}), "boundary"),
    "no form": ((b"x", {"Content-Type": "multipart/form-data; boundary=b"}), "multipart"),
    "cut off": ((form(FILES["circle.png"])[0][:100], {"Content-Type": "multipart/form-data; boundary=b"}), "multipart"),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_wrong_form_is_refused(service, kind: str) -> None:
    (body, headers), said = FORMS[kind]
    answer = classify(service, body, **headers)
    assert answer.status == 400
    assert said in answer.json["error"]


def test_a_form_that_ends_early_holds_no_file(service) -> None:
    body, headers = form(FILES["circle.png"])
    answer = classify(service, body[:-60], **headers)
    assert answer.status == 400


def test_two_files_are_refused(service) -> None:
    body, headers = form(FILES["circle.png"])
    boundary = headers["Content-Type"].partition("boundary=")[2].encode()
    part = body.removesuffix(b"--" + boundary + b"--\r\n")
    assert classify(service, part + body, **headers).status == 400


def test_a_huge_name_is_cut(service) -> None:
    body, headers = form(FILES["circle.png"], "x" * 3000 + "<b>.png")
    answer = classify(service, body, **headers)
    assert answer.status == 200
    assert len(answer.json["source"]) == 255
    assert answer.json["source"].endswith("<b>.png")


@pytest.mark.parametrize("charset", ["idna", "punycode", "rot13", "no-such", "utf-16"])
def test_a_client_does_not_choose_the_codec_of_names(service, charset: str) -> None:
    body, headers = form(FILES["circle.png"], "é.png")
    headers["Content-Type"] = headers["Content-Type"].replace(";", f"; charset={charset};", 1)
    assert classify(service, body, **headers).json["source"] == "é.png"


def test_a_model_that_fails_gives_an_error_without_paths(service, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn.errors import ProviderError

    def fail(*_: object) -> None:
        raise ProviderError(f"{TINY}: cpu failed on 1 images")

    monkeypatch.setattr(service.service.first_model.current.classifier.session, "_run", fail)
    answer = classify(service, FILES["circle.png"])
    assert (answer.status, answer.json["error"]) == (
        500,
        "the model failed on this image; the log of the service has it",
    )


class Watching:
    """A shadow that counts."""

    agreement = None

    def __init__(self) -> None:
        self.seen = 0

    def watch(self, *_: object) -> None:
        self.seen += 1


def test_images_of_a_client_without_the_token_do_not_judge_a_new_model(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.service.first_model.shadow = shadow = Watching()
        classify(service, FILES["circle.png"])
        assert shadow.seen == 0
        classify(service, FILES["circle.png"], Authorization=f"Bearer {service.token}")
        assert shadow.seen == 1


def test_many_large_bodies_at_once_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Clients that have sent all but the end of a body hold at most twice the largest one."""
    with running(tmp_path, limits={"body_mb": 1.0, "silent_s": 1.5}) as service, contextlib.ExitStack() as stack:
        host, port = service.url.removeprefix("http://").split(":")
        head = f"POST /api/classify HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n".encode()
        clients = [stack.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in range(4)]
        for client in clients:
            client.sendall(head + bytes(900_000))
        answers = [client.recv(12) for client in clients]
        assert b"HTTP/1.1 503" in answers  # 3.6 MB do not fit
        assert set(answers) <= {b"HTTP/1.1 503", b"HTTP/1.1 408"}
        # What they sent is counted no longer
        assert ask(f"{service.url}/api/classify", body=FILES["circle.png"]).status == 200
