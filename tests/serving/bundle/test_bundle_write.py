"""What a bundle holds, and when none is written."""

from __future__ import annotations

import hashlib
import json
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path

import pytest

from edgecnn import __version__
from edgecnn.errors import EdgeCNNError, GateError, InputNotFoundError, ModelError, OutputError, UsageError
from edgecnn.manifest import GOLDEN_KEY
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.serving.bundle.index import INDEX, BundleIndex
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.verify import verify_bundle
from edgecnn.serving.bundle.write import BundleRequest, WrittenBundle, write_bundle

FILES = {
    "Dockerfile", "README.md", "bundle.json", "edgecnn.service", "edgecnn.toml", "model.onnx", "requirements.txt",
    "sbom.cdx.json",
}  # fmt: skip


def write(model: Path, out: Path, **options: object) -> WrittenBundle:
    target = Target("linux-aarch64")
    return write_bundle(BundleRequest(model=model, out=out, target=target, **options))  # type: ignore[arg-type]


def test_a_bundle_holds_what_the_device_needs(tiny_model: Path, tmp_path: Path) -> None:
    before = int(time.time())
    written = write(tiny_model, tmp_path / "device", support_until=date(2031, 12, 31))
    assert set(written.files) == FILES
    assert not written.signed
    assert written.sbom == tmp_path / "device" / "sbom.cdx.json"
    assert (tmp_path / "device" / "model.onnx").read_bytes() == tiny_model.read_bytes()
    index = json.loads((tmp_path / "device" / INDEX).read_text())
    assert index.keys() == {
        "format", "created_at", "edgecnn", "target", "python", "version", "support_until", "files",
    }  # fmt: skip
    assert index["edgecnn"] == __version__
    assert index["target"] == "linux-aarch64"
    assert index["support_until"] == "2031-12-31"
    assert before <= index["version"] <= time.time()
    assert datetime.fromisoformat(index["created_at"]).tzinfo == timezone.utc
    assert index["files"].keys() == FILES - {INDEX}
    for name, sha256 in index["files"].items():
        assert hashlib.sha256((tmp_path / "device" / name).read_bytes()).hexdigest() == sha256


def test_other_users_can_read_a_bundle(tiny_model: Path, tmp_path: Path) -> None:
    """The service runs as a user of its own, which owns none of it."""
    written = write(tiny_model, tmp_path / "device")
    assert stat.S_IMODE((tmp_path / "device").stat().st_mode) == 0o755
    assert {stat.S_IMODE((tmp_path / "device" / name).stat().st_mode) for name in written.files} == {0o644}


