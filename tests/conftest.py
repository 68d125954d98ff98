"""What every test may use: the committed tiny models and images made by code. Nothing here imports torch."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))  # tests/shapes.py

from command_line import run_forked, run_fresh  # noqa: E402
from made_once import made_once  # noqa: E402
from shapes import write_shapes  # noqa: E402


def pytest_configure() -> None:
    """Garbage is looked for less often: torch and six thousand tests are a million objects, gone through again and again."""
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """What is there now stays until the end, and need not be gone through."""
    gc.collect()
    gc.freeze()


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
    return made_once("shapes", lambda folder: write_shapes(folder, 20, first_seed=5000), tmp_path_factory)


@pytest.fixture(scope="session")
def edgecnn():
    """Runs the command line in a process of its own; in a new Python where the test says something of how that starts."""

    def run(
        *args: object,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        cwd: Path | None = None,
        timeout: float = 240,
    ):
        start = run_fresh if "PYTHONPATH" in (env or {}) else run_forked
        return start([*map(str, args)], {**os.environ, "COLUMNS": "400", **(env or {})}, stdin or "", cwd, timeout)

    return run


@pytest.fixture(scope="session")
def small_run(shapes: Path, tmp_path_factory: pytest.TempPathFactory, edgecnn) -> Path:
    """A folder with a short training by the command line in `run`, and what it printed in `train.json`; not to be written to."""

    def make(folder: Path) -> None:
        recipe = ("--model", "resnet8", "--weights", "none", "--epochs", 2, "--imgsz", 32, "--batch", 8)
        trained = edgecnn("train", shapes, *recipe, "--out", folder / "run", "--json")
        assert trained.returncode == 0, trained.stderr
        (folder / "train.json").write_text(trained.stdout)

    return made_once("small-run", make, tmp_path_factory)
