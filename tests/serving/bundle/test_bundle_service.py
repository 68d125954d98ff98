"""The service of a bundle, started as its systemd unit and its Dockerfile start it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from serving.running import ask, serving
from waiting import until

from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.verify import verify_bundle
from edgecnn.serving.bundle.write import BundleRequest, write_bundle


@pytest.fixture
def device(tmp_path: Path, tiny_model: Path, keys) -> Path:
    """A bundle whose camera is made up."""
    config = tmp_path / "settings.toml"
    config.write_text(
        '[[models]]\nname = "main"\nfile = "x"\n[[sources]]\nname = "camera"\naddress = "fake:64x64@20"\n'
    )
    out = tmp_path / "device"
    write_bundle(
        BundleRequest(
            model=tiny_model, out=out, target=Target("linux-x86_64"), config=config, sign=keys.private, version=7
        )
    )
    return out


def unit_command(device: Path, key: str, public: Path) -> list[str]:
    """A command of the unit, with the paths of this test in place of those on a device."""
    lines = (device / "edgecnn.service").read_text().splitlines()
    (line,) = (line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}="))
    program, *words = shlex.split(line)
    assert program == "/opt/edgecnn/venv/bin/edgecnn"
    moved = {"/opt/edgecnn/bundle": str(device), "/etc/edgecnn/bundle-key.pem": str(public)}
    return [_moved(word, moved) for word in words]


def _moved(word: str, moved: dict[str, str]) -> str:
    for old, new in moved.items():
        word = word.replace(old, new)
    return os.path.expandvars(word)


def test_the_units_commands_verify_and_serve_and_leave_the_bundle_as_it_was(
    device: Path, keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    check = unit_command(device, "ExecStartPre", keys.public)
    done = subprocess.run([sys.executable, "-m", "edgecnn", *check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((state / "bundle-record.json").read_text())["version"] == 7
    command, *arguments = unit_command(device, "ExecStart", keys.public)
    assert command == "serve"
    with serving(*arguments) as service:
        until(lambda: ask(f"{service.url}/readyz").status == 200)
        container = (device / "Dockerfile").read_text()
        (health,) = (line for line in container.splitlines() if line.strip().startswith("CMD ["))
        _, *program = json.loads(health.strip().removeprefix("CMD "))
        program = [word.replace("http://127.0.0.1:4912", service.url) for word in program]
        assert subprocess.run([sys.executable, *program], check=False).returncode == 0
        assert service.stop() == 0
        asked_after = subprocess.run([sys.executable, *program], capture_output=True, check=False)
        assert asked_after.returncode != 0
    assert verify_bundle(device, keys.public).ok
