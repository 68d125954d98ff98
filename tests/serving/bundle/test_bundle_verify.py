"""What `bundle-verify` refuses, and that it says so in findings, never by a traceback."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from unprivileged import unprivileged

from edgecnn.data_quality.finding import Finding
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.serving.bundle.index import INDEX, BundleIndex, IndexFaultError
from edgecnn.serving.bundle.signature import SIGNATURE, open_signing_key, sign_folder
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.verify import verify_bundle
from edgecnn.serving.bundle.write import BundleRequest, write_bundle


def faults(folder: Path, key: Path, record: Path | None = None) -> list[Finding]:
    found = verify_bundle(folder, key, record)
    assert found.ok == (not [f for f in found.findings if f.level == "fault"])
    for finding in found.findings:
        assert finding.what.isprintable()
        assert finding.where.isprintable()
        assert finding.where
    return [finding for finding in found.findings if finding.level == "fault"]


def test_a_signed_bundle_passes_wherever_it_is_copied(bundle: Path, keys, tmp_path: Path) -> None:
    moved = bundle.rename(tmp_path / "elsewhere")
    link = tmp_path / "current"
    link.symlink_to(moved)
    for folder in (moved, link):
        found = verify_bundle(folder, keys.public)
        assert found.ok
        assert [f.level for f in found.findings] == ["ok"]


def test_another_key_is_refused(bundle: Path, keys, other_keys) -> None:
    (finding,) = faults(bundle, other_keys.public)
    assert "key" in finding.what
    assert finding.where == SIGNATURE


def test_an_unsigned_bundle_is_refused(bundle: Path, keys) -> None:
    (bundle / SIGNATURE).unlink()
    (finding,) = faults(bundle, keys.public)
    assert finding.what == "the bundle is not signed"
    assert "--sign" in finding.remedy


def test_any_changed_byte_of_any_file_is_refused(bundle: Path, keys) -> None:
    for file in sorted(bundle.iterdir()):
        content = file.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            changed = bytearray(content)
            changed[place] ^= 1
            file.write_bytes(changed)
            assert faults(bundle, keys.public), f"{file.name}, byte {place}"
        file.write_bytes(content)
    assert not faults(bundle, keys.public)


def test_a_changed_file_is_named(bundle: Path, keys) -> None:
    (bundle / "edgecnn.toml").write_text('[[models]]\nfile = "/tmp/other.onnx"\n')
    (finding,) = faults(bundle, keys.public)
    assert (finding.where, finding.what) == ("edgecnn.toml", "the file was changed")


def test_a_file_changed_together_with_the_index_is_refused_by_the_signature(bundle: Path, keys) -> None:
    import hashlib

    (bundle / "edgecnn.toml").write_text("# mine\n")
    index = json.loads((bundle / INDEX).read_text())
    index["files"]["edgecnn.toml"] = hashlib.sha256(b"# mine\n").hexdigest()
    (bundle / INDEX).write_text(json.dumps(index))
    (finding,) = faults(bundle, keys.public)
    assert finding.where == SIGNATURE


def test_a_larger_version_written_into_the_index_is_refused(bundle: Path, keys) -> None:
    text = (bundle / INDEX).read_text()
    (bundle / INDEX).write_text(text.replace('"version": 7', '"version": 9'))
    assert faults(bundle, keys.public)[0].where == SIGNATURE


@pytest.mark.parametrize("name", ["new.txt", ".gitignore", ".git/hooks/post-checkout", "deep/er/file"])
def test_an_added_file_is_refused(bundle: Path, keys, name: str) -> None:
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_text("added")
    assert name in {f.where for f in faults(bundle, keys.public)}


def test_a_name_of_several_lines_is_one_line(bundle: Path, keys) -> None:
    """Else a bundle says of itself, in a line of its own, that it is signed and unchanged."""
    (bundle / "a\nok  signed and unchanged\x1b[2J").write_text("added")
    (finding,) = faults(bundle, keys.public)
    assert finding.where == r"a\nok  signed and unchanged\x1b[2J"


def test_an_added_empty_folder_is_refused(bundle: Path, keys) -> None:
    (bundle / "empty").mkdir()
    assert [f.where for f in faults(bundle, keys.public)] == ["empty"]


def test_a_missing_file_is_refused(bundle: Path, keys) -> None:
    (bundle / "requirements.txt").unlink()
    (finding,) = faults(bundle, keys.public)
    assert (finding.where, finding.what) == ("requirements.txt", "the file is missing")


def test_a_folder_without_index_is_no_bundle(bundle: Path, keys) -> None:
    (bundle / INDEX).unlink()
    assert faults(bundle, keys.public)[0].where == INDEX


@pytest.mark.parametrize("to_folder", [False, True])
def test_a_symbolic_link_is_refused_even_to_the_same_content(
    bundle: Path, keys, tmp_path: Path, *, to_folder: bool
) -> None:
    outside = tmp_path / "outside"
    if to_folder:
        outside.mkdir()
        (bundle / "extra").symlink_to(outside)
    else:
        (bundle / "model.onnx").rename(outside)
        (bundle / "model.onnx").symlink_to(outside)
    (finding,) = faults(bundle, keys.public)
    assert "symbolic link" in finding.what


def test_a_hard_link_is_refused(bundle: Path, keys, tmp_path: Path) -> None:
    os.link(bundle / "model.onnx", tmp_path / "second-name")
    (finding,) = faults(bundle, keys.public)
    assert "hard link" in finding.what


def test_a_pipe_is_refused_and_not_waited_for(bundle: Path, keys) -> None:
    for name in ("model.onnx", INDEX, SIGNATURE):
        (bundle / name).unlink()
        os.mkfifo(bundle / name)
    assert {f.where for f in faults(bundle, keys.public)} == {"model.onnx", INDEX, SIGNATURE}


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "a/../../b", "a//b", "./model.onnx", "..\\outside", "C:/x", "", "a/\0", "x" * 5000],
)
def test_a_path_that_leaves_the_folder_is_refused_though_signed(bundle: Path, keys, name: str) -> None:
    index = json.loads((bundle / INDEX).read_text())
    index["files"][name] = "0" * 64
    (bundle / INDEX).write_text(json.dumps(index))
    (bundle / SIGNATURE).unlink()
    sign_folder(bundle, open_signing_key(keys.private))
    (finding,) = faults(bundle, keys.public)
    assert "outside of the folder" in finding.what
    assert finding.where == INDEX


HOSTILE_INDEXES = {
    "empty": b"",
    "nonsense": b"\xff\xfe\x00garbage",
    "not an object": b"[1, 2]",
    "deep": b"[" * 100_000,
    "long number": b'{"format": ' + b"9" * 10_000 + b"}",
    "another format": b'{"format": 2}',
    "a key twice": b'{"format": 1, "format": 1}',
    "version of another type": b'{"format":1,"created_at":"","edgecnn":"","target":"","python":"","version":true,"files":{}}',
    "no files": b'{"format":1,"created_at":"","edgecnn":"","target":"","python":"","version":1,"files":{}}',
    "no hash": b'{"format":1,"created_at":"","edgecnn":"","target":"","python":"","version":1,"files":{"a":5}}',
    "no date": b'{"format":1,"created_at":"","edgecnn":"","target":"","python":"","version":1,"support_until":5,"files":{}}',
}


@pytest.mark.parametrize("content", HOSTILE_INDEXES.values(), ids=HOSTILE_INDEXES)
def test_a_hostile_index_is_a_finding(bundle: Path, keys, content: bytes) -> None:
    with pytest.raises(IndexFaultError):
        BundleIndex.from_json(content)
    (bundle / INDEX).write_bytes(content)
    assert [f.where for f in faults(bundle, keys.public)] == [INDEX]


def test_a_huge_index_is_not_read_to_its_end(bundle: Path, keys) -> None:
    with (bundle / INDEX).open("wb") as file:
        file.truncate(1 << 31)  # sparse: it takes no space
    (finding,) = faults(bundle, keys.public)
    assert "larger than" in finding.what


def _envelope(payload: bytes) -> bytes:
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": ""}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": base64.b64encode(b"no").decode(), "keyid": ""}],
            },
        }
    ).encode()


HOSTILE_SIGNATURES = {
    "empty": b"",
    "nonsense": bytes(range(256)),
    "deep": b"[" * 100_000,
    "list": b"[]",
    "no parts": b'{"verificationMaterial": {}, "dsseEnvelope": {}}',
    "parts of other types": b'{"verificationMaterial": 5, "dsseEnvelope": []}',
    "no signatures": _envelope(b"{}").replace(b'[{"sig": "bm8=", "keyid": ""}]', b"[]"),
    "signature of nothing": _envelope(b"{}"),
}


@pytest.mark.parametrize("content", HOSTILE_SIGNATURES.values(), ids=HOSTILE_SIGNATURES)
def test_a_hostile_signature_is_a_finding(bundle: Path, keys, content: bytes, capfd: pytest.CaptureFixture) -> None:
    (bundle / SIGNATURE).write_bytes(content)
    (finding,) = faults(bundle, keys.public)
    assert finding.where == SIGNATURE
    assert capfd.readouterr().out == ""  # the library prints warnings


def test_a_huge_signature_is_not_read_to_its_end(bundle: Path, keys) -> None:
    with (bundle / SIGNATURE).open("wb") as file:
        file.truncate(1 << 31)
    (finding,) = faults(bundle, keys.public)
    assert "larger than" in finding.what


def test_a_terabyte_is_refused_without_being_read(bundle: Path, keys) -> None:
    with (bundle / "model.onnx").open("wb") as file:
        file.truncate(1 << 40)
    (finding,) = faults(bundle, keys.public)
    assert "more than 4 GiB" in finding.what


def test_the_signature_of_another_bundle_with_the_same_key_is_refused(
    bundle: Path, keys, tiny_int8_model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_bundle(
        BundleRequest(model=tiny_int8_model, out=other, target=Target("linux-aarch64"), sign=keys.private, version=9)
    )
    shutil.copy(other / SIGNATURE, bundle / SIGNATURE)
    assert [f.where for f in faults(bundle, keys.public)] == [SIGNATURE]


def test_an_unreadable_file_is_a_finding(bundle: Path, keys) -> None:
    (bundle / "model.onnx").chmod(0)
    command = (sys.executable, "-m", "edgecnn", "bundle-verify", bundle, "--key", keys.public, "--json")
    done = subprocess.run(unprivileged(*command), capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["where"] == "model.onnx"
    assert "cannot be read" in finding["what"]


def test_a_folder_of_rubbish_gives_a_short_list(bundle: Path, keys) -> None:
    for i in range(200):
        (bundle / f"rubbish-{i}").touch()
    found = faults(bundle, keys.public)
    assert len(found) < 60
    assert "150 more" in found[-1].what


def test_an_older_bundle_is_refused_where_a_record_is_kept(
    bundle: Path, tiny_model: Path, keys, tmp_path: Path
) -> None:
    record = tmp_path / "state" / "record.json"
    newer = tmp_path / "newer"
    write_bundle(
        BundleRequest(model=tiny_model, out=newer, target=Target("linux-aarch64"), sign=keys.private, version=8)
    )
    assert not faults(bundle, keys.public, record)
    assert not faults(bundle, keys.public, record)  # the same again
    assert not faults(newer, keys.public, record)
    (finding,) = faults(bundle, keys.public, record)
    assert "older than 8" in finding.what
    assert json.loads(record.read_text())["version"] == 8
    assert not faults(bundle, keys.public)  # without a record any version is accepted


def test_two_bundles_of_one_version_are_told_apart(bundle: Path, tiny_int8_model: Path, keys, tmp_path: Path) -> None:
    record, twin = tmp_path / "record.json", tmp_path / "twin"
    write_bundle(
        BundleRequest(model=tiny_int8_model, out=twin, target=Target("linux-aarch64"), sign=keys.private, version=7)
    )
    assert not faults(bundle, keys.public, record)
    assert "another content" in faults(twin, keys.public, record)[0].what


def test_a_refused_bundle_leaves_the_record_as_it_was(bundle: Path, keys, other_keys, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    assert faults(bundle, other_keys.public, record)
    assert not record.exists()


DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_text(""),
    "nonsense": lambda path: path.write_bytes(b"\xff\x00"),
    "another type": lambda path: path.write_text('{"version": "7", "sha256": ""}'),
    "list": lambda path: path.write_text("[7]"),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_refuses_every_bundle(
    bundle: Path, keys, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    """Else whoever can damage it could install an older one."""
    record = tmp_path / "record.json"
    damage(record)
    (finding,) = faults(bundle, keys.public, record)
    assert finding.where == str(record)


def test_the_end_of_support_is_a_warning(tiny_model: Path, keys, tmp_path: Path) -> None:
    request = BundleRequest(
        model=tiny_model,
        out=tmp_path / "old",
        target=Target("linux-x86_64"),
        sign=keys.private,
        support_until=date(2020, 1, 31),
    )
    write_bundle(request)
    found = verify_bundle(tmp_path / "old", keys.public)
    assert found.ok
    assert [(f.level, "2020-01-31" in f.what) for f in found.findings] == [("ok", False), ("warning", True)]


def test_bad_arguments_are_errors_of_the_call(bundle: Path, keys, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN PUBLIC KEY-----\nno\n-----END PUBLIC KEY-----\n")
    for error, folder, key in (
        (InputNotFoundError, tmp_path / "none", keys.public),
        (InputNotFoundError, bundle, tmp_path / "none.pem"),
        (UsageError, bundle, nonsense),
        (UsageError, bundle, keys.private),
    ):
        with pytest.raises(error):
            verify_bundle(folder, key)
