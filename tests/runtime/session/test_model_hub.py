"""``hf://`` in place of a model file: fetched from a hub that a server here plays, then checked as any unknown file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import cv2
import pytest
from hostile_models import hostile_models
from hub_server import COMMIT, hub_server
from shapes import shape_image

from edgecnn import Classifier
from edgecnn.errors import InputNotFoundError, MissingExtraError, UsageError
from edgecnn.runtime.session.model_hub import HubModel, _only_model_file

Edgecnn = Callable[..., CompletedProcess[str]]
needs_the_hub = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="needs huggingface_hub")
REPO = "plant/parts"


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("hf://plant/parts", HubModel("plant/parts")),
        ("hf://plant/parts/int8/model.onnx", HubModel("plant/parts", None, "int8/model.onnx")),
        ("hf://plant/parts@v1", HubModel("plant/parts", "v1")),
        ("hf://a.b/c-d_e@refs%2Fpr%2F1/m.onnx", HubModel("a.b/c-d_e", "refs/pr/1", "m.onnx")),
        (Path("hf://plant/parts@v1/m.onnx"), HubModel("plant/parts", "v1", "m.onnx")),
    ],
)
def test_an_address_names_repository_revision_and_file(address: str | Path, model: HubModel) -> None:
    assert HubModel.parse(address) == model


@pytest.mark.parametrize(
    "address",
    ["hf://", "hf://plant", "hf://plant/", "hf://../../etc", "hf://plant/parts/best.pt", "hf://plant/parts@/m.onnx"],
)
def test_an_address_of_no_model_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(UsageError, match=r"^hf://\S* (is not the address|best.pt is not a model file)"):
        HubModel.parse(address)


def test_the_only_model_file_needs_no_name() -> None:
    assert _only_model_file(HubModel(REPO), ["README.md", "int8/model.onnx"]) == "int8/model.onnx"
    with pytest.raises(InputNotFoundError, match=r"hf://plant/parts@v1: has no \.onnx file"):
        _only_model_file(HubModel(REPO, "v1"), ["README.md"])
    several = [f"{letter}.onnx" for letter in "gfedcba"]
    with pytest.raises(UsageError, match=r"has 7 model files \(a.onnx, .*, e.onnx and 2 more\); name one: hf://plant/"):
        _only_model_file(HubModel(REPO), several)


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"hf://plant/parts: huggingface_hub, .* pip install huggingface_hub"):
        Classifier("hf://plant/parts")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "image.png"), shape_image("circle", 1, 64))
    return tmp_path / "image.png"


@needs_the_hub
@pytest.mark.parametrize("address", [f"hf://{REPO}", f"hf://{REPO}@v1/models/tiny.onnx", f"hf://{REPO}@{COMMIT}"])
def test_a_model_on_a_hub_is_fetched_and_answers(
    edgecnn: Edgecnn, tiny_model: Path, image: Path, tmp_path: Path, address: str
) -> None:
    files = {"README.md": b"# Parts", "models/tiny.onnx": tiny_model.read_bytes()}
    with hub_server(REPO, files) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
        done = edgecnn("predict", address, image, "--json", env=env)
    assert done.returncode == 0, done.stderr
    own = edgecnn("predict", tiny_model, image, "--json")
    fetched, local = json.loads(done.stdout), json.loads(own.stdout)
    assert (fetched["label"], fetched["model_sha256"]) == (local["label"], local["model_sha256"])
    assert any(asked.startswith("GET") and asked.endswith("/models/tiny.onnx") for asked in hub.asked)


@needs_the_hub
def test_a_file_that_is_named_is_found_offline(edgecnn: Edgecnn, tiny_model: Path, image: Path, tmp_path: Path) -> None:
    env = {"HF_HOME": str(tmp_path / "hf")}
    address = f"hf://{REPO}/tiny.onnx"
    with hub_server(REPO, {"tiny.onnx": tiny_model.read_bytes()}) as hub:
        assert edgecnn("inspect", address, "--json", env={**env, "HF_ENDPOINT": hub.url}).returncode == 0
    for away in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": hub.url}):
        done = edgecnn("predict", address, image, env={**env, **away})
        assert done.returncode == 0, done.stderr
    unnamed = edgecnn("predict", f"hf://{REPO}", image, env={**env, "HF_HUB_OFFLINE": "1"})
    assert unnamed.returncode == 2
    assert unnamed.stderr.startswith(f"edgecnn: error: hf://{REPO}: cannot be fetched: "), unnamed.stderr


@needs_the_hub
@pytest.mark.parametrize(
    ("address", "files", "gated", "told"),
    [
        ("hf://plant/other", ("m.onnx",), False, "there is no such repository"),
        (f"hf://{REPO}@v9", ("m.onnx",), False, "has no such revision"),
        (f"hf://{REPO}@v9/m.onnx", ("m.onnx",), False, "has no such revision"),
        (f"hf://{REPO}/n.onnx", ("m.onnx",), False, "the repository has no such file"),
        (f"hf://{REPO}", ("README.md",), False, "has no .onnx file"),
        (f"hf://{REPO}", ("m.onnx", "n.onnx"), False, "has 2 model files (m.onnx, n.onnx)"),
        (f"hf://{REPO}/m.onnx", ("m.onnx",), True, "its owner gives access on request"),
    ],
)
def test_what_the_hub_has_not_is_said_in_one_line(
    edgecnn: Edgecnn, tmp_path: Path, address: str, files: tuple[str, ...], gated: bool, told: str
) -> None:
    with hub_server(REPO, dict.fromkeys(files, b"none"), gated=gated) as hub:
        done = edgecnn("predict", address, "x.jpg", env={"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@needs_the_hub
def test_a_hub_that_is_away_is_said_in_one_line(edgecnn: Edgecnn, tmp_path: Path) -> None:
    with hub_server(REPO, {}) as hub:
        closed = hub.url
    env = {"HF_ENDPOINT": closed, "HF_HOME": str(tmp_path)}
    for address in (f"hf://{REPO}", f"hf://{REPO}/m.onnx"):
        done = edgecnn("predict", address, "x.jpg", env=env)
        assert done.returncode == 2
        assert "cannot be fetched: " in done.stderr
        assert done.stderr.rstrip().endswith("give its path"), done.stderr


@needs_the_hub
def test_a_hostile_model_of_a_hub_is_refused_as_any_other(edgecnn: Edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    content = next(iter(hostile_models(tiny_model.read_bytes()).values()))
    with hub_server(REPO, {"m.onnx": content}) as hub:
        done = edgecnn("predict", f"hf://{REPO}", "x.jpg", env={"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "m.onnx: " in done.stderr
