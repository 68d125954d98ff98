"""The bill of materials, the systemd unit and the Dockerfile, as the programs that read them see them."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from packageurl import PackageURL

from edgecnn.serving.bundle.configuration import bundled_configuration
from edgecnn.serving.bundle.deployment_files import dockerfile, systemd_unit
from edgecnn.serving.bundle.packages import packages_for
from edgecnn.serving.bundle.target import Target


def test_the_bill_of_materials_keeps_to_cyclonedxs_schema(bundle: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (bundle / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"bomFormat": "CycloneDX"', '"bomFormat": "other"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_the_bill_of_materials_names_every_package_and_the_model(bundle: Path) -> None:
    sbom = json.loads((bundle / "sbom.cdx.json").read_text())
    assert sbom["metadata"]["component"]["version"] == "7"
    parts = {part["name"]: part for part in sbom["components"]}
    packages = packages_for(Target("linux-aarch64"))
    assert parts.keys() == {"model.onnx", *(package.name for package in packages)}
    for package in packages:
        purl = PackageURL.from_string(parts[package.name]["purl"])
        assert (purl.type, purl.name, purl.version) == ("pypi", package.name, package.version)
        assert ("licenses" in parts[package.name]) == (package.license is not None)
    assert sum(package.license is None for package in packages) <= len(packages) // 10
    model = parts["model.onnx"]
    assert model["type"] == "machine-learning-model"
    sha256 = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256}]
    needs = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in sbom["dependencies"]}
    assert needs["bundle"] == {parts["edgecnn"]["bom-ref"], model["bom-ref"]}
    assert parts["numpy"]["bom-ref"] in needs[parts["edgecnn"]["bom-ref"]]


def unit_lines(text: str) -> set[str]:
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def test_the_unit_is_hardened(bundle: Path) -> None:
    lines = unit_lines((bundle / "edgecnn.service").read_text())
    assert lines >= {
        "Type=notify", "DynamicUser=yes", "StateDirectory=edgecnn", "ProtectSystem=strict", "ProtectHome=yes",
        "PrivateTmp=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "SystemCallFilter=@system-service",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "DeviceAllow=char-video4linux rw",
        "SupplementaryGroups=video", "Restart=always", "TimeoutStopSec=10",
    }  # fmt: skip
    assert any(line.startswith("WatchdogSec=") for line in lines)
    assert any(line.startswith("MemoryMax=") for line in lines)


def test_only_the_unit_of_a_signed_bundle_verifies_it() -> None:
    (check,) = (line for line in unit_lines(systemd_unit(signed=True)) if line.startswith("ExecStartPre="))
    words = shlex.split(check)
    assert "bundle-verify" in words
    assert words[words.index("--record") + 1] == "${STATE_DIRECTORY}/bundle-record.json"
    assert "ExecStartPre" not in systemd_unit(signed=False)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_unit_and_finds_it_safe(bundle: Path, tmp_path: Path) -> None:
    unit = tmp_path / "edgecnn.service"
    text = (bundle / "edgecnn.service").read_text()
    unit.write_text(text.replace("/opt/edgecnn/venv/bin/edgecnn", shutil.which("true") or "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-200:]  # at most 2.0 of 10; a unit without any of it has 9.6


def test_the_container_runs_no_shell_and_is_not_root(tmp_path: Path, tiny_model: Path) -> None:
    config = tmp_path / "edgecnn.toml"
    config.write_text('host = "::"\nport = 8080\n[[models]]\nfile = "x"\n')
    target = Target("linux-aarch64", "3.13")
    for wheels in (False, True):
        text = dockerfile(target, 7, bundled_configuration(config, tiny_model), wheels=wheels)
        steps = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
        assert steps[0] == "FROM python:3.13-slim"
        commands = [
            re.sub(r"^(RUN|ENTRYPOINT|HEALTHCHECK.* CMD) ", "", s) for s in steps if "[" in s and "VOLUME" not in s
        ]
        assert len(commands) == 5
        for command in commands:
            assert isinstance(json.loads(command), list)  # what is no JSON goes to a shell
        assert steps.index("USER edgecnn") < next(i for i, s in enumerate(steps) if s.startswith("ENTRYPOINT"))
        assert "http://127.0.0.1:8080/healthz" in text
        assert ('"--no-index"' in text) == wheels


def test_the_readme_leaves_no_gap(bundle: Path) -> None:
    text = (bundle / "README.md").read_text()
    assert "${" not in text
    assert "bundle-verify" in text
    assert "http://127.0.0.1:4912/" in text
    for name in ("edgecnn.toml", "edgecnn.service", "Dockerfile", "requirements.txt", "sbom.cdx.json", "model.sig"):
        assert f"`{name}`" in text
