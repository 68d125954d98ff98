"""The Containerfile, as far as it can be held without a container engine: what it copies, runs, asks and sets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer
from serving.running import TINY, serving

from edgecnn.cli.commands import serve
from edgecnn.serving.settings.reading import read_settings

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "examples" / "container" / "edgecnn.toml"
STEPS = [
    line
    for line in (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
DEVICE = STEPS[STEPS.index("FROM docker.io/library/python:3.13-slim") :]


def words(instruction: str) -> list[str]:
    """The words of the one instruction in the stage that runs; what is no JSON would go to a shell."""
    (step,) = (step for step in DEVICE if step.startswith(instruction))
    found = json.loads(step[step.index("[") :])
    assert all(isinstance(word, str) for word in found)
    return found


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last pattern that fits it decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or fnmatch(path.partition("/")[0], pattern)):
            out = not line.startswith("!")
    return out


def test_what_is_copied_is_there_and_is_sent() -> None:
    copied = [step.split()[1:-1] for step in STEPS if step.startswith("COPY ") and "--from" not in step]
    sources = [source for words in copied for source in words]
    assert {"edgecnn", "exporters", "constraints.txt", "examples/container/edgecnn.toml"} <= set(sources)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for source in sources:
        assert re.search(rf"^{re.escape(source)}(/|$)", tracked, re.MULTILINE), f"{source}: is not in the repository"
        assert not ignored(source), f"{source}: .dockerignore keeps it out"
    assert ignored(".git")
    assert ignored(".venv")
    assert ignored("signing-key.pem")


def test_the_wheel_is_built_from_what_is_copied() -> None:
    """Hatchling reads these; without one of them the build ends."""
    (first, *_) = (step.split()[1:-1] for step in STEPS if step.startswith("COPY "))
    project = (ROOT / "pyproject.toml").read_text()
    for needed in re.findall(r'^readme = "(.*)"$|^license-files = \["(.*)"\]$', project, re.MULTILINE):
        assert "".join(needed) in first


def test_the_device_gets_neither_torch_nor_a_build_tool() -> None:
    (install,) = (step for step in STEPS if '"install"' in step and "pip" in step)
    assert json.loads(install.removeprefix("RUN "))[-1] == ".[serve]"
    assert not [step for step in DEVICE if "pip" in step]


def test_every_command_runs_without_a_shell_and_not_as_root() -> None:
    for step in STEPS:
        if step.startswith(("RUN ", "ENTRYPOINT ", "CMD ")):
            assert isinstance(json.loads(step.split(" ", 1)[1]), list), step
    (user,) = (i for i, step in enumerate(DEVICE) if step == "USER edgecnn")
    assert user < min(i for i, step in enumerate(DEVICE) if step.startswith(("ENTRYPOINT", "CMD", "HEALTHCHECK")))
    assert any('"useradd"' in step and '"10001"' in step for step in DEVICE)


def test_the_command_and_its_options_exist() -> None:
    assert words("ENTRYPOINT") == ["/opt/edgecnn/bin/edgecnn"]
    command, option, settings = words("CMD")
    app = typer.Typer()
    serve.register(app)
    known = typer.main.get_command(app)
    assert command == known.name
    assert option in {name for parameter in known.params for name in parameter.opts}
    (copied,) = (step.split()[2] for step in DEVICE if step.startswith("COPY examples"))
    assert settings == copied


def test_the_settings_are_valid_and_of_this_container(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGECNN_SERVE_HOST", "EDGECNN_SERVE_PORT"):
        monkeypatch.delenv(name, raising=False)
    settings = read_settings(SETTINGS, {})
    assert f"EXPOSE {settings.port}" in DEVICE
    assert f"http://127.0.0.1:{settings.port}/healthz" in words("HEALTHCHECK")[-1]
    assert [str(model.file) for model in settings.models] == ["/models/model.onnx"]
    page = (ROOT / "docs" / "deploy.md").read_text()
    assert f":{settings.models[0].file}:ro" in page
    assert settings.token_file is not None
    assert f"--secret {settings.token_file.name}," in page
    assert str(settings.token_file.parent) == "/run/secrets"  # where engines put secrets


def test_the_service_starts_by_these_settings_and_the_health_check_finds_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123")
    text = (
        SETTINGS.read_text().replace("/run/secrets/edgecnn-token", str(token)).replace("/models/model.onnx", str(TINY))
    )
    (tmp_path / "edgecnn.toml").write_text(text)
    program = words("HEALTHCHECK")[1:]
    with serving("--config", tmp_path / "edgecnn.toml", env={"STATE_DIRECTORY": str(tmp_path / "state")}) as service:
        port = service.url.rpartition(":")[2]
        asked = [word.replace(":4912/", f":{port}/") for word in program]
        assert asked != program
        assert subprocess.run([sys.executable, *asked], check=False).returncode == 0
        assert service.stop() == 0
    assert subprocess.run([sys.executable, *asked], capture_output=True, check=False).returncode != 0
