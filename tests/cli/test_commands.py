"""The command line as scripts rely on it: keys, streams, exit statuses."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import pytest
from contract_keys import BENCHMARK, INSPECT

from edgecnn import __version__
from edgecnn.cli.app import COMMANDS
from edgecnn.cli.typer_commands import command_name

NAMES = tuple(map(command_name, COMMANDS))


@pytest.mark.parametrize("command", NAMES)
def test_help_ends_with_examples(command: str, edgecnn) -> None:
    done = edgecnn(command, "--help", env={"COLUMNS": "200"})
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if f"edgecnn {command}" in line and "usage" not in line.lower()]
    assert len(lines) >= 2
    assert done.stdout.rstrip().splitlines()[-1].strip().startswith(f"edgecnn {command}") or command == "predict"


def test_the_list_of_commands_shows_only_what_works(edgecnn) -> None:
    shown = edgecnn("--help").stdout
    assert all(f" {command} " in shown for command in NAMES)


def test_the_program_tells_its_version_and_completes_in_shells(edgecnn) -> None:
    assert edgecnn("--version").stdout == f"edgecnn {__version__}\n"
    assert "--install-completion" in edgecnn("--help").stdout


def test_inspect_shows_figures_of_four_digits(tiny_model: Path, edgecnn) -> None:
    shown = edgecnn("inspect", tiny_model, env={"COLUMNS": "200"}).stdout
    assert not re.findall(r"\d\.\d{7,}", shown)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shapes: Path, small_run: Path, edgecnn) -> dict:
    """The whole line, as a script would go through it."""
    folder = tmp_path_factory.mktemp("line")
    train = json.loads((small_run / "train.json").read_text())
    exported = edgecnn("export", train["best_checkpoint"], "--out", folder / "m.onnx", "--json")
    assert exported.returncode == 0, exported.stderr
    quantized = edgecnn(
        "quantize",
        folder / "m.onnx",
        "--data",
        shapes,
        "--out",
        folder / "q.onnx",
        "--max-drop",
        1,
        "--min-speedup",
        0,
        "--json",
    )
    assert quantized.returncode == 0, quantized.stderr
    return {
        "folder": folder,
        "train": train,
        "export": json.loads(exported.stdout),
        "quantize": json.loads(quantized.stdout),
    }


def test_train_export_and_quantize_report_the_contracts_keys(run: dict) -> None:
    assert run["train"].keys() >= set(
        [
            "run_dir",
            "best_checkpoint",
            "last_checkpoint",
            "model",
            "parameters",
            "labels",
            "epochs",
            "train_images",
            "val_images",
            "val_top1",
            "val_macro_f1",
            "val_ece",
            "test_top1",
            "seconds",
            "images_per_s",
        ]
    )
    assert run["export"].keys() >= set(
        ["file", "sha256", "size_bytes", "opset", "ir_version", "inputs", "outputs", "parity", "seconds"]
    )
    assert run["export"]["parity"].keys() >= {"images", "max_abs_diff", "top1_agreement"}
    assert run["quantize"].keys() >= set(
        [
            "file",
            "decision",
            "reason",
            "float",
            "quantized",
            "top1_drop",
            "agreement",
            "kl",
            "images",
            "held_out",
            "speedup",
            "size_bytes",
            "calibration",
            "float_nodes",
        ]
    )
    assert run["quantize"]["float"].keys() == {"top1", "latency_ms"}


def test_the_runs_own_data_is_evaluated_on_held_out_images_alone(run: dict, shapes: Path, edgecnn) -> None:
    assert run["export"]["parity"]["images"] == run["quantize"]["images"] == run["train"]["val_images"] == 8
    for file in (run["train"]["best_checkpoint"], run["export"]["file"]):
        done = edgecnn("val", file, "--data", shapes, "--json")
        assert json.loads(done.stdout)["images"] == 8
        assert "held-out" in done.stderr
        assert json.loads(edgecnn("val", file, "--data", shapes, "--split", "all", "--json").stdout)["images"] == 40


def test_checkpoint_float_and_int8_pass_verify(run: dict, shapes: Path, edgecnn) -> None:
    done = edgecnn(
        "verify",
        run["train"]["best_checkpoint"],
        run["export"]["file"],
        run["quantize"]["file"],
        "--data",
        shapes,
        "--max-drop",
        1,
        "--min-agreement",
        0,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["passed"] is True
    assert result["stages"][1]["agreement"] == 1.0
    assert result["stages"][1]["max_abs_diff"] < 1e-5


def test_verify_fails_with_status_3(run: dict, tiny_model: Path, shapes: Path, edgecnn) -> None:
    done = edgecnn(
        "verify", tiny_model, run["export"]["file"], "--data", shapes, "--min-agreement", 1.0, "--max-drop", 0
    )
    assert done.returncode == 3
    assert "gate failed" in done.stderr


def test_inspect_tells_of_checkpoints_and_model_files(run: dict, edgecnn) -> None:
    for file in (run["train"]["best_checkpoint"], run["export"]["file"], run["quantize"]["file"]):
        found = json.loads(edgecnn("inspect", file, "--json").stdout)
        assert found.keys() >= set(INSPECT)
        assert found["macs"] == 12_506_624 or found["macs"] > 0
    assert len(found["quantized_nodes"]) == 10
    assert found["float_nodes"] == []


def test_benchmark_reports_the_contracts_keys(tiny_model: Path, shapes: Path, edgecnn) -> None:
    image = shapes / "circle" / "5000.png"
    found = json.loads(
        edgecnn("benchmark", tiny_model, "--seconds", 0.2, "--threads", 1, "--source", image, "--json").stdout
    )
    assert found.keys() >= set(BENCHMARK)
    assert found["overhead_ratio"] > 1
    assert found["threads"] == 1


def test_predict_writes_a_line_an_image_in_each_format(tiny_model: Path, shapes: Path, edgecnn) -> None:
    text = edgecnn("predict", tiny_model, shapes, "--threshold", 0)
    assert text.returncode == 0
    assert all(
        re.fullmatch(r".+: Prediction: (circle|square) \([01]\.\d\d\)", line) for line in text.stdout.splitlines()
    )
    assert re.search(r"40 images: 40 answered, 0 unknown; .* a second on cpu", text.stderr)
    rows = [
        json.loads(line)
        for line in edgecnn("predict", tiny_model, shapes, "--format", "jsonl", "--topk", 1).stdout.splitlines()
    ]
    assert len(rows) == 40
    assert all(len(row["top"]) == 1 for row in rows)
    table = list(csv.DictReader(io.StringIO(edgecnn("predict", tiny_model, shapes, "--format", "csv").stdout)))
    assert [row["source"] for row in table] == [row["source"] for row in rows]
    assert json.loads(table[0]["latency_ms"]).keys() == {"decode", "preprocess", "inference", "total"}


def test_predict_below_the_threshold_says_unknown_and_keeps_the_guess(tiny_model: Path, shapes: Path, edgecnn) -> None:
    done = edgecnn("predict", tiny_model, shapes / "circle" / "5000.png", "--threshold", 1.01)
    assert re.search(r"Prediction: unknown \((circle|square) 0\.\d\d\)", done.stdout)
    assert done.returncode == 0


def test_predict_names_what_it_leaves_out_of_folders_and_patterns(
    tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    image = (shapes / "circle" / "5000.png").read_bytes()
    for name in ("a/1.png", "a/2.heic", "a/.3.png", "b/4.png", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(image)
    done = edgecnn("predict", tiny_model, tmp_path)
    assert len(done.stdout.splitlines()) == 2
    assert f"{tmp_path}: 2 images used, 3 files left out: 1 of a format that is not read" in done.stderr
    for pattern in (tmp_path / "*", tmp_path / "**"):
        done = edgecnn("predict", tiny_model, pattern)
        assert (len(done.stdout.splitlines()), "error" in done.stdout) == (2, False)
        assert f"{pattern}: 2 images used, 3 files left out" in done.stderr


def test_predict_takes_paths_from_standard_input(tiny_model: Path, shapes: Path, edgecnn) -> None:
    paths = "".join(f"{p}\n" for p in sorted(shapes.rglob("*.png"))[:3]) + "nowhere.png\n"
    done = edgecnn("predict", tiny_model, "-", "--format", "jsonl", stdin=paths)
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()][-1] == "error"
    assert len(done.stdout.splitlines()) == 4
    assert done.returncode == 0


def test_without_windows_show_is_refused_before_anything_is_answered(tiny_model: Path, shapes: Path, edgecnn) -> None:
    if not re.search(r"GUI: +NONE", cv2.getBuildInformation()):
        pytest.skip("this OpenCV has windows")
    done = edgecnn("predict", tiny_model, shapes / "circle" / "5000.png", "--show")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no windows; install opencv-python in place" in done.stderr


def test_on_a_terminal_a_bar_tells_how_many_images_are_done_and_ends_on_the_last(
    tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    leader, follower = pty.openpty()
    with (tmp_path / "lines").open("w") as lines:
        program = [sys.executable, "-m", "edgecnn", "predict", tiny_model, shapes]
        process = subprocess.Popen(
            program, stdout=lines, stderr=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        )
    os.close(follower)
    shown = b""
    with suppress(OSError):  # the terminal's end, once nobody writes to it
        while piece := os.read(leader, 2**16):
            shown += piece
    os.close(leader)
    images = len(list(shapes.rglob("*.png")))
    assert process.wait() == 0
    assert f"{images}/{images}" in shown.decode()
    assert "images/s" in shown.decode()
    assert len((tmp_path / "lines").read_text().splitlines()) == images


@pytest.mark.parametrize("columns", ["80", "400"])
def test_the_list_of_networks_names_them_whole_in_a_pipe_and_as_json(columns: str, edgecnn) -> None:
    pytest.importorskip("torch")
    shown = edgecnn("train", "--list-models", env={"COLUMNS": columns}).stdout
    told = json.loads(edgecnn("train", "--list-models", "--json", env={"COLUMNS": columns}).stdout)
    assert len(told["models"]) >= 8
    for model in told["models"]:
        assert f" {model['name']} " in shown
        assert f" {model['parameters']:,} " in shown


def test_predict_shows_each_answer_as_it_comes(tiny_model: Path, shapes: Path) -> None:
    """The second path is only written after the first answer has been read."""
    command = [sys.executable, "-m", "edgecnn", "predict", str(tiny_model), "-"]
    paths = sorted(shapes.rglob("*.png"))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for path in paths[:3]:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(str(path))
        process.stdin.close()
    assert process.returncode == 0


def test_predict_saves_images_with_their_answers(tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn) -> None:
    done = edgecnn("predict", tiny_model, shapes / "circle", "--max-frames", 3, "--save", tmp_path / "out")
    assert done.returncode == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "000000_5000.jpg",
        "000001_5001.jpg",
        "000002_5002.jpg",
    ]


def test_two_commands_do_not_save_into_one_folder_at_once(
    tiny_model: Path, shapes: Path, tmp_path: Path, edgecnn
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edgecnn", "predict", str(tiny_model), "-", "--save", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdin
        assert first.stdout
        first.stdin.write(f"{shapes / 'circle' / '5000.png'}\n")
        first.stdin.flush()
        assert "Prediction" in first.stdout.readline()
        second = edgecnn("predict", tiny_model, shapes / "square" / "5000.png", "--save", out)
        assert second.returncode == 2
        line = second.stderr.splitlines()[-1]
        assert f"process {first.pid} on" in line
        assert line.endswith("is writing here; wait until it ends, or name another --save")
        assert second.stdout == ""
        first.stdin.close()
    assert first.returncode == 0
    assert edgecnn("predict", tiny_model, shapes / "square" / "5000.png", "--save", out).returncode == 0
    assert [path.name for path in out.iterdir()] == ["000000_5000.jpg"]


def test_a_reader_that_goes_away_is_no_error(tiny_model: Path, shapes: Path) -> None:
    line = f"{sys.executable} -m edgecnn predict {tiny_model} {shapes} --format jsonl | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_its_own_status(
    sent: signal.Signals, status: int, tiny_model: Path, shapes: Path
) -> None:
    command = [sys.executable, "-m", "edgecnn", "predict", str(tiny_model), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{min(shapes.rglob('*.png'))}\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)
    assert process.returncode == status
    assert "Traceback" not in said


def test_version_of_python_module_and_program_are_one(edgecnn) -> None:
    program = Path(sys.executable).with_name("edgecnn")
    if not program.exists():
        pytest.skip("edgecnn is not installed as a program beside this interpreter")
    shown = subprocess.run(
        [program, "--help"], capture_output=True, text=True, env={**os.environ, "COLUMNS": "400"}, check=True
    ).stdout
    assert shown == edgecnn("--help").stdout


def test_doctor_of_the_environment_names_what_is_here(edgecnn) -> None:
    done = edgecnn("doctor", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 3)
    text = json.dumps(found)
    for word in ("onnxruntime", "OpenCV", "Python", "cpu"):
        assert word in text


def test_several_targets_give_several_files_and_one_object(
    edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    gates = ("--max-drop", 1, "--min-speedup", 0, "--method", "minmax")
    done = edgecnn(
        "quantize",
        tiny_model,
        "--data",
        shapes,
        "--out",
        tmp_path / "q.onnx",
        "--target",
        "x86,arm64",
        *gates,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["target"], found["file"]) == ("x86", str(tmp_path / "q.onnx"))
    assert [(other["target"], other["file"]) for other in found["others"]] == [
        ("arm64", str(tmp_path / "q.arm64.onnx"))
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["q.arm64.onnx", "q.onnx"]
    printed = edgecnn(
        "quantize", tiny_model, "--data", shapes, "--out", tmp_path / "q.onnx", "--target", "tensorrt", *gates
    )
    assert "int8 for tensorrt" in printed.stdout
    assert "speed cannot be measured" in printed.stdout
