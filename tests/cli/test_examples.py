"""The Python programs of `examples/`, run as their users run them."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from mjpeg_server import jpeg, mjpeg_camera
from processes import alive, children_of
from shapes import shape_image

from edgecnn import Classifier
from edgecnn.runtime.decision import Missing

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHON = Path(sys.executable).parent  # where `edgecnn` is, too


@contextmanager
def running(name: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{PYTHON}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, EXAMPLES / name, *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(name: str, *args: object) -> subprocess.CompletedProcess[str]:
    with running(name, *args) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def read_until(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> list[str]:
    """Lines up to and with the first that is wanted; pytest's timeout ends a wait in vain."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if wanted(lines[-1]):
            return lines
    raise AssertionError(f"it ended without the line: {lines}")


def stop(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    process.terminate()
    assert process.stdout is not None
    assert process.stderr is not None
    # Not communicate(): it would miss lines that read_until has taken into its buffer along with the one it looked for
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(timeout=30)
    return out.splitlines(), err


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def images(shapes: Path, tmp_path: Path) -> list[Path]:
    """A circle, a square, and a file that is no image."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    return [shapes / "circle" / "5000.png", shapes / "square" / "5000.png", broken]


def test_the_loop_is_fifteen_lines_and_says_what_each_image_shows(tiny_model: Path, images: list[Path]) -> None:
    code = [line for line in (EXAMPLES / "loop.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 15
    done = run("loop.py", tiny_model, *images)
    assert done.returncode == 0, done.stderr
    circle, square, broken = done.stdout.splitlines()
    assert "circle (" in circle
    assert "square (" in square
    assert "error: " in broken
    assert "python loop.py model.onnx" in run("loop.py").stderr


def test_the_relay_follows_a_camera_and_is_off_while_it_is_away_and_at_the_end(tiny_model: Path) -> None:
    with mjpeg_camera() as camera:
        camera.frames = [jpeg(shape_image("circle", seed, 64)) for seed in range(10)]
        with running("on_change.py", tiny_model, "--label", "circle", "--hold", 1, camera.url) as process:
            assert read_until(process, lambda line: line.endswith("on")) == ["relay off", "relay on"]
            camera.set_fault("stall")
            assert read_until(process, lambda line: line.endswith("off")) == ["relay off"]
            camera.set_fault("reset")
            camera.set_fault(None)
            assert read_until(process, lambda line: line.endswith("on")) == ["relay on"]
            camera.frames = [jpeg(shape_image("square", seed, 64)) for seed in range(10)]
            assert read_until(process, lambda line: line.endswith("off")) == ["relay off"]
            camera.frames = [jpeg(shape_image("circle", seed, 64)) for seed in range(10)]
            read_until(process, lambda line: line.endswith("on"))
            lines, _ = stop(process)
    assert lines[-1:] == ["relay off"]  # a slow machine may have switched it off before, and on again
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_relay_at_its_very_start_and_a_second_one_does_no_harm(
    number: signal.Signals, tiny_model: Path
) -> None:
    with running("on_change.py", tiny_model, "--label", "circle", "fake:64x64@20") as process:
        read_until(process, lambda line: line == "relay off")
        process.send_signal(number)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_the_relay_heeds_no_old_answer_holds_through_one_that_says_nothing_and_goes_off_when_none_comes(
    tiny_model: Path,
) -> None:
    with Classifier(tiny_model) as classifier:
        circle, square = (classifier(shape_image(name, 5000)) for name in ("circle", "square"))
        nothing = classifier.report_missing(Missing("no_decision", "offline", "camera", None))
    old = replace(circle, age_ms=1500.0)
    calls: list[bool] = []
    with module("on_change").Switch(calls.append, "circle", hold_s=1.0) as switch:
        switch.answer(None, old)
        assert calls == [False]
        for prediction in (circle, nothing, circle):
            switch.answer(None, prediction)
        assert calls == [False, True]
        switch.answer(None, square)
        switch.answer(None, circle)
        assert calls == [False, True, False, True]
        while len(calls) < 5:  # nobody calls it; pytest's timeout ends a wait in vain
            time.sleep(0.01)
    assert calls == [False, True, False, True, False]


def test_a_relay_that_fails_is_tried_again_until_it_is_off(tiny_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Classifier(tiny_model) as classifier:
        circle = classifier(shape_image("circle", 5000))
    calls: list[bool] = []
    faults = {2, 3}  # the first two times that it is to go off

    def relay(on: bool) -> None:
        calls.append(on)
        if len(calls) - 1 in faults:
            raise OSError("the bus is busy")

    with module("on_change").Switch(relay, "circle", hold_s=0.2) as switch:
        switch.answer(None, circle)
        while len(calls) < 5:  # nobody calls it; pytest's timeout ends a wait in vain
            time.sleep(0.01)
    assert calls == [False, True, False, False, False]
    assert "cannot be switched off: the bus is busy" in capfd.readouterr().err


def test_a_relay_that_fails_while_it_goes_on_is_switched_off(tiny_model: Path) -> None:
    with Classifier(tiny_model) as classifier:
        circle = classifier(shape_image("circle", 5000))
    calls: list[bool] = []

    def relay(on: bool) -> None:
        calls.append(on)
        if on:
            raise OSError("it may have switched all the same")

    with pytest.raises(OSError, match="all the same"), module("on_change").Switch(relay, "circle", hold_s=60) as switch:
        switch.answer(None, circle)
    assert calls == [False, True, False]


def test_the_relay_refuses_a_label_that_the_model_has_not_and_a_model_that_is_not_there(tiny_model: Path) -> None:
    wrong_label, no_model = (
        run("on_change.py", tiny_model, "--label", "dog", "fake:"),
        run("on_change.py", "no.onnx", "--label", "dog", "fake:"),
    )
    assert (wrong_label.returncode, no_model.returncode) == (2, 2)
    assert "no label 'dog'; it has circle, square" in wrong_label.stderr
    assert no_model.stderr.startswith("on_change: no.onnx: ")
    assert no_model.stderr.count("\n") == 1


def test_asyncio_goes_on_with_other_tasks_and_is_cancelled_without_leaving_a_process(tiny_model: Path) -> None:
    with running("with_asyncio.py", tiny_model, "fake:64x64@50") as process:
        lines = read_until(process, lambda line: line.startswith("fake:"))
        assert "alive" in lines
        read_until(process, lambda line: line == "alive")
        started = children_of(process.pid)
        assert started
        rest, err = stop(process)
    assert rest[-1] == "cancelled"
    assert (process.returncode, err) == (0, "")
    assert not any(map(alive, started))


def test_a_slow_asyncio_task_gets_the_newest_frame_not_the_next(tiny_model: Path) -> None:
    answers = module("with_asyncio").answers

    async def frames() -> list[int]:
        seen = []
        with Classifier(tiny_model) as classifier:
            async with aclosing(answers(classifier, "fake:64x64@100")) as predictions:
                async for prediction in predictions:
                    seen.append(prediction.frame)
                    if len(seen) == 3:
                        return seen
                    await asyncio.sleep(0.5)
        raise AssertionError("it ended")

    first, second, third = asyncio.run(frames())
    assert second - first > 5
    assert third - second > 5


def test_asyncio_ends_with_its_source_and_says_what_is_wrong_with_it(tiny_model: Path, images: list[Path]) -> None:
    done = run("with_asyncio.py", tiny_model, *images[:2])
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines() if line != "alive"] == ["circle", "square"]
    done = run("with_asyncio.py", tiny_model, "nowhere.png")
    assert done.returncode == 2
    assert done.stderr.startswith("with_asyncio: nowhere.png: ")


def test_json_lines_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse((EXAMPLES / "json_lines.py").read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert imported <= sys.stdlib_module_names


def test_json_lines_tells_each_answer_and_passes_the_exit_status_on(tiny_model: Path, images: list[Path]) -> None:
    done = run("json_lines.py", tiny_model, *images)
    assert done.returncode == 0, done.stderr
    assert [line.rpartition("/")[2].split()[1] for line in done.stdout.splitlines()] == ["circle", "square", "error:"]
    done = run("json_lines.py", "no.onnx", *images)
    assert done.returncode == 2
    assert "starting it again will not help" in done.stderr


def test_json_lines_ends_its_runner_when_told_to_and_notices_when_it_falls(tiny_model: Path) -> None:
    with running("json_lines.py", tiny_model, "fake:64x64@50") as process:
        read_until(process, lambda line: line.startswith("fake:"))
        (runner,) = children_of(process.pid)
        stop(process)
        assert process.returncode == 143
        assert not alive(runner)
    with running("json_lines.py", tiny_model, "fake:64x64@50") as process:
        read_until(process, lambda line: line.startswith("fake:"))
        (runner,) = children_of(process.pid)
        os.kill(runner, signal.SIGKILL)
        _, err = process.communicate(timeout=30)
    assert process.returncode not in (0, 2, 3)
    assert "start it again" in err


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (EXAMPLES / "edgecnn-relay.service").read_text()
    here = tmp_path / "edgecnn-relay.service"
    here.write_text(
        unit.replace("/opt/edgecnn/bin/edgecnn", "/bin/true").replace("/opt/edgecnn/bin/python", "/bin/true")
    )
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if here.name in line], done.stderr
