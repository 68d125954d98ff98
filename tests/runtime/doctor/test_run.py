"""`doctor` names what is wrong with a machine, a model on it or a data set, and what to do."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from edgecnn.data_quality.finding import Finding as FindingItself
from edgecnn.errors import InputNotFoundError, ModelError, ProviderError
from edgecnn.runtime.doctor import environment as doctor_environment
from edgecnn.runtime.doctor import machine as doctor_machine
from edgecnn.runtime.doctor import model as doctor_model
from edgecnn.runtime.doctor import model_timing
from edgecnn.runtime.doctor.model_timing import Runner, cpu_runners, grey, race, winner
from edgecnn.runtime.doctor.run import Diagnosis, Finding, examine
from edgecnn.runtime.providers import availability as provider_reasons
from edgecnn.runtime.providers.availability import Reason
from edgecnn.runtime.providers.registry import PROVIDERS
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.sources import cameras
from edgecnn.runtime.sources.cameras import Camera

Draw = Callable[..., Path]


def of(diagnosis: Diagnosis, level: str) -> list[Finding]:
    return [f for f in diagnosis.findings if f.level == level]


# The machine


def install(folder: Path, *names: str) -> None:
    """What pip leaves behind of a package, as far as Python can tell."""
    for name in names:
        info = folder / f"{name.replace('-', '_')}-9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")


def test_a_machine_is_ok_unless_something_is_a_fault() -> None:
    found = examine()
    assert found.ok == (not of(found, "fault"))
    assert "onnxruntime" in [f.where for f in of(found, "ok")]
    assert all(f.what and f.where for f in found.findings)
    assert Finding is FindingItself


@pytest.mark.parametrize(
    "names", [("opencv-python", "opencv-contrib-python-headless"), ("onnxruntime", "onnxruntime-gpu")]
)
def test_two_packages_that_overwrite_each_other_are_a_fault_with_the_way_out(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, *names)
    monkeypatch.syspath_prepend(tmp_path)
    found = examine()
    assert not found.ok
    assert any(
        all(name in f.what and name in f.remedy for name in names) and "uninstall" in f.remedy
        for f in of(found, "fault")
    )


def test_a_plugin_provider_beside_onnxruntime_is_no_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(examine(), "fault")
    install(tmp_path, "onnxruntime-ep-openvino", "onnxruntime-qnn")
    (tmp_path / "onnxruntime_qnn-9.9.dist-info" / "RECORD").write_text(
        "onnxruntime_qnn/__init__.py,,\n"
    )  # an older one brought onnxruntime itself
    monkeypatch.syspath_prepend(tmp_path)
    assert of(examine(), "fault") == before


def test_a_python_too_old_is_a_fault() -> None:
    assert [f.level for f in doctor_environment._python((3, 9))] == ["fault"]
    assert [f.level for f in doctor_environment._python((3, 10))] == ["ok"]


def test_a_processor_on_which_int8_saturates_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "has_vnni", lambda: False)
    assert any("VNNI" in f.what for f in of(examine(), "warning"))
    monkeypatch.setattr(doctor_machine, "has_vnni", lambda: True)
    assert not any("VNNI" in f.what for f in of(examine(), "warning"))


def test_a_device_without_the_training_packages_is_told_so_and_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    before = examine().ok
    monkeypatch.setitem(sys.modules, "torch", None)
    found = examine()
    assert found.ok == before
    assert any("torch" in f.what and "edgecnn[train]" in f.remedy for f in of(found, "note"))


def test_providers_that_are_missing_are_told_one_way_out_each(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = (
        Reason("tensorrt", "library", "libcublasLt.so.13 cannot be loaded", "bring CUDA"),
        Reason("cuda", "library", "libcublasLt.so.13 cannot be loaded", "bring CUDA"),
        Reason("openvino", "package", "this onnxruntime has none", "install it"),
        Reason("coreml", "hardware", "macOS", ""),
        Reason("qnn", "hardware", "a Snapdragon", ""),
    )
    monkeypatch.setattr(provider_reasons, "missing_providers", lambda: reasons)
    found = [f for f in examine().findings if f.where == "providers"]
    assert [(f.level, f.what, f.remedy) for f in found] == [
        ("warning", "no tensorrt, cuda: libcublasLt.so.13 cannot be loaded", "bring CUDA"),
        ("note", "no openvino: this onnxruntime has none", "install it"),
        ("note", "not for this machine: coreml (macOS); qnn (a Snapdragon)", ""),
    ]


@pytest.mark.parametrize(
    ("module", "message", "remedy"),
    [
        ("cv2", "libGL.so.1: cannot open shared object file: No such file or directory", "opencv-python-headless"),
        ("onnxruntime", "DLL load failed while importing onnxruntime_pybind11_state", "Visual C"),
        ("onnxruntime", "something else", "pip install --force-reinstall onnxruntime"),
    ],
)
def test_a_package_that_does_not_load_is_a_fault_with_the_remedy(
    edgecnn: Any, module: str, message: str, remedy: str, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({message!r})\n")
    here = os.pathsep.join((str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])))
    done = edgecnn("doctor", "--json", env={"PYTHONPATH": here})
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    (fault,) = [f for f in told["findings"] if f["level"] == "fault"]
    assert fault["remedy"].startswith(told["recommended"])
    assert message in fault["what"]
    for target in (tiny_model, tmp_path):
        done = edgecnn("doctor", target, "--json", env={"PYTHONPATH": here})
        assert done.returncode == 3, done.stderr
        assert json.loads(done.stdout)["findings"][0] == fault
    assert remedy in fault["remedy"]


def test_opencv_tells_what_it_reads_images_and_videos_with() -> None:
    (found,) = (f for f in of(examine(), "ok") if f.where == "OpenCV")
    for word in (cv2.__version__, "JPEG through", "video"):
        assert word in found.what


@pytest.mark.parametrize("framework", ["", "QT5"])
def test_windows_are_told_by_what_opencv_was_built_with(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: framework)
    (found,) = (f for f in of(examine(), "note") if f.where == "OpenCV")
    assert ("works" in found.what, "opencv-python" in found.remedy) == (bool(framework), not framework)


# Cameras


def with_cameras(monkeypatch: pytest.MonkeyPatch, *found: Camera) -> None:
    monkeypatch.setattr(cameras, "find_cameras", lambda: found)


def test_cameras_are_listed_and_one_that_may_not_be_opened_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    shut = Camera(
        1,
        "/dev/video1",
        "C270",
        "v4l2",
        "may not be opened by this user; sudo usermod -aG video $USER, then log in again",
    )
    with_cameras(monkeypatch, Camera(0, "/dev/video0", "C920", "v4l2"), shut, Camera(0, None, "imx708", "csi"))
    found = [f for f in examine().findings if f.where == "camera"]
    assert [f.level for f in found] == ["ok", "warning", "ok"]
    assert "'C920' (/dev/video0): predict MODEL 0" in found[0].what
    assert found[1].remedy == "sudo usermod -aG video $USER, then log in again"
    assert "csi:0" in found[2].what


def test_without_a_camera_the_ways_to_one_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with_cameras(monkeypatch)
    (found,) = (f for f in examine().findings if f.where == "camera")
    assert found.level == "note"
    assert found.remedy


# What to run next


def test_the_last_finding_is_the_command_that_is_recommended() -> None:
    found = examine()
    if found.ok:
        assert found.recommended
        assert (found.findings[-1].where, found.findings[-1].remedy) == ("next", found.recommended)
        assert shlex.split(found.recommended)[:2] == ["edgecnn", "predict"]


def test_the_command_takes_the_first_camera_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_environment, "_clash", lambda *names: None)
    with_cameras(
        monkeypatch,
        Camera(0, "/dev/video0", "shut", "v4l2", "may not be opened; do"),
        Camera(2, "/dev/video2", "C920", "v4l2"),
    )
    assert shlex.split(examine().recommended or "")[3] == "2"
    with_cameras(monkeypatch)
    assert shlex.split(examine().recommended or "")[3] == "image.jpg"


@pytest.mark.parametrize(
    ("ep", "x86", "vnni", "fast", "model", "word"),
    [
        ("cuda", True, True, True, "model.onnx", "float"),
        ("tensorrt", True, True, True, "model.int8.onnx", "tensorrt"),
        ("coreml", False, True, None, "model.onnx", "float"),
        ("cpu", True, True, True, "model.int8.onnx", "x86"),
        ("cpu", True, False, False, "model.int8.onnx", "on this machine"),
        ("cpu", False, True, True, "model.int8.onnx", "arm64"),
        ("cpu", False, True, False, "model.onnx", "float"),
    ],
)
def test_the_file_that_is_recommended_is_the_one_that_the_provider_is_quick_with(
    ep: str, x86: bool, vnni: bool, fast: bool | None, model: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("is_x86", x86), ("has_vnni", vnni), ("has_fast_int8", fast)):
        monkeypatch.setattr(doctor_environment, name, lambda value=value: value)
    found, why = doctor_environment._file_for(ep)
    assert found == model
    assert word in why


def test_of_a_machine_with_faults_the_command_mends_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "opencv-contrib-python", "opencv-python", "onnxruntime", "onnxruntime-directml")
    monkeypatch.syspath_prepend(tmp_path)
    found = examine().recommended or ""
    before, after = found.split(" && ")
    assert {"opencv-contrib-python", "opencv-python", "onnxruntime", "onnxruntime-directml"} < set(before.split())
    assert after == "pip install opencv-python-headless onnxruntime"


def test_a_runner_is_recommended_only_where_it_is_clearly_the_quickest(tiny_model: Path) -> None:
    session = open_session(tiny_model, "cpu")
    one, two = Runner(session, 1, [10.0, 10.0, 10.0, 10.0, 10.0]), Runner(session, 2, [6.0, 6.0, 6.0, 6.0, 12.0])
    assert winner([one, two]) == (two, False)
    two.turns_ms = [9.5] * 5  # less than a tenth
    assert winner([one, two]) == (one, True)
    two.turns_ms = [6.0, 6.0, 6.0, 12.0, 12.0]  # by its median, but not by its rounds
    assert winner([one, two]) == (one, True)
    other = Runner(FakeSession("openvino"), None, [9.5] * 5)  # type: ignore[arg-type]
    assert winner([other, one]) == (one, True)


class FakeSession:
    """A provider that is not here, as far as the race looks at it."""

    def __init__(self, ep: str) -> None:
        self.ep = ep


def test_a_race_gives_everyone_as_many_turns(tiny_model: Path) -> None:
    runners = cpu_runners(open_session(tiny_model, "cpu"), (1, 2))
    assert [runner.name for runner in runners] == ["cpu with 1 thread", "cpu with 2 threads"]
    race(runners, grey(runners[0].session), seconds=0)
    assert len(runners[0].turns_ms) == len(runners[1].turns_ms) >= 5
    assert min(runners[0].turns_ms + runners[1].turns_ms) > 0


@pytest.mark.parametrize(
    ("cores", "fast", "counts"),
    [(1, None, (1,)), (2, None, (1, 2)), (4, None, (1, 2, 4)), (6, 2, (1, 2, 3, 4, 6)), (16, None, (1, 4, 8, 16))],
)
def test_numbers_of_threads_that_are_tried(
    cores: int, fast: int | None, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_timing, "physical_cores", lambda: cores)
    monkeypatch.setattr(model_timing, "fast_cores", lambda: fast)
    assert model_timing.thread_counts() == counts


# A model


def changed(model: Path, folder: Path, before: bytes, after: bytes) -> Path:
    """A copy with bytes replaced by as many others, so that the file stays a file of its format."""
    content = model.read_bytes()
    assert before in content
    assert len(before) == len(after)
    copy = folder / "changed.onnx"
    copy.write_bytes(content.replace(before, after, 1))
    return copy


@pytest.mark.parametrize("fixture", ["tiny_model", "tiny_int8_model"])
def test_a_model_that_answers_as_where_it_was_made_is_ok_with_figures(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    found = examine(request.getfixturevalue(fixture))
    assert found.ok
    assert any("max_abs_diff" in f.what and "tolerance" in f.what for f in of(found, "ok"))


def test_a_model_that_answers_otherwise_is_a_fault_with_figures_not_an_exception(
    tiny_model: Path, tmp_path: Path
) -> None:
    found = examine(changed(tiny_model, tmp_path, b'"probabilities": [0.', b'"probabilities": [9.'))
    fault, *_ = of(found, "fault")  # one a provider
    assert not found.ok
    assert "max_abs_diff 9" in fault.what
    assert fault.remedy


def test_a_model_that_is_proven_is_timed_and_gets_the_command_that_runs_it_here(tiny_model: Path) -> None:
    found = examine(tiny_model)
    assert any("golden samples" in f.what for f in of(found, "ok"))
    assert any(" ms" in f.what and "cpu with" in f.what for f in of(found, "ok"))
    words = shlex.split(found.recommended or "")
    assert words[:3] == ["edgecnn", "predict", str(tiny_model)]
    assert "--ep" in words
    assert found.findings[-1].remedy == found.recommended


def test_where_two_runners_are_alike_that_is_said(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_model, "thread_counts", lambda: (2, 1))

    def draw(runners: list[Runner], image: object, seconds: float) -> None:
        for runner in runners:
            runner.turns_ms = [2.0] * 5

    monkeypatch.setattr(doctor_model, "race", draw)
    found = examine(tiny_model, "cpu")
    assert "no clear difference" in found.findings[-1].what
    assert (found.recommended or "").endswith("--threads 1")


def test_a_provider_that_is_known_to_fail_is_not_tried_and_told_with_why(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = (
        Reason("tensorrt", "library", "libnvinfer.so.10 cannot be loaded", "bring it"),
        Reason("cuda", "hardware", "an NVIDIA GPU", ""),
    )
    monkeypatch.setattr(doctor_model, "missing_providers", lambda: reasons)
    monkeypatch.setattr(
        doctor_model, "available", lambda: tuple(PROVIDERS[name] for name in ("tensorrt", "cuda", "cpu"))
    )
    found = examine(tiny_model)
    assert found.ok
    assert [(f.level, f.where, f.remedy) for f in found.findings[:2]] == [
        ("warning", "tensorrt", "bring it"),
        ("note", "cuda", ""),
    ]
    with pytest.raises(ProviderError):
        examine(tiny_model, "xnnpack")


def test_a_model_that_fails_or_proves_nothing_gets_no_command(tiny_model: Path, tmp_path: Path) -> None:
    assert examine(changed(tiny_model, tmp_path, b'"probabilities": [0.', b'"probabilities": [9.')).recommended is None
    assert examine(changed(tiny_model, tmp_path, b"edgecnn.golden", b"edgecnn.g-lden")).recommended is None


def test_a_model_without_golden_samples_is_a_warning(tiny_model: Path, tmp_path: Path) -> None:
    found = examine(changed(tiny_model, tmp_path, b"edgecnn.golden", b"edgecnn.g-lden"))
    assert found.ok
    assert any("golden" in f.what and "--golden" in f.remedy for f in of(found, "warning"))


def test_golden_samples_that_cannot_be_read_are_a_fault(tiny_model: Path, tmp_path: Path) -> None:
    found = examine(changed(tiny_model, tmp_path, b'"tolerance"', b'"tolerince"'))
    assert any("golden samples are invalid" in f.what for f in of(found, "fault"))


def test_a_provider_that_is_not_here_is_an_error_alone_and_a_warning_where_another_may_stand_in(
    tiny_model: Path,
) -> None:
    with pytest.raises(ProviderError, match="xnnpack"):
        examine(tiny_model, "xnnpack")
    found = examine(tiny_model, "xnnpack,cpu")
    assert found.ok
    assert [f.where for f in of(found, "warning")] == ["xnnpack"]


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"no\.onnx"):
        examine(tmp_path / "no.onnx")
    with pytest.raises(InputNotFoundError, match=r"gone\.onnx"):
        examine(tmp_path / "gone.onnx")
