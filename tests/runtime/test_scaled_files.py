"""A model that sees JPEGs decoded smaller gives one answer to a file, whichever way the file comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_server import mjpeg_camera
from scaled_model import scaled_model
from shapes import shape_image

from edgecnn import Classifier, open_source
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.dataset import ImageFile
from edgecnn.data.loading import fitted_batches
from edgecnn.data_quality.image_stats import ImageStats, read_image_stats
from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import Decoded, preprocess
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources import LiveOptions
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.annotate import Album
from edgecnn.runtime.streaming.region import Region
from edgecnn.serving.collect.stored_image import stored_frame


@pytest.fixture(scope="module")
def classifier(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classifier]:
    path = scaled_model(tiny_model, tmp_path_factory.mktemp("scaled") / "model.onnx")
    with Classifier(path, ep="cpu", threads=1, threshold=0.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of 640 x 832 pixels, of which the model needs an eighth."""
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 60, (640, 832, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.add(cv2.resize(shape_image("circle", 3, 640), (832, 640)), noise))
    return path


def test_one_file_gives_one_row_of_pixels_and_one_answer(classifier: Classifier, photo: Path) -> None:
    manifest = classifier.manifest
    expected = preprocess(photo, manifest.input, manifest.preprocess)
    whole = preprocess(photo, manifest.input, replace(manifest.preprocess, decode="full"))
    assert (expected != whole).any()
    np.testing.assert_array_equal(classifier.fitted([photo])[0], expected)
    np.testing.assert_array_equal(next(fitted_batches([photo], manifest, 1)).images[0], expected)
    np.testing.assert_array_equal(classifier.fit(stored_frame(photo.read_bytes(), "stored", 10**7)), expected)
    answered = classifier(photo)
    [(_, streamed)] = classifier.stream(photo)
    of_pixels = classifier(expected, color="rgb")
    assert answered.top == streamed.top == of_pixels.top


def test_frames_tell_their_size_and_can_be_had_whole(classifier: Classifier, photo: Path, tmp_path: Path) -> None:
    [(frame, prediction)] = classifier.stream(photo)
    assert frame is not None
    assert frame.image.shape == (80, 104, 3)
    assert frame.size == (640, 832)
    np.testing.assert_array_equal(frame.full_image(), cv2.imread(str(photo)))
    with Album(tmp_path) as album:
        album.add(frame, prediction)
    saved = cv2.imread(str(next(tmp_path.iterdir())))
    assert saved is not None
    assert saved.shape[1] == 832


def test_an_image_that_a_program_puts_in_the_frame_is_what_is_classified(classifier: Classifier, photo: Path) -> None:
    frame = read_frame(str(photo), 0, model=classifier.manifest.model_input)
    other = shape_image("square", 1)
    changed = replace(frame, image=other)
    np.testing.assert_array_equal(classifier.fit(changed), classifier.fit(Frame(other, "array")))
    assert changed.size == other.shape[:2]
    assert changed.full_image() is other


def test_a_frame_that_was_decoded_for_another_model_is_decoded_anew(classifier: Classifier, photo: Path) -> None:
    manifest = classifier.manifest
    expected = preprocess(photo, manifest.input, manifest.preprocess)
    larger = ModelInput(InputSpec(120, 120), PreprocessSpec(decode="scaled"))
    frame = read_frame(str(photo), 0, model=larger)
    assert frame.image.shape == (320, 416, 3)
    np.testing.assert_array_equal(classifier.fit(frame), expected)


def test_a_region_is_cut_out_of_the_whole_image(classifier: Classifier, tiny_model: Path, photo: Path) -> None:
    region = Region.parse("40,60,200,200")
    with Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0) as full:
        [(_, expected)] = full.stream(photo, region=region)
        [(frame, found)] = classifier.stream(photo, region=region)
        assert frame is not None
        smaller = read_frame(str(photo), 0, model=classifier.manifest.model_input)
        np.testing.assert_array_equal(classifier.fit(region.crop(smaller)), full.fit(region.crop(frame)))
    assert found.top == expected.top


def test_checks_of_data_count_the_pixels_of_the_file(classifier: Classifier, photo: Path) -> None:
    kept: list[Decoded] = []
    model = classifier.manifest.model_input
    found = read_image_stats(ImageFile(photo, None, None), kept.append, model=model)
    assert isinstance(found, ImageStats)
    assert (found.height, found.width) == (640, 832)
    assert kept[0].image.shape == (80, 104, 3)
    whole = read_image_stats(ImageFile(photo, None, None))
    assert isinstance(whole, ImageStats)
    assert np.abs(whole.thumbnail.astype(int) - found.thumbnail).mean() < 4


def test_a_folder_of_frames_is_read_as_a_device_reads_it(classifier: Classifier, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(photo.read_bytes())
    manifest = classifier.manifest
    [step] = ClipReader(manifest.input, manifest.preprocess, 0.1, 10.0).steps(tmp_path)
    np.testing.assert_array_equal(step.row, preprocess(photo, manifest.input, manifest.preprocess))


def test_crops_and_bars_lie_where_the_whole_image_puts_them(tiny_model: Path, photo: Path, tmp_path: Path) -> None:
    for resize in ("crop", "letterbox"):
        path = scaled_model(tiny_model, tmp_path / f"{resize}.onnx", resize=resize)
        with Classifier(path, ep="cpu", threads=1) as opened:
            seen = opened.fitted([photo])[0]
            full = replace(opened.manifest.preprocess, decode="full")
            whole = preprocess(photo, opened.manifest.input, full)
        assert np.abs(seen.astype(int) - whole).mean() < 4
        if resize == "letterbox":
            np.testing.assert_array_equal(seen[:3], whole[:3])  # the bar


@contextmanager
def camera_of(content: bytes) -> Iterator[str]:
    """The address of a camera that gives this JPEG again and again."""
    with mjpeg_camera() as camera:
        camera.frames = [content]
        yield camera.url


def test_a_camera_of_jpegs_is_decoded_as_its_files_are(classifier: Classifier, photo: Path) -> None:
    with camera_of(photo.read_bytes()) as url:
        [(frame, found)] = classifier.stream(url, max_frames=1)
    assert frame is not None
    assert frame.image.shape == (80, 104, 3)
    assert frame.size == (640, 832)
    np.testing.assert_array_equal(frame.full_image(), cv2.imread(str(photo)))
    assert found.top == classifier(photo).top


def test_a_camera_gives_whole_frames_where_they_are_needed(classifier: Classifier, photo: Path) -> None:
    region, learned = Region.parse("40,60,200,200"), FrameQualityThresholds(dark_level=1)
    with camera_of(photo.read_bytes()) as url:
        [(cut, _)] = classifier.stream(url, region=region, max_frames=1)
        [(checked, _)] = classifier.stream(url, health=learned, max_frames=1)
        with open_source(url) as source:
            of_no_model = next(source)
    assert cut is not None
    assert checked is not None
    assert cut.image.shape == checked.image.shape == of_no_model.image.shape == (640, 832, 3)


def test_a_file_with_more_bytes_than_pixels_is_decoded_whole(classifier: Classifier, photo: Path) -> None:
    """The frame's memory has no place for it beside the smaller image."""
    content = photo.read_bytes()
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    live = LiveOptions(model=classifier.manifest.model_input)
    for comments, shape in ((0, (80, 104, 3)), (4, (640, 832, 3))):
        padded = content[:2] + comments * comment + content[2:]
        with camera_of(padded) as url, open_source(url, max_pixels=640 * 832, live=live) as source:
            assert next(source).image.shape == shape
