"""`examples/roll_out.py` over real services: a good model reaches all, a bad one no further than the first stage."""

from __future__ import annotations

import ast
import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving.running import TESTS, running
from serving.swap.swap_client import models, serving
from serving.swap.swap_models import admitted, good, sha256, with_labels
from waiting import until

from edgecnn.serving.running import RunningService

PROGRAM = TESTS.parent / "examples" / "roll_out.py"
CAMERA = {"name": "door", "address": "fake:320x240@10"}
DIFFERENT = with_labels("square", "circle")


@dataclass(frozen=True)
class Fleet:
    """Services with their cameras, by how they take a new model. Tests leave them with any model."""

    easy: RunningService  # takes over whatever the agreement is
    strict: RunningService  # refuses by itself below 80 %
    asking: RunningService  # waits until somebody accepts
    slow: RunningService  # its shadow never ends

    @property
    def quick(self) -> list[RunningService]:
        return [self.easy, self.strict, self.asking]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    swaps = {
        "easy": {"shadow_frames": 5, "min_agreement": 0},
        "strict": {"shadow_frames": 5},
        "asking": {"shadow_frames": 5, "mode": "confirm"},
        "slow": {"shadow_frames": 1_000_000},
    }
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(running(tmp_path_factory.mktemp(name), sources=[CAMERA], swap=swap))
            for name, swap in swaps.items()
        }
        until(lambda: all(service.service.latest.states() for service in started.values()))
        yield Fleet(**started)


def roll_out(
    tmp_path: Path, services: Sequence[RunningService], content: bytes, *options: str, also: str = ""
) -> tuple[int, str]:
    """Its exit status and what it printed."""
    (tmp_path / "new.onnx").write_bytes(content)
    lines = ["# the fleet", also]
    for i, service in enumerate(services):
        (tmp_path / f"token-{i}").write_text(service.token + "\n")
        lines.append(f"{service.url} token-{i}")
    (tmp_path / "devices.txt").write_text("\n".join(lines))
    given = ["--watch-s", "0.5", "--min-rate", "0", *options]  # a busy machine has no steady rate
    command = [sys.executable, PROGRAM, tmp_path / "new.onnx", tmp_path / "devices.txt", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_good_model_reaches_all_stage_by_stage_and_a_second_run_changes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    new = admitted(good(31))
    status, said = roll_out(tmp_path, fleet.quick, new, "--stages", "0.01,0.1,1")
    assert status == 0, said
    assert [line for line in said.splitlines() if line.startswith("stage")] == [
        "stage 1: 1 of 3 devices",
        "stage 2: 2 of 3 devices",
    ]
    assert said.count("takes it: agrees on 100.0% of 5 frames") == 3
    assert {serving(service) for service in fleet.quick} == {sha256(new)}
    status, said = roll_out(tmp_path, fleet.quick, new)
    assert (status, said.count("has the model already")) == (0, 3)
    assert {serving(service) for service in fleet.quick} == {sha256(new)}


@pytest.mark.parametrize(
    ("first", "ends"),
    [
        ("easy", "rolled back"),  # it served there for a moment
        ("strict", "refused"),
        ("asking", "refused"),
    ],
)
def test_a_model_that_answers_otherwise_is_stopped_after_the_first_stage(
    fleet: Fleet, tmp_path: Path, first: str, ends: str
) -> None:
    device = getattr(fleet, first)
    others = [service for service in fleet.quick if service is not device]
    before = [serving(service) for service in (device, *others)]
    swaps = [models(service)[0]["last"] for service in others]
    status, said = roll_out(tmp_path, [device, *others], admitted(DIFFERENT))
    assert status == 3, said
    assert (said.splitlines()[0], said.splitlines()[-1]) == ("stage 1: 1 of 3 devices", "stopped in stage 1")
    assert "0.0%" in said
    assert f"{device.url}: serves {before[0][:12]}, the model before" in said
    assert [serving(service) for service in (device, *others)] == before
    last = models(device)[0]["last"]
    assert (last["sha256"], last["state"], last["agreement"]) in (
        (sha256(DIFFERENT), ends, 0.0),
        (sha256(DIFFERENT), ends, None),  # a rollback tells of no frames
        (before[0], ends, None),
    )
    assert [models(service)[0]["last"] for service in others] == swaps, "they never got it"


def test_all_devices_of_a_stage_go_back_where_one_falls_behind(fleet: Fleet, tmp_path: Path) -> None:
    devices = [fleet.easy, fleet.slow]
    before = [serving(service) for service in devices]
    status, said = roll_out(tmp_path, devices, admitted(good(32)), "--stages", "1", "--shadow-s", "5")
    assert status == 3, said
    assert f"{fleet.slow.url}: STOP: falls behind: the shadow has not seen its frames after 5 s" in said
    assert [serving(service) for service in devices] == before
    assert models(fleet.slow)[0]["shadow"] is None


def test_a_device_that_decides_on_fewer_frames_than_before_goes_back(fleet: Fleet, tmp_path: Path) -> None:
    before = serving(fleet.easy)
    until(lambda: fleet.easy.service.sources["door"].status().fps > 0)
    status, said = roll_out(tmp_path, [fleet.easy], admitted(good(33)), "--min-rate", "1000", "--grace-s", "0")
    assert (status, "takes it" in said, "STOP: falls behind: " in said) == (3, True, True), said
    assert serving(fleet.easy) == before


def test_a_device_that_is_away_is_left_out_and_a_stage_without_any_stops(fleet: Fleet, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "nobody").write_text("a-token-of-nobody")
    new = admitted(good(34))
    status, said = roll_out(tmp_path, [fleet.easy], new, "--stages", "1", also=f"{nowhere} nobody")
    assert (status, f"{nowhere}: left out: gives no answer" in said) == (2, True), said
    assert "1 of 2 devices have" in said
    assert serving(fleet.easy) == sha256(new)
    status, said = roll_out(tmp_path, [], new, also=f"{nowhere} nobody")
    assert (status, said.splitlines()[-1]) == (3, "stopped in stage 1")


def test_a_file_that_is_no_model_is_refused_by_the_first_device(fleet: Fleet, tmp_path: Path) -> None:
    before = serving(fleet.strict)
    status, said = roll_out(tmp_path, [fleet.strict, fleet.easy], b"not a model\n" * 100)
    assert (status, "STOP: 422: " in said, "not an ONNX file" in said) == (3, True, True), said
    assert serving(fleet.strict) == before


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(PROGRAM.read_text())
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    parts = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in plain | parts} <= sys.stdlib_module_names
