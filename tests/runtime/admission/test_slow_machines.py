"""A slow or busy machine is no fault of the model: the limit of its trial run grows with both, and no time-out stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import ModelError, UsageError
from edgecnn.runtime.admission import admission, conversation, sandbox, verdict_cache
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.admission.time_limit import LONGEST_S, MachineSpeed, allowed_s, allowed_then_s, measure_speed
from edgecnn.runtime.analysis.inspect import count_macs, inspect_model
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.run_options import RunOptions

SERVER = MachineSpeed(slowdown=1.0, mac_s=25e-12)  # measured on one core of an Intel Xeon
EMULATED_A76 = MachineSpeed(slowdown=9.0, mac_s=8e-9)  # measured with qemu-aarch64 there
LITE0 = {"macs": 385_000_000, "size_bytes": 18_700_000, "pixels": 224 * 224}
VIT_L = {"macs": 61_000_000_000, "size_bytes": 1_217_000_000, "pixels": 224 * 224}
# The child of another speed: it measures nothing, and is told
SLOW_CHILD = (
    "-c",
    (
        "from edgecnn.runtime.admission import sandbox as c, time_limit as t\n"
        "c.measure_speed = lambda: t.MachineSpeed({slowdown}, {mac_s})\n"
        "c.main()"
    ),
)

LIMIT = "print('{{\"limit_s\": {}}}', flush=True)"


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verdict_cache, "_here", {})


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The limits of processor time that the children named, in seconds."""
    seen: list[float | None] = []
    real = conversation.converse

    def noted(*given: Any) -> conversation.Outcome:
        outcome = real(*given)
        seen.append(outcome.limit_s)
        return outcome

    monkeypatch.setattr(conversation, "converse", noted)
    return seen


def test_the_limit_grows_with_the_machine_and_with_the_model() -> None:
    small, large = allowed_s(SERVER, **LITE0), allowed_s(SERVER, **VIT_L)
    assert 7 <= small < 8
    assert small + 5 < large < 60
    assert allowed_s(EMULATED_A76, **LITE0) > 9 * small
    assert allowed_s(SERVER, **LITE0, images=100) > small


@pytest.mark.parametrize(
    ("size_bytes", "claims", "most_s"),
    [
        (10_000, {"macs": 10**15}, 8),
        (1_000_000, {"macs": 10**15}, 8),
        (10_000_000, {"macs": 10**15}, 9),
        (1_000_000, {"macs": None, "pixels": 64_000_000}, 11),
        (1_000_000, {"macs": 10**15, "pixels": 64_000_000}, 11),
        (1_000_000, {"macs": 10**15, "images": 2_000}, 14),
    ],
    ids=str,
)
def test_what_a_file_declares_counts_as_far_as_its_size_backs_it(
    size_bytes: int, claims: dict[str, int | None], most_s: float
) -> None:
    """A false shape took a core for 45 s whatever the size of its file."""
    assert allowed_s(SERVER, **{"size_bytes": size_bytes, "pixels": 224 * 224, **claims}) < most_s


# Published: multiply-accumulates, bytes in int8 (one a weight), pixels
@pytest.mark.parametrize(
    ("macs", "weights", "side"),
    [
        (385e6, 4.65e6, 224), (820e6, 1.25e6, 224), (2.83e9, 7.98e6, 224), (4.09e9, 25.6e6, 224), (37.8e9, 66.3e6, 600),
    ],
    ids=["EfficientNet-Lite0", "SqueezeNet 1.0", "DenseNet-121", "ResNet-50", "EfficientNet-B7"],
)  # fmt: skip
@pytest.mark.parametrize("machine", [SERVER, EMULATED_A76], ids=["server", "emulated A76"])
def test_networks_that_are_what_they_declare_get_all_their_time(
    macs: float, weights: float, side: int, machine: MachineSpeed
) -> None:
    full_s = 7 * machine.slowdown + 5 * 3 * macs * machine.mac_s
    assert allowed_s(machine, int(macs), int(weights), side * side) == pytest.approx(min(full_s, LONGEST_S))


def test_no_file_can_ask_for_more_than_the_longest() -> None:
    """Shapes that a file declares may be false."""
    assert allowed_s(SERVER, 10**30, 2**31, 10**12, images=10**9) < 60
    assert allowed_s(MachineSpeed(1e9, 1.0), **LITE0) == LONGEST_S


