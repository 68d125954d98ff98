"""What onnxruntime would keep and send by itself, it does not where EdgeCNN runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="where its files lie is known for Linux")

_CLASSIFY = "import sys; from edgecnn import Classifier; Classifier(sys.argv[1], ep='cpu')"


def run(code: str, model: Path, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """In a bare environment: on a machine of CI onnxruntime keeps quiet of itself."""
    bare = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": str(home),
        "EDGECNN_CACHE": str(home / "ours"),
        **env,
    }
    return subprocess.run([sys.executable, "-c", code, model], env=bare, capture_output=True, text=True, check=False)


def test_onnxruntime_keeps_no_number_for_the_device(tiny_model: Path, tmp_path: Path) -> None:
    done = run(_CLASSIFY, tiny_model.resolve(), tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "ours" not in path.parents] == []


def test_who_has_set_otherwise_is_heeded(tiny_model: Path, tmp_path: Path) -> None:
    code = "import os, edgecnn; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert run(code, tiny_model, tmp_path).stdout.strip() == "1"
    assert run(code, tiny_model, tmp_path, ORT_DISABLE_TELEMETRY="0").stdout.strip() == "0"
