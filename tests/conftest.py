"""What every test may use: the committed tiny models and images made by code. Nothing here imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))  # tests/shapes.py

from shapes import write_shapes  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Verdicts on model files stay out of the user's own cache, for child processes too."""
    os.environ["EDGECNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """A float model that tells circles from squares."""
    return TESTS / "models" / "tiny.onnx"


@pytest.fixture(scope="session")
def tiny_int8_model() -> Path:
    """The same in int8."""
    return TESTS / "models" / "tiny.int8.onnx"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty circles and twenty squares; not to be written to."""
    return write_shapes(tmp_path_factory.mktemp("shapes"), 20, first_seed=5000)


@pytest.fixture(scope="session")
def edgecnn():
    """Runs the installed command line in a process of its own, as a user does."""

    def run(
        *args: object,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        cwd: Path | None = None,
        timeout: float = 240,
    ):
        command = [sys.executable, "-m", "edgecnn", *map(str, args)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "400", **(env or {})},
            input=stdin,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )

    return run
