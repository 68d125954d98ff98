"""`doctor` names what is wrong with a machine, a model on it or a data set, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.errors import InputNotFoundError, ModelError, ProviderError
from edgecnn.finding import Finding as FindingItself
from edgecnn.runtime import doctor_environment
from edgecnn.runtime.doctor import Diagnosis, Finding, examine

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
    assert "onnxruntime" in " ".join(f.what for f in of(found, "ok"))
    assert all(f.what and f.where for f in found.findings)
    assert Finding is FindingItself


@pytest.mark.parametrize("names", [("opencv-python", "opencv-contrib-python-headless"), ("onnxruntime", "onnxruntime-gpu")])
def test_two_packages_that_overwrite_each_other_are_a_fault_with_the_way_out(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, *names)
    monkeypatch.syspath_prepend(tmp_path)
    found = examine()
    assert not found.ok
    assert any(all(name in f.what and name in f.remedy for name in names) and "uninstall" in f.remedy for f in of(found, "fault"))


def test_a_plugin_provider_beside_onnxruntime_is_no_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(examine(), "fault")
    install(tmp_path, "onnxruntime-ep-openvino")
    monkeypatch.syspath_prepend(tmp_path)
    assert of(examine(), "fault") == before


def test_a_python_too_old_is_a_fault() -> None:
    assert [f.level for f in doctor_environment._python((3, 9))] == ["fault"]
    assert [f.level for f in doctor_environment._python((3, 10))] == ["ok"]


def test_a_processor_on_which_int8_saturates_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_environment, "has_vnni", lambda: False)
    assert any("VNNI" in f.what for f in of(examine(), "warning"))
    monkeypatch.setattr(doctor_environment, "has_vnni", lambda: True)
    assert not any("VNNI" in f.what for f in of(examine(), "warning"))


def test_a_device_without_the_training_packages_is_told_so_and_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    before = examine().ok
    monkeypatch.setitem(sys.modules, "torch", None)
    found = examine()
    assert found.ok == before
    assert any("torch" in f.what and "edgecnn[train]" in f.remedy for f in of(found, "note"))


def test_a_provider_is_missed_only_where_the_machine_could_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_environment, "_fitting", lambda: iter(()))
    assert not any("may also have" in f.what for f in examine().findings)
    monkeypatch.setattr(doctor_environment, "_fitting", lambda: iter(("xnnpack",)))
    assert any("xnnpack" in f.what and f.remedy for f in of(examine(), "note"))


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
def test_a_model_that_answers_as_where_it_was_made_is_ok_with_figures(fixture: str, request: pytest.FixtureRequest) -> None:
    found = examine(request.getfixturevalue(fixture))
    assert found.ok
    assert any("max_abs_diff" in f.what and "tolerance" in f.what for f in of(found, "ok"))


def test_a_model_that_answers_otherwise_is_a_fault_with_figures_not_an_exception(tiny_model: Path, tmp_path: Path) -> None:
    found = examine(changed(tiny_model, tmp_path, b'"probabilities": [0.', b'"probabilities": [9.'))
    fault, *_ = of(found, "fault")  # one a provider
    assert not found.ok
    assert "max_abs_diff 9" in fault.what
    assert fault.remedy


def test_a_model_without_golden_samples_is_a_warning(tiny_model: Path, tmp_path: Path) -> None:
    found = examine(changed(tiny_model, tmp_path, b"edgecnn.golden", b"edgecnn.g-lden"))
    assert found.ok
    assert any("golden" in f.what and "--golden" in f.remedy for f in of(found, "warning"))


def test_golden_samples_that_cannot_be_read_are_a_fault(tiny_model: Path, tmp_path: Path) -> None:
    found = examine(changed(tiny_model, tmp_path, b'"tolerance"', b'"tolerince"'))
    assert any("golden samples are broken" in f.what for f in of(found, "fault"))


def test_a_provider_that_is_not_here_is_an_error_alone_and_a_warning_where_another_may_stand_in(tiny_model: Path) -> None:
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
