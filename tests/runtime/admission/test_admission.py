"""A model file that would end or stall the process that opens it is refused, and that process lives on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hostile_models import UINT8, external, harmless, hostile_models, longs, node, one, value, with_pixels

from edgecnn.errors import EdgeCNNError, ModelError
from edgecnn.runtime.admission import admission, conversation
from edgecnn.runtime.admission import verdict_cache as verdicts
from edgecnn.runtime.admission.admission import admit, admit_own
from edgecnn.runtime.admission.time_limit import measure_speed
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.analysis.int8_kernels import check_fusion
from edgecnn.runtime.analysis.layer_diff import compare_layers
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.opening import open_session

HOSTILE = hostile_models((Path(__file__).parents[2] / "models" / "tiny.onnx").read_bytes())
HARMLESS = {"19000-nodes", "no-inputs"}  # odd, and let in; of the mutated ones some are
PROMISED_S = 10  # on the machine that `time_limit` takes for its reference; more on a slower one
SHORT_S = 2.0  # enough to be told slow: the limit that is computed is tests/runtime/admission/test_time_limit.py's
PATIENT_S = 120.0  # elapsed, where a busy machine must not end the trial before its limit of processor time does
WITHOUT_RULES = (
    "-c",
    (
        "from edgecnn.runtime.admission import sandbox as c; c.check_structure = lambda *a: None; "
        f"c.elapsed_s = lambda s: {PATIENT_S}; c.main()"
    ),
)


def as_file(content: bytes, name: str = "some.onnx") -> ModelFile:
    return ModelFile(Path(name), content, hashlib.sha256(content).hexdigest())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a process that know nothing yet."""
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verdicts, "_here", {})
    monkeypatch.setattr(verdicts, "_told", set())
    return tmp_path / "cache" / "verdicts"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The children that were started, by their ids."""
    pids: list[int] = []
    start = admission._start

    def counted(image: tuple[int, int], seconds: float | None) -> subprocess.Popen[bytes]:
        child = start(image, seconds)
        pids.append(child.pid)
        return child

    monkeypatch.setattr(admission, "_start", counted)
    return pids


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process would see it."""
    monkeypatch.setattr(verdicts, "_here", {})


def test_there_are_more_hostile_files_than_promised() -> None:
    assert len(set(HOSTILE.values())) >= 100


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_neither_ends_nor_stalls_the_process_that_is_given_it(name: str, tmp_path: Path) -> None:
    """Refused in one line in time; or let in, and then it opens and runs in this very process. Inspected, one line too.

    Each file is tried in one child; inspection takes the remembered verdict.
    """
    path = tmp_path / "some.onnx"
    path.write_bytes(HOSTILE[name])
    promised_s = PROMISED_S * measure_speed().slowdown
    begun = _processor_s()
    try:
        admit(as_file(HOSTILE[name]), seconds=SHORT_S if name.startswith("slow") else None)
    except ModelError as error:
        text = str(error)
        assert text.startswith("some.onnx: refused because ") or (name.startswith("slow") and "less busy" in text), text
        assert text.isprintable()
        assert len(text) < 500
    else:
        assert name in HARMLESS or name.startswith("mutated"), f"{name} was let in"
        _run_here(HOSTILE[name])
    assert _processor_s() - begun < promised_s
    try:
        said = str(inspect_model(path).sha256)
    except EdgeCNNError as error:
        said = str(error)
    assert said
    assert "\n" not in said


def _processor_s() -> float:
    """Of this process and its children: what a busy machine does not lengthen."""
    return sum(os.times()[:4])


