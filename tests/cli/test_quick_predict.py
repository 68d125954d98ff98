"""The two ways in which `edgecnn predict` reads its options read them alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgecnn.cli.commands import predict as typer_predict
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.cli.quick.predict import read_predict

LINES = [
    "m.onnx a.jpg",
    "m.onnx a.jpg b.jpg --topk 3 --threshold 0.5 --ep cuda,cpu --threads 2 --batch 4 --every 5 --max-frames 7",
    "--format csv m.onnx - --save out --show --prove --fail-fast --strict-ep --no-arena --power low",
    "m.onnx 0 --json --allow cat --allow dog --ep-option device_type=GPU --ep-option x=y",
    "m.onnx --deny=cat --threshold=-1 a.jpg",
    "m.onnx -- --json",
    "m.onnx a.jpg --arena --format text",
    "m.onnx http://camera/still.jpg --interval 2.5",
    "m.onnx 0 --health off --smoothing s.json --on-change",
    "m.onnx 0 --roi 0.25,0,0.5,1",
    "m.onnx s3://b/x --engine ray -o out --address h:1 --workers 2 --shard-size 9 --core-price 0.05 --dry-run",
]


def by_typer(line: str, monkeypatch: pytest.MonkeyPatch) -> PredictOptions | None:
    seen: list[PredictOptions] = []
    monkeypatch.setattr(typer_predict, "classify", lambda options: seen.append(options) or 0)
    app = typer.Typer()
    typer_predict.register(app)
    done = CliRunner().invoke(app, line.split())
    return seen[0] if done.exit_code == 0 and seen else None


@pytest.mark.parametrize("line", LINES)
def test_both_read_a_line_alike(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = read_predict(line.split())
    assert quick is not None
    assert quick == by_typer(line, monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "m.onnx",
        "m.onnx a.jpg --help",
        "m.onnx a.jpg --tpok 3",
        "m.onnx a.jpg --topk many",
        "m.onnx a --format xml",
        "m.onnx a --top 3",
    ],
)
def test_what_is_not_plain_is_left_to_typer(line: str) -> None:
    assert read_predict(line.split()) is None


@pytest.mark.parametrize(
    ("line", "strange"), [("", {"typer", "rich", "argparse", "shutil"}), ("--json", {"typer", "rich", "shutil"})]
)
def test_the_quick_way_imports_no_more_than_it_needs(line: str, strange: set[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "edgecnn", "predict", "no.onnx", "a.jpg", *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    imported = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines() if row.startswith("import time")}
    assert done.returncode == 2
    assert "edgecnn.cli.prediction" in imported
    assert not strange & imported
    assert done.stderr.splitlines()[-1].startswith("edgecnn: error: no.onnx")


def test_all_that_was_said_arrives_although_the_program_ends_at_once(edgecnn, tiny_model: Path) -> None:
    done = edgecnn(
        "predict",
        tiny_model,
        "fake:64x64@500",
        "--max-frames",
        400,
        "--format",
        "jsonl",
        "--health",
        "off",
        "--threads",
        1,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 400
    assert done.stderr.startswith("400 frames: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_is_one_line(tiny_model: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "edgecnn", "predict", str(tiny_model), "fake:64x64@50", "--max-frames", "3"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_package_that_does_not_load_is_the_environment_s_fault(tmp_path: Path, edgecnn) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')"
    )
    done = edgecnn("predict", "m.onnx", "a.jpg", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert (
        done.stderr
        == "edgecnn: error: cv2 cannot be imported (libGL.so.1: cannot open shared object file); `edgecnn doctor` says what to do\n"
    )


@pytest.mark.parametrize("own", [None, "3"])
def test_numpy_starts_no_threads_for_a_prediction_unless_its_user_wants_them(own: str | None) -> None:
    """They would take an eighth of the start, and nothing multiplies matrices."""
    program = "import os, sys; os._exit = lambda s: (print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules), sys.exit())"
    program += "; from edgecnn.cli import main; sys.argv = ['edgecnn', 'predict', 'no.onnx', 'a.jpg']; print('numpy' in sys.modules); main()"
    given = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"} | (
        {"OPENBLAS_NUM_THREADS": own} if own else {}
    )
    done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", own or "1", "True"]  # it is set before NumPy is there
