"""`doctor MODEL --frames DIR`: an accuracy where the frames are as taught, a fault where they are others."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from grounds import write_grounds, write_stripes
from taught_models import taught_grounds

from edgecnn.errors import DataError, InputNotFoundError, ManifestError, ModelError, UsageError
from edgecnn.evaluation.evaluate import validate
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.manifest import CLASSES_KEY, MANIFEST_KEY, UnknownRule
from edgecnn.runtime.doctor.frames import examine_frames
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.opening import open_session

KEYS = {"ok", "findings", "expected_top1", "interval", "frames", "scenes", "unknown_share", "shift", "alarm", "reason"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_grounds(tmp_path_factory)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("fresh"), 40, first_seed=20000)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stripes(tmp_path_factory.mktemp("stripes"), 40)


def test_frames_as_taught_have_an_accuracy_whose_interval_covers_the_truth(taught: Path, fresh: Path) -> None:
    found = examine_frames(taught, fresh)
    truth = validate(open_session(taught), None, fresh).top1
    assert (found.ok, found.alarm, found.frames, found.scenes) == (True, False, 80, 80)
    assert found.interval is not None
    assert found.interval[0] <= truth <= found.interval[1]
    assert found.interval[0] > 0.5
    (only,) = found.findings
    assert only.level == "ok"
    assert only.what.startswith(f"80 frames: expected accuracy {found.expected_top1:.3f} (")


def test_other_frames_are_a_fault_with_the_reason_and_without_an_accuracy(taught: Path, stripes: Path) -> None:
    found = examine_frames(taught, stripes)
    assert (found.ok, found.alarm, found.expected_top1) == (False, True, None)
    fault, note = found.findings
    assert (fault.level, note.level) == ("fault", "note")
    assert fault.what == f"the frames are others than what the model was taught on: {found.reason}"
    assert "edgecnn teach" in fault.remedy
    assert "may be anything from 0.0" in note.what


def test_copies_of_a_few_scenes_give_no_accuracy(taught: Path, fresh: Path, tmp_path: Path) -> None:
    """A video of a camera that looks at a table: many frames, and too few scenes for an estimate."""
    for source in sorted((fresh / "dark").iterdir())[:5]:
        image = cv2.resize(cv2.imread(str(source)), (320, 240), interpolation=cv2.INTER_CUBIC)
        for copy in range(12):
            cv2.imwrite(str(tmp_path / f"{source.stem}-{copy}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 60 + copy])
    found = examine_frames(taught, tmp_path)
    assert (found.frames, found.scenes) == (60, 5)
    assert (found.ok, found.expected_top1, found.interval, found.alarm) == (True, None, None, None)
    (only,) = found.findings
    assert only.level == "warning"
    assert only.what.startswith("60 frames, which show 5 different scenes: no estimate of the accuracy: 5 different")


def test_files_that_cannot_be_read_are_told_and_left_out(taught: Path, fresh: Path, tmp_path: Path) -> None:
    shutil.copytree(fresh, tmp_path / "frames")
    (tmp_path / "frames" / "dark" / "broken.jpg").write_bytes(b"\xff\xd8no image")
    found = examine_frames(taught, tmp_path / "frames")
    assert found.frames == 80
    assert found.findings[-1].level == "warning"
    assert "1 image cannot be read, for example" in found.findings[-1].what
    assert "broken.jpg" in found.findings[-1].what


def test_a_file_without_statistics_says_that_drift_may_go_unseen(tiny_model: Path, shapes: Path) -> None:
    assert open_session(tiny_model).description.classes_json is None
    found = examine_frames(tiny_model, shapes)
    assert (found.alarm, found.shift) == (None, None)
    assert found.reason is not None
    assert "drift can be seen " in found.reason
    assert [finding.level for finding in found.findings] == ["ok", "warning"]
    assert found.findings[1].what == found.reason


def uncalibrated(model: Path, out: Path) -> Path:
    """The same file as one that was neither trained nor taught here."""
    manifest = open_session(model).manifest
    foreign = manifest.replace(taught=None, unknown=UnknownRule(), training=replace(manifest.training, val_top1=None))
    written = parse_model(model.read_bytes(), model, with_data=True)
    next(entry for entry in written.metadata_props if entry.key == MANIFEST_KEY).value = foreign.to_json()
    out.write_bytes(written.SerializeToString())
    return out


def test_a_model_that_was_never_calibrated_gets_no_accuracy_but_the_fault_of_other_frames(
    taught: Path, fresh: Path, stripes: Path, tmp_path: Path
) -> None:
    model = uncalibrated(taught, tmp_path / "foreign.onnx")
    found = examine_frames(model, fresh)
    assert (found.ok, found.alarm, found.interval) == (True, None, None)
    (only,) = found.findings
    assert (only.level, only.remedy) == ("warning", "label images of its classes and teach the model")
    drifted = examine_frames(model, stripes)
    assert (drifted.ok, drifted.alarm, drifted.interval) == (False, True, None)
    assert [finding.level for finding in drifted.findings] == ["fault"]


def test_what_cannot_be_examined_is_one_line(taught: Path, tmp_path: Path, fresh: Path) -> None:
    with pytest.raises(InputNotFoundError, match="nowhere"):
        examine_frames(taught, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        examine_frames(taught, tmp_path / "empty")
    (tmp_path / "empty" / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of 1 images can be read"):
        examine_frames(taught, tmp_path / "empty")
    with pytest.raises(UsageError, match="is no folder"):
        examine_frames(taught, taught)


def test_statistics_that_cannot_be_read_are_an_error(taught: Path, fresh: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the metadata is changed with onnx")
    model = onnx.load(taught)
    for entry in model.metadata_props:
        if entry.key == CLASSES_KEY:
            entry.value = "{}"
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ManifestError, match=r"changed\.onnx: the statistics of the classes are invalid"):
        examine_frames(tmp_path / "changed.onnx", fresh)


def test_statistics_of_other_features_are_an_error(taught: Path, fresh: Path, tmp_path: Path) -> None:
    model = parse_model(taught.read_bytes(), taught, with_data=True)
    held = next(entry for entry in model.metadata_props if entry.key == CLASSES_KEY)
    known = ClassStatistics.from_json(held.value)
    half = known.means.shape[1] // 2
    cut = ClassStatistics(known.counts, known.means[:, :half], known.directions[:, :half], known.rest[:half])
    held.value = cut.to_json()
    (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ManifestError, match=r"changed\.onnx: the statistics of the classes do not fit the model"):
        examine_frames(tmp_path / "changed.onnx", fresh)


def test_a_model_with_memory_is_refused_in_one_line(fresh: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="recurrent model files are made with onnx")
    from recurrent_models import write_recurrent

    with pytest.raises(ModelError, match="has a memory of the frames before"):
        examine_frames(write_recurrent(tmp_path / "step.onnx"), fresh)


def test_the_command_prints_json_and_exits_3_where_the_alarm_sounds(edgecnn, taught, fresh, stripes) -> None:
    clean = edgecnn("doctor", taught, "--frames", fresh, "--json")
    assert clean.returncode == 0, clean.stderr
    result = json.loads(clean.stdout)
    assert result.keys() >= KEYS
    assert (result["frames"], result["alarm"]) == (80, False)
    drifted = edgecnn("doctor", taught, "--frames", stripes)
    assert drifted.returncode == 3
    assert "fault" in drifted.stdout
    assert "1 fault found" in drifted.stderr


@pytest.mark.parametrize("target", [(), ("{fresh}",)])
def test_the_command_needs_a_model_file(edgecnn, fresh, target: tuple[str, ...]) -> None:
    found = edgecnn("doctor", *(part.format(fresh=fresh) for part in target), "--frames", fresh)
    assert found.returncode == 2
    assert "--frames needs a model file" in found.stderr
