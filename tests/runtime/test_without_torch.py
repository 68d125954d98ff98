"""The device's promise: everything a prediction needs works where torch, onnx and matplotlib cannot be imported.

Setting ``sys.modules[name] = None`` makes an import fail even though the package is installed here; looking whether the
name is absent from
``sys.modules`` afterwards would miss an import that is caught.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from grounds import write_grounds

BLOCKED = ("torch", "onnx", "onnxscript", "onnx_ir", "matplotlib", "PIL", "pandas", "torchmetrics", "starlette")

PROGRAM = f"""
import sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
sys.argv = ["edgecnn", *sys.argv[1:]]
from edgecnn.cli import main
main()
"""


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=120, check=False
    )


def test_predict_classifies_a_folder(tiny_int8_model: Path, shapes: Path) -> None:
    done = run("predict", tiny_int8_model, shapes, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 40
    right = sum(row["top"][0]["label"] == Path(row["source"]).parent.name for row in rows)
    assert right >= 30  # the model is right on 88 % of such images


@pytest.mark.parametrize(
    "arguments",
    [
        ("val", "MODEL", "--data", "DATA", "--json"),
        ("verify", "MODEL", "INT8", "--data", "DATA", "--min-agreement", "0.9", "--max-drop", "0.1", "--json"),
        ("inspect", "MODEL", "--json"),
        ("benchmark", "INT8", "--seconds", "0.2", "--threads", "1", "--json"),
        ("doctor", "--json"),
        ("doctor", "INT8", "--json"),
        ("doctor", "DATA", "--json"),
    ],
)
def test_commands_for_the_device_work(
    arguments: tuple[str, ...], tiny_model: Path, tiny_int8_model: Path, shapes: Path
) -> None:
    named = {"MODEL": tiny_model, "INT8": tiny_int8_model, "DATA": shapes}
    done = run(*(named.get(word, word) for word in arguments))
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_a_taught_answer_is_explained(tiny_int8_model: Path, tmp_path: Path) -> None:
    images, taught, out = write_grounds(tmp_path / "images", 12), tmp_path / "taught.onnx", tmp_path / "out"
    done = run("teach", tiny_int8_model, "--data", images, "--replace", "--thumbnails", "--out", taught)
    assert done.returncode == 0, done.stderr
    image = images / "light" / "0004.png"
    done = run("explain", taught, image, "--before", tiny_int8_model, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["answer"]
    assert answer["top"][0]["label"] == answer["maps"][0]["label"] == "light"
    assert "0004.png" in [similar["file"] for similar in answer["nearest"]]
    assert (out / "index.html").read_text().count("data:image/jpeg") == len(answer["nearest"]) == 5


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [(("train", "DATA"), "edgecnn[train]"), (("export", "best.pt"), "edgecnn[train]"), (("demo",), "edgecnn[train]")],
)
def test_commands_that_need_an_extra_name_it(arguments: tuple[str, ...], extra: str, shapes: Path) -> None:
    done = run(*(shapes if word == "DATA" else word for word in arguments))
    assert done.returncode == 2
    assert extra in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_name_of_exporters_names_the_extra_and_the_options_need_none() -> None:
    program = f"import sys\nfor name in {BLOCKED!r}: sys.modules[name] = None\nimport exporters"
    program += "\nassert exporters.ExportOptions().opset == 18\nexporters.export_onnx"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "MissingExtraError" in done.stderr
    assert "pip install 'edgecnn[train]'" in done.stderr


def test_importing_edgecnn_imports_nothing_heavy() -> None:
    program = (
        "import sys, edgecnn\nprint([m for m in ('numpy', 'cv2', 'onnxruntime', 'torch', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