@pytest.mark.parametrize(("size_bytes", "images"), [(10_000_000, 3), (2_000_000_000, 3), (2_000_000_000, 10**9)])
def test_a_file_with_false_shapes_has_done_its_first_run_early(size_bytes: int, images: int) -> None:
    """Any file of 10 MB could take a core for 44 s, by shapes of which no first run had shown anything."""
    part = 1 / 3 if images == 3 else 1 / 2  # of a fixed batch, the same runs twice
    assert allowed_s(SERVER, 10**15, size_bytes, 10**6, images, part) < 26
    assert allowed_s(SERVER, 10**15, size_bytes, 10**6, images) > 30


@pytest.mark.parametrize("machine", [SERVER, EMULATED_A76], ids=["server", "emulated A76"])
def test_the_second_run_gets_its_time_by_the_first(machine: MachineSpeed) -> None:
    whole_s = allowed_s(machine, **VIT_L)
    honest_s = VIT_L["macs"] * machine.mac_s
    assert allowed_then_s(machine, whole_s, 3 + honest_s, honest_s, 2) >= min(whole_s, 3 + 3 * honest_s)
    cheap = allowed_then_s(machine, whole_s, 0.2, 0.1, 2)
    assert cheap < 7 * machine.slowdown + 1.5, "a first run that costs nothing buys nothing"
    assert allowed_then_s(machine, whole_s, 100.0, 100.0, 2) <= whole_s


@pytest.mark.parametrize(
    ("dims", "runs"),
    [
        ([0, 32, 32, 3], (1, 2)),
        ([16, 32, 32, 3], (16, 16)),
        ([0, 0, 32, 32, 3], (1, 4)),
        ([4, 0, 32, 32, 3], (4, 8)),
        ([4, 8, 32, 32, 3], (32, 32)),
        ([], (1, 2)),
    ],
    ids=str,
)
def test_the_images_of_both_runs_are_counted(dims: list[int], runs: tuple[int, int]) -> None:
    assert sandbox._images_of_probe(dims) == runs


def test_without_shapes_the_size_of_the_file_tells_the_work() -> None:
    without = allowed_s(EMULATED_A76, None, LITE0["size_bytes"], LITE0["pixels"])
    assert without >= allowed_s(EMULATED_A76, **LITE0)


def test_the_calibration_is_quick_and_of_the_right_order() -> None:
    speed = measure_speed()
    assert 1 <= speed.slowdown < 1_000
    assert 1e-13 < speed.mac_s < 1e-6


def test_the_work_is_counted_from_the_shapes(tiny_model: Path) -> None:
    model = parse_model(tiny_model.read_bytes(), tiny_model)
    assert count_macs(model) == inspect_model(tiny_model).macs
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.input[:]
    assert count_macs(model) is None


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processor time are Unix's")
def test_a_child_on_a_slow_machine_gets_the_longer_limit(
    tiny_model: Path, limits: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = SLOW_CHILD[1].format(slowdown=9.0, mac_s=1e-7)
    monkeypatch.setattr(admission, "CHILD", (SLOW_CHILD[0], program))
    file = read_model_file(tiny_model)
    admit(file)
    macs = inspect_model(tiny_model).macs
    assert macs is not None
    whole_s = 9 * 7 + 3 * 5 * macs * 1e-7
    assert 9 * 7 < limits[0] <= whole_s  # type: ignore[operator]


def test_imports_that_take_long_are_no_time_of_the_model(
    tiny_model: Path, limits: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second and a half of processor time before it is ready, of a limit of one."""
    busy = "import time\nwhile time.process_time() < 1.5: pass\n"
    monkeypatch.setattr(admission, "CHILD", ("-c", f"{busy}from edgecnn.runtime.admission.sandbox import main; main()"))
    admit(read_model_file(tiny_model), seconds=1.0)
    assert limits == [1.0]


def test_the_caller_may_set_the_limit(tiny_model: Path, limits: list[float | None]) -> None:
    admit(read_model_file(tiny_model), seconds=77)
    assert limits == [77.0]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="admission_seconds is"):
        RunOptions(admission_seconds=seconds)


def test_a_way_of_admission_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="admission is 'none', expected probe or rules"):
        RunOptions(admission="none")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
@pytest.mark.parametrize(
    ("program", "why"),
    [
        (
            (
                f"import os, signal, sys; {LIMIT.format(7.2)}; sys.stdin.buffer.read(); "
                f"os.kill(os.getpid(), {int(signal.SIGXCPU) if hasattr(signal, 'SIGXCPU') else 0})"
            ),
            "refused because it exceeds 7 s of CPU time, .* --admission-seconds",
        ),
        (
            f"import sys, time; {LIMIT.format(0.01)}; sys.stdin.buffer.read(); time.sleep(60)",
            "did not finish within 2 s, .* --admission-seconds N, or try again when",
        ),
    ],
    ids=["processor time", "elapsed time"],
)
def test_what_time_alone_caused_is_not_remembered(
    program: str, why: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file opens as soon as the machine is quicker."""
    file = read_model_file(tiny_model)
    with monkeypatch.context() as slow:
        slow.setattr(admission, "CHILD", ("-c", program))
        with pytest.raises(ModelError, match=why):
            admit(file)
    assert verdict_cache.recall(file.sha256) is None
    admit(file)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (f"import os, sys, time; {LIMIT.format(0.01)}; os.close(1); time.sleep(60)", "did not finish within 2 s"),
        ("import sys\nwhile True: sys.stdout.write('{}\\n')", "Python ended with status 1"),
        ("import sys\nwhile True: sys.stdout.write('0')", "Python ended with status 1"),
    ],
    ids=["closes its output and goes on", "lines without end", "a line without end"],
)
def test_a_model_that_took_the_child_over_holds_nobody_up(
    program: str, why: str, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "CHILD", ("-c", program))
    with pytest.raises(ModelError, match=why):
        admit(read_model_file(tiny_model))