def test_nothing_else_is_left_beside_it(tiny_model: Path, tmp_path: Path) -> None:
    write(tiny_model, tmp_path / "device")
    write(tiny_model, tmp_path / "device", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["device"]


def with_golden(model: Path, change: Callable[[GoldenSamples], GoldenSamples | None]) -> bytes:
    """The model file with other golden samples, or without."""
    found = parse_model(model.read_bytes(), model)
    (golden,) = (prop for prop in found.metadata_props if prop.key == GOLDEN_KEY)
    changed = change(GoldenSamples.from_json(golden.value))
    if changed is None:
        found.metadata_props.remove(golden)
    else:
        golden.value = changed.to_json()
    return found.SerializeToString()


def test_a_model_is_checked_in_full_first(tiny_model: Path, tmp_path: Path) -> None:
    other_answers = with_golden(tiny_model, lambda g: replace(g, probabilities=g.probabilities[:, ::-1].copy()))
    for content, error, why in (
        (b"no model", ModelError, "m.onnx"),
        (with_golden(tiny_model, lambda _: None), GateError, "no golden samples"),
        (other_answers, GateError, "golden samples fail"),
    ):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(error, match=why):
            write(tmp_path / "m.onnx", tmp_path / "device")
    with pytest.raises(InputNotFoundError):
        write(tmp_path / "none.onnx", tmp_path / "device")
    assert not (tmp_path / "device").exists()


def test_a_folder_that_is_no_bundle_is_never_replaced(tiny_model: Path, tmp_path: Path) -> None:
    for name, content in (("photos", {"a.jpg": b"x"}), ("project", {INDEX: b'{"name": "mine"}'})):
        (tmp_path / name).mkdir()
        for file, data in content.items():
            (tmp_path / name / file).write_bytes(data)
        for force in (False, True):
            with pytest.raises(OutputError, match="something else than a bundle"):
                write(tiny_model, tmp_path / name, force=force)
        assert {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} == content
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        write(tiny_model, tmp_path / "file", force=True)


def test_an_empty_folder_is_used(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "device").mkdir()
    write(tiny_model, tmp_path / "device")
    assert (tmp_path / "device" / INDEX).exists()


def test_a_bundle_is_replaced_with_force_by_a_newer_version(
    tiny_model: Path, tiny_int8_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "device"
    ahead = int(time.time()) + 1_000_000  # a desk whose clock was ahead
    assert write(tiny_model, out, version=ahead).version == ahead
    with pytest.raises(OutputError, match="--force"):
        write(tiny_int8_model, out)
    with pytest.raises(UsageError, match=str(ahead)):
        write(tiny_int8_model, out, force=True, version=ahead)
    assert (out / "model.onnx").read_bytes() == tiny_model.read_bytes()
    assert write(tiny_int8_model, out, force=True).version == ahead + 1
    assert (out / "model.onnx").read_bytes() == tiny_int8_model.read_bytes()


@pytest.mark.parametrize("version", [0, -1, 2**53])
def test_a_version_is_a_number_that_every_reader_takes(tiny_model: Path, tmp_path: Path, version: int) -> None:
    with pytest.raises(UsageError, match="--version"):
        write(tiny_model, tmp_path / "device", version=version)


def test_what_fails_midway_leaves_the_old_bundle(
    tiny_model: Path, tiny_int8_model: Path, tmp_path: Path, keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "device"
    write(tiny_model, out, sign=keys.private)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for place in ("sign_folder", "_flush_all", "sbom_json"):
        with monkeypatch.context() as patch:
            patch.setattr(f"edgecnn.serving.bundle.write.{place}", full)
            with pytest.raises(OutputError, match="No space left"):
                write(tiny_int8_model, out, sign=keys.private, force=True)
        assert verify_bundle(out, keys.public).ok
        assert [path.name for path in tmp_path.iterdir()] == ["device"]


def test_interrupted_between_two_renames_where_folders_cannot_be_exchanged_the_old_bundle_comes_back(
    tiny_model: Path, tiny_int8_model: Path, tmp_path: Path, keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "device"
    write(tiny_model, out, sign=keys.private)
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if target == out and path.parent.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr("edgecnn.serving.bundle.write.exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tiny_int8_model, out, sign=keys.private, force=True)
    monkeypatch.undo()
    assert verify_bundle(out, keys.public).ok
    assert (out / "model.onnx").read_bytes() == tiny_model.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["device"]


def test_keys_that_cannot_sign_are_refused_before_anything_is_written(tiny_model: Path, tmp_path: Path, keys) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def pem(name: str, key: object, encryption: object) -> Path:
        path = tmp_path / name
        path.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption))  # type: ignore[attr-defined]
        return path

    (tmp_path / "nonsense").write_bytes(b"\0\1")
    wrong = [
        tmp_path / "nonsense",
        keys.public,
        pem("curve", ec.generate_private_key(ec.SECP256K1()), form.NoEncryption()),
        pem("ed25519", ed25519.Ed25519PrivateKey.generate(), form.NoEncryption()),
        pem("encrypted", ec.generate_private_key(ec.SECP256R1()), form.BestAvailableEncryption(b"secret")),
    ]
    for key in wrong:
        with pytest.raises(UsageError, match="--sign"):
            write(tiny_model, tmp_path / "device", sign=key)
    with pytest.raises(InputNotFoundError):
        write(tiny_model, tmp_path / "device", sign=tmp_path / "none")
    assert not (tmp_path / "device").exists()


@pytest.mark.parametrize(("name", "python"), [("linux-arm", "3.11"), ("linux-aarch64", "3.9"), ("linux-aarch64", "x")])
def test_a_target_that_edgecnn_does_not_run_on_is_refused(name: str, python: str) -> None:
    with pytest.raises(UsageError):
        Target(name, python)  # type: ignore[arg-type]


def test_the_index_reads_what_it_wrote(tiny_model: Path, tmp_path: Path) -> None:
    write(tiny_model, tmp_path / "device", version=5)
    text = (tmp_path / "device" / INDEX).read_bytes()
    index = BundleIndex.from_json(text)
    assert index.version == 5
    assert index.to_json().encode() == text


def test_every_error_is_one_of_edgecnn(tiny_model: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(EdgeCNNError):
        write(tiny_model, blocked / "device")
