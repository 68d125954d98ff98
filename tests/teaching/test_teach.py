"""A model file is taught images on the device: without torch, gated, and as an ordinary model file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from grounds import write_grounds, write_stripes
from shapes import shape_image
from taught_models import taught_grounds, taught_stripes, taught_with_thumbnails

from edgecnn import Classifier
from edgecnn.data.split_record import content_digest
from edgecnn.errors import DataError, ManifestError, ModelError, OutputError, UsageError
from edgecnn.evaluation.evaluate import validate
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.features.taught_images import TaughtImages
from edgecnn.manifest import CLASSES_KEY, TAUGHT_KEY
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching import labelled_images
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.result import TeachResult
from edgecnn.teaching.teach import teach


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("images"), 24, first_seed=9000)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six images of each class, to be changed."""
    return write_grounds(tmp_path / "data", 6, first_seed=9000)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred images of each class that no model was taught."""
    return write_grounds(tmp_path_factory.mktemp("fresh"), 100, first_seed=20000)


@pytest.fixture(scope="module")
def relearned(tiny_model: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TeachResult]:
    """Dark and light, learned anew: a file with statistics of its classes."""
    out = tmp_path_factory.mktemp("relearned") / "taught.onnx"
    return out, teach(tiny_model, images, out, TeachOptions(replace=True))


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stripes(tmp_path_factory.mktemp("stripes"), 12)


@pytest.fixture(scope="module")
def extended(
    relearned: tuple[Path, TeachResult], stripes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TeachResult]:
    """A third class was added, from images of that class alone."""
    out = tmp_path_factory.mktemp("extended") / "taught.onnx"
    return out, teach(relearned[0], stripes, out)


@pytest.fixture(scope="module")
def relearned_top1(relearned: tuple[Path, TeachResult], fresh: Path) -> float:
    return validate(open_session(relearned[0]), None, fresh).top1


def test_classes_are_learned_anew_with_an_honest_figure(
    relearned: tuple[Path, TeachResult], relearned_top1: float
) -> None:
    file, found = relearned
    assert (found.decision, found.file) == ("taught", str(file))
    assert found.labels == ("dark", "light")
    assert found.images == 48
    assert (found.known_top1_before, found.known_top1_after) == (None, None)
    assert relearned_top1 > 0.9
    assert found.cv_interval[0] - 0.03 <= relearned_top1 <= found.cv_interval[1] + 0.03


def test_a_class_is_added_and_the_known_ones_stay(
    extended: tuple[Path, TeachResult], relearned_top1: float, fresh: Path, tmp_path: Path
) -> None:
    file, found = extended
    assert found.added == ("stripes",)
    assert found.labels == ("dark", "light", "stripes")
    assert found.before_top1 == 0
    assert validate(open_session(file), None, fresh).top1 >= relearned_top1 - 0.01
    assert found.known_top1_before is not None
    assert found.known_top1_after is not None
    assert found.known_top1_before - found.known_top1_after <= 0.01
    assert validate(open_session(file), None, write_stripes(tmp_path / "new", 60, first_seed=500)).top1 > 0.9


def test_the_taught_file_proves_itself(extended: tuple[Path, TeachResult]) -> None:
    file, found = extended
    session = open_session(file, "cpu", prove=True)
    golden = session.description.golden()
    assert golden is not None
    assert replay(session, golden).passed
    assert golden.probabilities.shape[1] == 3
    assert found.sha256 == session.sha256 == read_model_file(file).sha256


def test_the_network_is_that_of_the_model_before(extended: tuple[Path, TeachResult], tiny_model: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, *open_session(tiny_model).input_shape)).astype(np.uint8)
    one, other = (open_session(file).outputs(images).embedding for file in (tiny_model, extended[0]))
    np.testing.assert_array_equal(one, other)


def test_it_records_what_it_was_taught_on(extended: tuple[Path, TeachResult], stripes: Path) -> None:
    session = open_session(extended[0])
    taught, record = session.manifest.taught, session.split_record
    assert taught is not None
    assert (taught.images, taught.labels) == (12, ("stripes",))
    assert record is not None
    assert all(record.split_of(content_digest(path.read_bytes())) == "train" for path in stripes.rglob("*.png"))
    with pytest.raises(DataError, match="the model was trained on every image in it"):
        validate(session, record, stripes)


def test_the_manifest_follows_the_published_schema(extended: tuple[Path, TeachResult]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parents[2] / "docs" / "manifest.schema.json").read_text())
    jsonschema.validate(json.loads(open_session(extended[0]).manifest.to_json()), schema)


def test_statistics_of_all_classes_are_in_the_file(extended: tuple[Path, TeachResult]) -> None:
    metadata = {e.key: e.value for e in parse_model(extended[0].read_bytes(), extended[0]).metadata_props}
    assert ClassStatistics.from_json(metadata[CLASSES_KEY]).counts == (24, 24, 12)


def taught_images(file: Path) -> TaughtImages:
    metadata = {e.key: e.value for e in parse_model(file.read_bytes(), file).metadata_props}
    return TaughtImages.from_json(metadata[TAUGHT_KEY])


def test_the_file_remembers_the_images_of_both_teachings(
    relearned: tuple[Path, TeachResult], extended: tuple[Path, TeachResult], images: Path
) -> None:
    first, second = taught_images(relearned[0]), taught_images(extended[0])
    assert len(first.images) == 48
    assert {(image.label, image.file) for image in second.images} >= {(i.label, i.file) for i in first.images}
    assert [image.label for image in second.images].count("stripes") == 12
    assert all(image.thumbnail is None for image in second.images)
    digests = {content_digest(path.read_bytes())[:16] for path in images.rglob("*.png")}
    assert {image.digest for image in first.images} == digests


def test_thumbnails_are_kept_only_on_request(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without: `test_the_file_remembers_the_images_of_both_teachings`."""
    file = taught_with_thumbnails(tmp_path_factory)
    for image in taught_images(file).images:
        assert image.thumbnail is not None
        shown = cv2.imdecode(np.frombuffer(image.thumbnail, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        original = cv2.imread(str(file.with_name("images") / image.label / image.file))
        assert shown.shape == original.shape
        assert np.abs(cv2.blur(shown, (9, 9)).astype(int) - cv2.blur(original, (9, 9))).mean() < 6


def test_a_tampered_record_of_taught_images_is_refused(
    relearned: tuple[Path, TeachResult], stripes: Path, tmp_path: Path
) -> None:
    model = parse_model(relearned[0].read_bytes(), relearned[0], with_data=True)
    next(entry for entry in model.metadata_props if entry.key == TAUGHT_KEY).value = '{"labels": 1}'
    (tmp_path / "tampered.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ManifestError, match=r"tampered.onnx: the record of the taught images is invalid"):
        teach(tmp_path / "tampered.onnx", stripes, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_int8_is_taught_as_float_is(images: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    classifier = Classifier(taught_stripes("tiny.int8.onnx", tmp_path_factory))
    assert classifier.manifest.precision == "int8"
    assert classifier(images / "dark" / "9000.png").top[0].label == "dark"


def test_foreign_images_are_unknown_to_the_taught_model_and_those_of_its_classes_are_not(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    classifier = Classifier(taught_grounds(tmp_path_factory))
    assert not classifier.manifest.unknown.off
    fresh, foreign = write_grounds(tmp_path / "fresh", 50, 30000), write_stripes(tmp_path / "foreign", 50, 30000)
    own, others = ([classifier(path).status for path in folder.rglob("*.png")] for folder in (fresh, foreign))
    assert own.count("unknown") <= 15  # of 100; the rule allows a twentieth on average
    assert others.count("unknown") >= 45  # of 50


def test_a_model_that_never_answers_unknown_is_told_of(tmp_path: Path, tiny_model: Path) -> None:
    few = write_grounds(tmp_path / "few", 15, 20000)  # of each of two classes
    result = teach(tiny_model, few, tmp_path / "taught.onnx", TeachOptions(replace=True))
    assert result.file is not None
    assert open_session(result.file).manifest.unknown.off
    [note] = [note for note in result.notes if "never answers unknown" in note]
    assert "30 images are fewer than the 40" in note


def test_what_the_model_knows_already_is_not_taught(relearned: tuple[Path, TeachResult], tmp_path: Path) -> None:
    file = relearned[0]
    classifier = Classifier(file, threshold=0.0)
    shown = write_grounds(tmp_path / "more", 30, first_seed=40000)
    for path in list(shown.rglob("*.png")):
        if classifier(path).top[0].label != path.parent.name:
            path.unlink()
    found = teach(file, shown, tmp_path / "out.onnx")
    assert found.decision == "unchanged"
    assert "right; label images that it gets wrong" in found.reason
    assert not (tmp_path / "out.onnx").exists()


def test_labels_that_mean_nothing_are_not_taught(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for path in sorted(images.rglob("*.png")):
        folder = tmp_path / "mixed" / ("a" if random.random() < 0.5 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    old = tmp_path / "out.onnx"
    old.write_bytes(b"the old file")
    found = teach(tiny_model, tmp_path / "mixed", old, TeachOptions(replace=True))
    assert found.decision == "unchanged"
    assert "not certainly better" in found.reason
    assert old.read_bytes() == b"the old file"


def test_a_model_that_does_not_remember_its_classes_needs_their_images(
    tiny_model: Path, stripes: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="does not remember what its 2 classes look like.*--replace"):
        teach(tiny_model, stripes, tmp_path / "out.onnx")


def test_with_images_of_all_classes_a_model_without_statistics_is_extended(
    relearned: tuple[Path, TeachResult], images: Path, stripes: Path, tmp_path: Path
) -> None:
    shutil.copytree(images, tmp_path / "all")
    shutil.copytree(stripes, tmp_path / "all", dirs_exist_ok=True)
    model = parse_model(relearned[0].read_bytes(), relearned[0], with_data=True)
    kept = [entry for entry in model.metadata_props if entry.key != CLASSES_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    (tmp_path / "forgetful.onnx").write_bytes(model.SerializeToString())
    found = teach(tmp_path / "forgetful.onnx", tmp_path / "all", tmp_path / "out.onnx")
    assert found.decision == "taught", found.reason
    assert found.labels == ("dark", "light", "stripes")
    assert found.known_top1_before is not None


def test_byte_identical_images_count_once_and_one_under_two_labels_is_refused(
    tiny_model: Path, few: Path, tmp_path: Path
) -> None:
    shutil.copy(few / "dark" / "9000.png", few / "dark" / "copy.png")
    found = teach(tiny_model, few, tmp_path / "out.onnx", TeachOptions(replace=True))
    assert found.images == 12
    shutil.copy(few / "dark" / "9000.png", few / "light" / "copy.png")
    with pytest.raises(DataError, match="the same image lies in 'dark' too"):
        teach(tiny_model, few, tmp_path / "out.onnx", TeachOptions(replace=True))


def test_classes_with_few_different_images_are_refused(tiny_model: Path, few: Path, tmp_path: Path) -> None:
    shutil.rmtree(few / "light")
    (few / "light").mkdir()
    image = shape_image("circle", 1, side=96)
    for quality in range(85, 95):
        cv2.imwrite(str(few / "light" / f"{quality}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    with pytest.raises(DataError, match="the class 'light' has 1 different image, expected at least 5"):
        teach(tiny_model, few, tmp_path / "out.onnx", TeachOptions(replace=True))


def test_more_classes_than_memory_are_refused_before_the_images_are_read(
    tiny_model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled_images, "_MOST_SCORES", 90)
    with pytest.raises(
        DataError, match=r"48 images of 2 classes are more than can be taught .*: at most 90\); use fewer"
    ):
        teach(tiny_model, images, tmp_path / "new.onnx", TeachOptions(replace=True))


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_used(
    tiny_model: Path, few: Path, tmp_path: Path
) -> None:
    (few / "dark" / "9003.png").write_bytes((few / "dark" / "9003.png").read_bytes()[:200])
    found = teach(tiny_model, few, tmp_path / "out.onnx", TeachOptions(replace=True))
    assert found.images == 11
    assert [Path(s.path).name for s in found.skipped] == ["9003.png"]


def test_the_model_itself_is_never_written_over(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    own = shutil.copy(tiny_model, tmp_path / "model.onnx")
    with pytest.raises(OutputError, match=r"model\.onnx: the output would overwrite its own input"):
        teach(own, images, own, TeachOptions(replace=True))
    assert own.read_bytes() == tiny_model.read_bytes()


@pytest.mark.parametrize("linked", [False, True])
def test_an_image_is_never_written_over(tiny_model: Path, few: Path, tmp_path: Path, linked: bool) -> None:
    out = image = few / "dark" / "9003.png"
    before = image.read_bytes()
    if linked:
        out = tmp_path / "out.onnx"
        out.symlink_to(image)
    with pytest.raises(OutputError, match="would overwrite its own input"):
        teach(tiny_model, few, out, TeachOptions(replace=True))
    assert image.read_bytes() == before


def test_an_image_without_a_label_is_never_written_over(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    image = Path(shutil.copy(images / "dark" / "9003.png", tmp_path))
    before = image.read_bytes()
    with pytest.raises(OutputError, match="would overwrite its own input"):
        teach(tiny_model, images, image, TeachOptions(replace=True, unlabelled=tmp_path))
    assert image.read_bytes() == before


def test_a_class_that_no_wanted_image_has_is_not_missed(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    """The labelled frames of a service with two models: each learns its own."""
    data = shutil.copytree(images, tmp_path / "data")
    write_stripes(data, 6)
    options = TeachOptions(replace=True)
    found = teach(tiny_model, data, tmp_path / "out.onnx", options, wanted=lambda path: path.parent.name != "stripes")
    assert found.labels == ("dark", "light")
    assert found.images == 48


def test_a_class_without_a_usable_image_is_named(tiny_model: Path, few: Path, tmp_path: Path) -> None:
    (few / "empty").mkdir()
    (few / "empty" / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"'empty' has 0 different images.*1 images of the folder cannot be used"):
        teach(tiny_model, few, tmp_path / "out.onnx", TeachOptions(replace=True))


def test_images_of_the_test_split_alone_are_not_taught(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "data" / "test")
    with pytest.raises(DataError, match="all of its images are in the split 'test'"):
        teach(tiny_model, tmp_path / "data", tmp_path / "out.onnx", TeachOptions(replace=True))


@pytest.mark.parametrize("changes", [{"max_drop": -0.1}, {"max_drop": 2}, {"seed": -1}])
def test_options_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        TeachOptions(**changes)  # type: ignore[arg-type]


def test_the_same_images_give_the_same_file(
    relearned: tuple[Path, TeachResult], tiny_model: Path, images: Path, tmp_path: Path
) -> None:
    again = teach(tiny_model, images, tmp_path / "again.onnx", TeachOptions(replace=True))
    assert again.sha256 == relearned[1].sha256


def test_a_class_of_few_images_is_not_rejected_as_unknown(
    extended: tuple[Path, TeachResult], relearned: tuple[Path, TeachResult], tmp_path: Path
) -> None:
    images = [cv2.imread(str(path)) for path in sorted(write_stripes(tmp_path, 40, first_seed=500).rglob("*.png"))]
    before, after = (Classifier(file).batch(images) for file in (relearned[0], extended[0]))
    assert np.mean([answer.status == "unknown" for answer in before]) > 0.6
    assert np.mean([answer.label == "stripes" for answer in after]) > 0.7


def test_images_of_the_known_classes_are_not_rejected_after_a_class_was_added(
    extended: tuple[Path, TeachResult], relearned: tuple[Path, TeachResult]
) -> None:
    """Drawn features stand in for them, whose distances are more alike than those of images."""
    before, after = (open_session(file, "cpu").manifest.unknown for file in (relearned[0], extended[0]))
    assert after.score == before.score == "feature_distance"
    assert after.threshold >= before.threshold