def test_a_limit_that_the_child_names_is_at_most_the_longest(
    tiny_model: Path, limits: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "CHILD", ("-c", LIMIT.format("1e9")))
    with pytest.raises(ModelError, match="returned no result"):
        admit(read_model_file(tiny_model))
    assert limits == [LONGEST_S]


def test_a_child_that_never_becomes_ready_is_told_apart(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgecnn.runtime.admission import time_limit

    monkeypatch.setattr(time_limit, "START_S", 0.3)
    monkeypatch.setattr(admission, "CHILD", ("-c", "import time; time.sleep(60)"))
    with pytest.raises(ModelError, match=r"not imported within \d s; give it more with --admission-seconds"):
        admit(read_model_file(tiny_model))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the processor time of other processes")
def test_a_child_that_still_imports_is_waited_for(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an emulated processor beside other programs, importing NumPy took 196 s."""
    from edgecnn.runtime.admission import time_limit

    monkeypatch.setattr(time_limit, "START_S", 0.5)
    busy = "import time\nwhile time.process_time() < 1.5: pass\n"
    monkeypatch.setattr(admission, "CHILD", ("-c", f"{busy}from edgecnn.runtime.admission.sandbox import main; main()"))
    admit(read_model_file(tiny_model))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_child_that_the_system_holds_up_as_it_starts_refuses_no_good_model(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets no processor for longer than the model may take in all: that time is the machine's, and not counted."""
    held: list[int] = []
    start = admission._start

    def held_up(image: tuple[int, int], seconds: float | None) -> subprocess.Popen[bytes]:
        child = start(image, seconds)
        os.kill(child.pid, signal.SIGSTOP)
        held.append(child.pid)
        threading.Timer(1.5, os.kill, (child.pid, signal.SIGCONT)).start()
        return child

    monkeypatch.setattr(admission, "_start", held_up)
    admit(read_model_file(tiny_model), seconds=1.0)
    assert len(held) == 1


def test_a_refusal_by_an_older_release_is_forgotten(tiny_model: Path, tmp_path: Path) -> None:
    """They kept what their limit of seven seconds had refused."""
    file = read_model_file(tiny_model)
    verdict_cache.remember(file.sha256, verdict_cache.Verdict("it computes without an end in sight", rules=1))
    verdict_cache._here.clear()
    admit(file)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_refusal_for_time_gives_the_callers_remedy(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`adopt` must not advise a file of `edgecnn export`."""
    program = (
        f"import os, signal, sys; {LIMIT.format(7)}; sys.stdin.buffer.read(); os.kill(os.getpid(), signal.SIGXCPU)"
    )
    monkeypatch.setattr(admission, "CHILD", ("-c", program))
    with pytest.raises(
        ModelError, match=r"on this machine; export it anew, or give it more with --admission-seconds N$"
    ):
        admit(read_model_file(tiny_model), remedy="export it anew")
