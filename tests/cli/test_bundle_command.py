"""`edgecnn bundle` and `edgecnn bundle-verify` as scripts use them: keys, streams, exit statuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contract_keys import BUNDLE, BUNDLE_VERIFY, FINDING
from signing_keys import KeyPair, make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keys(tmp_path_factory.mktemp("keys"), "device")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="docs/deploy.md makes keys with the openssl program")
def test_keys_that_are_made_as_the_page_says_are_taken(tiny_model: Path, tmp_path: Path, edgecnn) -> None:
    make = "openssl ecparam -genkey -name prime256v1 -noout -out private.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True)
    publish = "openssl ec -in private.pem -pubout -out public.pem"
    subprocess.run(publish.split(), cwd=tmp_path, check=True, capture_output=True)
    signed = edgecnn("bundle", tiny_model, "-o", tmp_path / "device", "--sign", tmp_path / "private.pem")
    assert signed.returncode == 0, signed.stderr
    verified = edgecnn("bundle-verify", tmp_path / "device", "--key", tmp_path / "public.pem")
    assert verified.returncode == 0, verified.stderr


@pytest.fixture(scope="module")
def device(tiny_model: Path, keys: KeyPair, tmp_path_factory: pytest.TempPathFactory, edgecnn) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "device"
    done = edgecnn("bundle", tiny_model, "-o", out, "--sign", keys.private, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result.keys() >= set(BUNDLE)
    assert result["dir"] == str(out)
    assert result["sbom"] == str(out / "sbom.cdx.json")
    assert result["signed"] is True
    assert set(result["files"]) == {path.name for path in out.iterdir()}
    return out


def test_a_signed_bundle_verifies(device: Path, keys: KeyPair, edgecnn) -> None:
    done = edgecnn("bundle-verify", device, "--key", keys.public, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result.keys() == set(BUNDLE_VERIFY)
    assert result["ok"] is True
    assert result["findings"][0].keys() == set(FINDING)
    assert "signed and unchanged" in edgecnn("bundle-verify", device, "--key", keys.public).stdout


def test_a_refused_bundle_is_status_3(tiny_model: Path, keys: KeyPair, tmp_path: Path, edgecnn) -> None:
    out = tmp_path / "device"
    written = edgecnn("bundle", tiny_model, "-o", out)
    assert written.returncode == 0
    assert "not signed" in written.stderr
    done = edgecnn("bundle-verify", out, "--key", keys.public, "--json")
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert result["ok"] is False
    assert [finding["level"] for finding in result["findings"]] == ["fault"]
    assert len(done.stderr.splitlines()) == 1
    shown = edgecnn("bundle-verify", out, "--key", keys.public)
    assert "the bundle is not signed" in shown.stdout


def test_what_cannot_be_used_is_status_2_and_one_line(tiny_model: Path, keys: KeyPair, tmp_path: Path, edgecnn) -> None:
    device = ("-o", tmp_path / "device")
    for arguments in (
        ("bundle", tmp_path / "none.onnx", *device),
        ("bundle", tiny_model, *device, "--python", "2.7"),
        ("bundle", tiny_model, *device, "--support-until", "soon"),
        ("bundle", tiny_model, *device, "--sign", keys.public),
        ("bundle", tiny_model, *device, "--config", tmp_path / "none.toml"),
        ("bundle", tiny_model, *device, "--edgecnn-wheel", tmp_path / "none.whl"),
        ("bundle-verify", tmp_path / "none", "--key", keys.public),
        ("bundle-verify", tmp_path, "--key", keys.private),
    ):
        done = edgecnn(*arguments)
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("edgecnn: error: ")
    assert not (tmp_path / "device").exists()


def test_the_password_of_a_camera_is_told_of_and_not_shown(tiny_model: Path, tmp_path: Path, edgecnn) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text('[[models]]\nfile = "x"\n[[sources]]\naddress = "rtsp://me:canary@camera/1"\n')
    done = edgecnn("bundle", tiny_model, "-o", tmp_path / "device", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "holds a password" in done.stderr
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize(("package", "command"), [("tomlkit", "bundle"), ("model_signing", "bundle-verify")])
def test_without_the_extra_the_line_names_it(
    package: str, command: str, tiny_model: Path, keys: KeyPair, tmp_path: Path
) -> None:
    options = {
        "bundle": [tiny_model, "-o", tmp_path / "device"],
        "bundle-verify": [tmp_path, "--key", keys.public],
    }
    program = (
        f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['edgecnn', *sys.argv[1:]]\n"
        "runpy.run_module('edgecnn', run_name='__main__')\n"
    )
    words = [sys.executable, "-c", program, command, *options[command]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert package in done.stderr
    assert "edgecnn[serve]" in done.stderr


def test_the_help_imports_neither_signatures_nor_onnxruntime() -> None:
    program = (
        "import sys, runpy; sys.argv = ['edgecnn', '--help']\n"
        "try: runpy.run_module('edgecnn', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "slow = {'model_signing', 'sigstore', 'cyclonedx', 'tomlkit', 'packaging', 'onnxruntime', 'cryptography'}\n"
        "print(sorted(slow & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "bundle-verify" in done.stdout
    assert done.stderr.strip() == "[]"