def _run_here(content: bytes) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        for shade in (0, 77, 255):
            feeds = {
                i.name: np.full([d if isinstance(d, int) else batch for d in i.shape], shade, np.uint8)
                for i in session.get_inputs()
            }
            session.run(None, feeds)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("loop-2^40", "exceeds 2 s of CPU time"),
        ("smallest-number-by-minus-1", r"crashes onnxruntime \(SIG\w+\)"),
        ("functions-3000-deep", "cannot load it|crashes onnxruntime"),
        ("depth-to-space-2^32", "cannot load it|cannot run it|crashes onnxruntime"),
        ("expand-2^40", "more memory than"),
        ("5-million-empty-nodes", "cannot load it|more memory than"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are Unix's")
def test_the_probe_holds_where_the_rules_are_blind(
    name: str, why: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines of defence: here the second alone."""
    monkeypatch.setattr(admission, "_CHILD", WITHOUT_RULES)
    monkeypatch.setattr(conversation, "elapsed_s", lambda _: PATIENT_S)
    with pytest.raises(ModelError, match=why):
        admit(as_file(HOSTILE[name]), seconds=2)


def test_weights_in_another_file_are_refused_by_whatever_name_that_file_has(tmp_path: Path, cache: Path) -> None:
    """onnxruntime refuses links that it sees; a hard link it does not see."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "weights.bin").write_bytes(bytes(432))
    os.link(secret / "weights.bin", tmp_path / "weights.bin")
    (tmp_path / "some.onnx").write_bytes(external("weights.bin"))
    with pytest.raises(ModelError, match="external data file"):
        open_session(tmp_path / "some.onnx", "cpu")


def test_nothing_that_opens_a_users_file_does_so_before_it_was_let_in(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "some.onnx"
    path.write_bytes(HOSTILE["smallest-number-by-minus-1"])
    images = np.zeros((1, 32, 32, 3), np.uint8)
    for opens in (
        lambda: open_session(path),
        lambda: check_fusion(path),
        lambda: compare_layers(tiny_model, path, images),
    ):
        with pytest.raises(ModelError, match="crashes onnxruntime"):
            opens()


def test_classifiers_are_let_in(tiny_model: Path, tiny_int8_model: Path, cache: Path, started: list[int]) -> None:
    for content in (tiny_model.read_bytes(), tiny_int8_model.read_bytes(), harmless()):
        admit(as_file(content))
    assert len(started) == 3


def test_a_known_model_is_not_probed_again(cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    file = as_file(harmless())
    admit(file)
    admit(file)
    forget(monkeypatch)
    admit(file)
    assert len(started) == 1


def test_a_verdict_holds_for_other_processes(tiny_model: Path, cache: Path) -> None:
    """The second process cannot start a child, and need not."""
    program = "import sys\nfrom edgecnn.runtime import admission, session\nif sys.argv[2] == 'no': admission._start = None\nsession.open_session(sys.argv[1], 'cpu')"
    for may_probe in ("yes", "no"):
        subprocess.run([sys.executable, "-c", program, str(tiny_model), may_probe], check=True, timeout=60)


def test_a_refusal_is_remembered_with_its_reason(
    cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_file(HOSTILE["loop-2^40"])
    said = []
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            admit(file)
        said.append(str(caught.value))
        forget(monkeypatch)
    assert said[0] == said[1]
    assert "control flow (Loop)" in said[0]
    assert len(started) == 1


def test_the_verdict_is_on_the_bytes_and_not_on_the_name(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.onnx"
    path.write_bytes(harmless())
    admit(read_model_file(path))
    path.write_bytes(HOSTILE["smallest-number-by-minus-1"])
    with pytest.raises(ModelError):
        admit(read_model_file(path))


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "[" * 100_000, '{"why": null}', '{"why": 3, "rules": 1, "onnxruntime": "x"}', "\x00" * 9]
)
def test_a_damaged_verdict_is_none(
    damage: str, cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_file(harmless())
    admit(file)
    (cache / f"{file.sha256}.json").write_text(damage)
    forget(monkeypatch)
    admit(file)
    assert len(started) == 2


@pytest.mark.parametrize("key", ["onnxruntime", "rules"])
def test_a_verdict_of_another_version_is_none(
    key: str, cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not kill one version of onnxruntime may kill the next."""
    file = as_file(harmless())
    admit(file)
    kept = cache / f"{file.sha256}.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {key: "1.0.0"}))
    forget(monkeypatch)
    admit(file)
    assert len(started) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are Unix's")
def test_verdicts_that_others_may_write_are_not_trusted(
    cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = as_file(harmless())
    admit(file)
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o777)
    for _ in range(2):
        forget(monkeypatch)
        admit(file)
    assert len(started) == 3
    assert [r.getMessage() for r in caplog.records if "other users may write" in r.getMessage()] == caplog.messages
    assert len(caplog.messages) == 1


def test_a_link_in_place_of_the_folder_is_not_followed(
    cache: Path, tmp_path: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    cache.parent.mkdir()
    cache.symlink_to(tmp_path / "theirs")
    admit(as_file(harmless()))
    assert not list((tmp_path / "theirs").iterdir())


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere", "file"])
@pytest.mark.skipif(sys.platform != "linux", reason="these places are Linux's")
def test_a_device_that_cannot_write_goes_on_and_says_so_once(
    place: str,
    cache: Path,
    tmp_path: Path,
    started: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "file") if place == "file" else place)
    for content in (harmless(), harmless(), one("Relu")):
        admit(as_file(content))
    assert len(started) == 2  # one a model: the process remembers
    assert len(caplog.messages) == 1
    assert "verdict cache cannot be used" in caplog.messages[0]


def test_no_more_verdicts_are_kept_than_a_thousand(cache: Path) -> None:
    verdicts.remember("first", verdicts.Verdict(None))
    for i in range(1_005):
        (cache / f"{i}.json").write_text("{}")
        os.utime(cache / f"{i}.json", (i, i))
    verdicts.remember("last", verdicts.Verdict(None))
    left = {path.stem for path in cache.iterdir()}
    assert len(left) == 1_000
    assert {"first", "last", "1004"} <= left


def test_what_this_program_has_made_needs_no_probe(cache: Path, started: list[int]) -> None:
    admit_own(as_file(harmless()))
    admit(as_file(harmless()))
    assert not started


def test_a_file_of_our_own_that_the_runner_would_refuse_is_said_to_be_one(cache: Path) -> None:
    with pytest.raises(ModelError, match="devices would refuse it because it has control flow"):
        admit_own(as_file(HOSTILE["loop-2^40"]))


def test_a_trusted_file_is_not_probed(tiny_model: Path, cache: Path, started: list[int]) -> None:
    open_session(tiny_model, "cpu", trusted=True)
    assert not started


def test_a_stalled_probe_is_ended_and_not_remembered(
    cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was busy for a moment says nothing of the model."""
    said = "print('{\"limit_s\": 0.1}', flush=True)"
    monkeypatch.setattr(
        admission, "_CHILD", ("-c", f"import sys, time; {said}; sys.stdin.buffer.read(); time.sleep(60)")
    )
    file = as_file(harmless())
    with pytest.raises(ModelError, match="not opened because .* less busy"):
        admit(file)
    assert verdicts.recall(file.sha256) is None
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(1)", "Python ended with status 1; run `edgecnn doctor`"),
        ("import sys; sys.stdin.buffer.read(); print('{}')", "returned no result"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "lack of memory"),
        ('import sys; sys.stdin.buffer.read(); print(\'{"why": null, "onnxruntime": "1.0"}\')', "used onnxruntime 1.0"),
    ],
)
def test_a_probe_that_fails_by_itself_lets_nothing_in(
    program: str, said: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_CHILD", ("-c", program))
    file = as_file(harmless())
    with pytest.raises(ModelError, match=said):
        admit(file)
    assert verdicts.recall(file.sha256) is None


def test_without_a_python_to_start_nothing_is_let_in(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ModelError, match="cannot be started"):
        admit(as_file(harmless()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_probe_dies_with_the_program_that_asked_for_it(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "slow.onnx").write_bytes(HOSTILE["slow"])
    program = (
        "import sys\nfrom edgecnn.runtime.admission import admission\nstart = admission._start\n"
        "def told(*asked):\n    child = start(*asked)\n    print(child.pid, flush=True)\n    return child\n"
        "admission._start = told\nfrom edgecnn.runtime.session.opening import open_session\nopen_session(sys.argv[1])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "slow.onnx")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _wait(lambda: "admission.sandbox" in _command(child))
        _wait(lambda: _computed_s(child) > 0.3)
        parent.send_signal(signal.SIGKILL)
    _wait(lambda: not _command(child))


def _command(pid: int) -> str:
    """Empty where the process is gone, or is dead and not fetched yet."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _computed_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _wait(until) -> None:
    while not until():  # pytest's timeout ends a wait in vain
        time.sleep(0.02)


def test_a_module_in_the_working_folder_is_not_taken_for_ours(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit(9)")
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    admit(as_file(harmless()))


def test_several_threads_may_ask_at_once(cache: Path) -> None:
    found: list[object] = []

    def ask(content: bytes) -> None:
        try:
            admit(as_file(content))
            found.append(None)
        except ModelError as error:
            found.append(str(error))

    threads = [
        threading.Thread(target=ask, args=(content,)) for content in (harmless(), HOSTILE["expand-2^40"], harmless())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 2


def test_a_model_that_asks_for_less_than_its_share_of_memory_is_let_in(cache: Path) -> None:
    """A network's activations are larger than its file."""
    admit(as_file(one("Tile", "times", weights=[longs("times", 1, 1, 256, 512)])))  # 100 MB an image


def test_larger_images_may_take_more_memory(cache: Path) -> None:
    """As many channels, of 8 x 8 pixels and of a megapixel."""
    for side in (8, 1024):
        image = value("image", UINT8, ["batch", side, side, 3])
        admit(
            as_file(
                with_pixels(
                    [node("Tile", ["x", "times"], ["probabilities"])], [longs("times", 1, 25, 1, 1)], inputs=[image]
                )
            )
        )  # 300 MB


def test_a_device_or_a_pipe_is_no_model_file() -> None:
    with pytest.raises(ModelError, match=r"/dev/zero: .*not a file"):
        read_model_file("/dev/zero")


def test_a_file_larger_than_any_model_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "holes.onnx").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="more than an ONNX file can have"):
        read_model_file(tmp_path / "holes.onnx")
