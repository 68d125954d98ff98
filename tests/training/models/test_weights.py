"""Weights from elsewhere: the published ones are held to their hash, and nothing in a file is ever executed."""

from __future__ import annotations

import hashlib
import pickle
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from edgecnn.errors import CheckpointError, MissingExtraError
from edgecnn.training.models.registry import MODELS, ModelSpec, find_model
from edgecnn.training.models.weights import PretrainedWeights, load_pretrained
from edgecnn.training.run.checkpoint import load_checkpoint

PRETRAINED = [spec for spec in MODELS.values() if spec.weights]
_WEIGHTS = find_model("efficientnet_lite0").weights
assert _WEIGHTS is not None
WEIGHTS: PretrainedWeights = _WEIGHTS
needs_package = pytest.mark.skipif(find_spec(WEIGHTS.module) is None, reason=f"{WEIGHTS.package} is not installed")
each_pretrained = pytest.mark.parametrize(
    "spec",
    [
        pytest.param(
            spec,
            marks=pytest.mark.skipif(
                not spec.weights or find_spec(spec.weights.module) is None, reason="its package is not installed"
            ),
        )
        for spec in PRETRAINED
    ],
    ids=lambda spec: spec.name,
)


class Evil:
    """Writes a file when it is unpickled by something careless."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.sentinel, "executed")


def _published(weights: PretrainedWeights = WEIGHTS) -> Path:
    spec = find_spec(weights.module)
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], weights.file)


def _package(root: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> PretrainedWeights:
    """An installed package that holds one file of weights, with the hash that is expected of the published one."""
    (root / name).mkdir()
    (root / name / "__init__.py").write_text("raise SystemExit('the package must not be imported')")
    (root / name / "w.pth").write_bytes(content)
    monkeypatch.syspath_prepend(str(root))
    return replace(WEIGHTS, module=name, file="w.pth")


@each_pretrained
def test_every_tensor_of_the_published_weights_gets_to_its_place(spec: ModelSpec) -> None:
    assert spec.weights
    network = spec.build(spec.weights.classes, spec.imgsz)
    load_pretrained(network, spec.weights)
    published = torch.load(_published(spec.weights), weights_only=True)
    own = network.state_dict()
    assert len(own) == len(published)
    for (name, tensor), (their_name, theirs) in zip(own.items(), published.items(), strict=True):
        assert name.rpartition(".")[2] == their_name.rpartition(".")[2], (
            "a mean loaded as a variance has the same shape"
        )
        assert torch.equal(tensor, theirs)


@each_pretrained
def test_published_weights_tell_images_apart_and_stay_finite(spec: ModelSpec) -> None:
    assert spec.weights
    network = spec.build(spec.weights.classes, spec.imgsz)
    load_pretrained(network, spec.weights)
    with torch.inference_mode():
        logits = network.eval()(torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)))
    assert torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    assert logits.abs().max() < 50


@needs_package
def test_weights_with_one_byte_changed_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(_published().read_bytes())
    content[len(content) // 2] ^= 1
    weights = _package(tmp_path, "flipped_weights", bytes(content), monkeypatch)
    network = find_model("efficientnet_lite0").build(WEIGHTS.classes, 224)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"w\.pth.*SHA-256"):
        load_pretrained(network, weights)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "other.pth")
    content = (tmp_path / "other.pth").read_bytes()
    weights = replace(
        _package(tmp_path, "other_weights", content, monkeypatch), sha256=hashlib.sha256(content).hexdigest()
    )
    with pytest.raises(CheckpointError, match="not this network's"):
        load_pretrained(find_model("resnet8").build(2, 32), weights)
    assert "other_weights" not in sys.modules


def test_missing_weights_name_the_extra_and_the_package() -> None:
    missing = replace(WEIGHTS, module="no_such_package_of_weights")
    with pytest.raises(MissingExtraError) as refused:
        load_pretrained(find_model("resnet8").build(2, 32), missing)
    assert "edgecnn[demo]" in str(refused.value)
    assert WEIGHTS.package in str(refused.value)


def test_a_package_without_the_file_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = replace(_package(tmp_path, "empty_weights", b"", monkeypatch), file="models/none.pth")
    with pytest.raises(MissingExtraError, match=r"edgecnn\[demo\]"):
        load_pretrained(find_model("resnet8").build(2, 32), weights)


@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle"])
def test_a_malicious_checkpoint_is_refused_and_never_executed(kind: str, tmp_path: Path) -> None:
    sentinel, file = tmp_path / "sentinel", tmp_path / "evil.pt"
    content = {"edgecnn_checkpoint": 1, "model": "resnet8", "weights": Evil(sentinel)}
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(CheckpointError, match=r"evil\.pt"):
        load_checkpoint(file)
    assert not sentinel.exists()
    if kind == "pickle":
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)
    assert sentinel.read_text() == "executed", "the trap itself works"


def test_malicious_package_weights_are_never_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where their hash is the expected one."""
    sentinel = tmp_path / "sentinel"
    torch.save({"a": Evil(sentinel)}, tmp_path / "evil.pth")
    content = (tmp_path / "evil.pth").read_bytes()
    weights = replace(
        _package(tmp_path, "evil_weights", content, monkeypatch), sha256=hashlib.sha256(content).hexdigest()
    )
    with pytest.raises(pickle.UnpicklingError):
        load_pretrained(find_model("resnet8").build(2, 32), weights)
    assert not sentinel.exists()
