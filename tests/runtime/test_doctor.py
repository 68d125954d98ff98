"""`doctor` names what is wrong with a machine, a model on it or a data set, and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.errors import DataError, InputNotFoundError, ModelError, ProviderError
from edgecnn.runtime import doctor_environment
from edgecnn.runtime.doctor import Diagnosis, Finding, examine
from edgecnn.runtime.finding import Finding as FindingItself

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
    (fault,) = of(found, "fault")
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


# A folder of pictures


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes a picture like no other below the data folder."""
    random = np.random.default_rng(0)

    def write(where: str, side: int = 40) -> Path:
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), random.integers(0, 256, (side, side, 3), np.uint8))
        return path

    return write


@pytest.fixture
def data(draw: Draw, tmp_path: Path) -> Path:
    """Two sound classes of three pictures."""
    for i in range(3):
        draw(f"cat/{i}.jpg")
        draw(f"dog/{i}.png")
    return tmp_path


def test_a_sound_folder_gets_one_finding_with_its_counts(data: Path) -> None:
    found = examine(data)
    assert [f.level for f in found.findings] == ["ok"]
    assert "6 of 6 pictures" in found.findings[0].what
    assert "cat 3, dog 3" in found.findings[0].what


def test_pictures_that_cannot_be_read_are_faults_each_by_name(data: Path) -> None:
    cut = data / "cat/0.jpg"
    cut.write_bytes(cut.read_bytes()[:-200])
    (data / "dog/no.jpg").write_text("no picture")
    found = examine(data)
    assert not found.ok
    assert {f.where for f in of(found, "fault")} == {str(cut), str(data / "dog/no.jpg")}
    assert any("cut short" in f.what for f in of(found, "fault"))


def test_of_many_faults_twenty_are_listed_and_the_rest_is_counted(data: Path) -> None:
    for i in range(25):
        (data / f"cat/bad{i}.jpg").write_text("no picture")
    faults = of(examine(data), "fault")
    assert len(faults) == 21
    assert "5 more" in faults[-1].what


def test_of_many_small_classes_twenty_are_listed_and_the_rest_is_counted(draw: Draw, tmp_path: Path) -> None:
    for i in range(30):
        draw(f"class{i}/1.png")
    faults = of(examine(tmp_path), "fault")
    assert len(faults) == 21
    assert "10 more" in faults[-1].what


def test_the_same_picture_under_two_labels_is_a_fault(data: Path) -> None:
    shutil.copy(data / "cat/0.jpg", data / "dog/copy.jpg")
    (fault,) = of(examine(data), "fault")
    assert "labels" in fault.what
    assert str(data / "cat/0.jpg") in fault.where
    assert str(data / "dog/copy.jpg") in fault.where


def test_the_same_picture_in_two_splits_is_a_fault(draw: Draw, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for i in range(2):
            draw(f"{split}/cat/{i}.png")
            draw(f"{split}/dog/{i}.png")
    assert examine(tmp_path).ok
    shutil.copy(tmp_path / "train/cat/0.png", tmp_path / "val/cat/copy.png")
    (fault,) = of(examine(tmp_path), "fault")
    assert "splits" in fault.what


def test_the_same_picture_twice_in_a_class_is_a_warning(data: Path) -> None:
    shutil.copy(data / "cat/0.jpg", data / "cat/copy.jpg")
    found = examine(data)
    assert found.ok
    assert len(of(found, "warning")) == 1


@pytest.mark.parametrize("pictures", [0, 1])
def test_a_class_with_fewer_than_two_pictures_is_a_fault(data: Path, draw: Draw, pictures: int) -> None:
    (data / "emu").mkdir()
    for i in range(pictures):
        draw(f"emu/{i}.png")
    (fault,) = of(examine(data), "fault")
    assert "emu" in fault.what


def test_pictures_that_cannot_be_read_do_not_make_a_class(data: Path) -> None:
    for i in range(3):
        (data / f"dog/{i}.png").write_text("no picture")
    assert any("'dog'" in f.what for f in of(examine(data), "fault"))


def test_one_class_alone_is_a_fault(data: Path) -> None:
    shutil.rmtree(data / "dog")
    assert any("two" in f.what for f in of(examine(data), "fault"))


def test_a_class_of_the_other_splits_that_training_lacks_is_a_fault(draw: Draw, tmp_path: Path) -> None:
    for i in range(2):
        for folder in ("train/cat", "train/dog", "val/emu"):
            draw(f"{folder}/{i}.png")
    (fault,) = of(examine(tmp_path), "fault")
    assert "emu" in fault.what


def test_a_ready_split_without_training_pictures_can_be_sound(draw: Draw, tmp_path: Path) -> None:
    """It may be there to judge on."""
    for i in range(2):
        draw(f"test/cat/{i}.png")
        draw(f"test/dog/{i}.png")
    assert examine(tmp_path).ok


def test_more_than_ten_to_one_is_a_warning(data: Path, draw: Draw) -> None:
    for i in range(28):
        draw(f"cat/more{i}.png")
    (warning,) = of(examine(data), "warning")
    assert "31" in warning.what
    assert "'dog' 3" in warning.what


def test_pictures_below_32_pixels_are_a_warning(data: Path, draw: Draw) -> None:
    small = draw("cat/small.png", side=31)
    draw("cat/enough.png", side=32)
    found = examine(data)
    assert found.ok
    assert [f.where for f in of(found, "warning")] == [str(small)]


def test_pictures_outside_the_class_folders_are_a_warning(data: Path, draw: Draw) -> None:
    loose = draw("loose.png")
    assert [f.where for f in of(examine(data), "warning")] == [str(loose)]


def test_a_split_beside_other_folders_is_a_warning(data: Path, draw: Draw) -> None:
    """It would be trained on as a class called `train`."""
    draw("train/1.png")
    draw("train/2.png")
    assert any("train" in f.what for f in of(examine(data), "warning"))


def test_pictures_without_labels_are_a_warning(draw: Draw, tmp_path: Path) -> None:
    """They can still calibrate."""
    draw("1.png")
    found = examine(tmp_path)
    assert found.ok
    assert any("labels" in f.what for f in of(found, "warning"))


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        examine(tmp_path)
