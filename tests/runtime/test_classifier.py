"""The runner from Python."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn import Classifier, EdgeCNNError, Frame, Prediction, open_source
from edgecnn.errors import ImageError, UsageError


@pytest.fixture(scope="module")
def classifier(tiny_model: Path) -> Classifier:
    return Classifier(tiny_model, ep="cpu", threshold=0.0, threads=1)


def scores(prediction: Prediction) -> np.ndarray:
    return np.array([s.score for s in sorted(prediction.top, key=lambda s: s.label)])


def test_a_path_its_pixels_and_its_frame_answer_alike(classifier: Classifier, shapes: Path) -> None:
    path = shapes / "circle" / "5000.png"
    expected = scores(classifier(path))
    image = cv2.imread(str(path))
    assert np.array_equal(scores(classifier(image)), expected)
    assert np.array_equal(scores(classifier(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), color="rgb")), expected)
    assert np.array_equal(scores(classifier(next(iter(open_source(path))))), expected)


def test_a_channel_order_that_there_is_not_is_refused(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="color is 'RGB', expected bgr or rgb"):
        classifier(shape_image("circle", 0), color="RGB")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8, 3), np.uint16), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))],
)
def test_a_frame_that_holds_no_image_is_refused_as_an_array_is(image: np.ndarray, classifier: Classifier) -> None:
    for ask in (classifier, lambda frame: classifier.answer([frame]), lambda frame: classifier.fitted([frame])):
        with pytest.raises(ImageError, match="mine: .* expected uint8"):
            ask(Frame(image, "mine"))


def test_a_pil_image_answers_as_its_file(classifier: Classifier, shapes: Path) -> None:
    pil = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    path = shapes / "square" / "5001.png"
    with pil.open(path) as image:
        assert np.array_equal(scores(classifier(image)), scores(classifier(path)))


def test_views_of_an_array_answer_as_their_copies(classifier: Classifier) -> None:
    image = shape_image("circle", 1, 64)
    for view in (image[:, ::-1], image[::-1], image[5:60, 3:50], np.asfortranarray(image), image[::2, ::2]):
        assert np.array_equal(scores(classifier(view)), scores(classifier(view.copy())))


def test_a_batch_answers_as_its_images_one_by_one(classifier: Classifier) -> None:
    images = [shape_image(name, seed, side) for name in ("circle", "square") for seed in range(4) for side in (32, 50)]
    for one, many in zip((classifier(i) for i in images), classifier.batch(images), strict=True):
        assert np.allclose(scores(one), scores(many), atol=1e-5)
    assert classifier.batch([]) == []


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(tiny_model: Path, threshold: float) -> None:
    with pytest.raises(UsageError, match="expected a number"):
        Classifier(tiny_model, ep="cpu", threshold=threshold)


def test_a_closed_classifier_says_so(tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu")
    classifier.close()
    classifier.close()
    with pytest.raises(UsageError, match="is closed"):
        classifier(shape_image("circle", 0))
    assert not hasattr(classifier, "nothing_of_this_name")


def test_a_stream_of_nothing_is_refused(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="no source"):
        classifier.stream()


def test_label_and_score_are_none_unless_the_status_is_ok(tiny_model: Path) -> None:
    unsure = Classifier(tiny_model, ep="cpu", threshold=1.01)(shape_image("circle", 0))
    assert (unsure.status, unsure.label, unsure.index, unsure.score) == ("unknown", None, None, None)
    assert unsure.top[0].label in ("circle", "square")
    assert "threshold" in (unsure.reason or "")


def test_the_threshold_is_the_manifests_unless_given(tiny_model: Path) -> None:
    assert (
        Classifier(tiny_model, ep="cpu").threshold == Classifier(tiny_model, ep="cpu").manifest.unknown.threshold == 0.5
    )
    assert Classifier(tiny_model, ep="cpu", threshold=0.0).threshold == 0.0


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        "nowhere.jpg",
        None,
        3,
    ],
)
def test_what_is_no_image_is_refused(classifier: Classifier, bad: object) -> None:
    with pytest.raises(EdgeCNNError):
        classifier(bad)


def test_a_missing_model_is_a_file_not_found_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.onnx") as caught:
        Classifier("nowhere.onnx")
    assert isinstance(caught.value, EdgeCNNError)


def test_stream_reports_what_cannot_be_read_and_goes_on_in_order(classifier: Classifier, tmp_path: Path) -> None:
    for i in (0, 1, 3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), shape_image("square", i))
    (tmp_path / "2.png").write_bytes(b"no image")
    for batch in (1, 2, 8):
        found = list(classifier.stream(tmp_path, batch=batch))
        assert [Path(p.source or "").name for _, p in found] == ["0.png", "1.png", "2.png", "3.png"]
        assert [p.status for _, p in found] == ["ok", "ok", "error", "ok"]
        assert [f is None for f, _ in found] == [False, False, True, False]
        assert [p.frame for _, p in found] == [0, 1, 2, 3]


def test_stream_takes_every_nth_up_to_a_limit(classifier: Classifier, shapes: Path) -> None:
    names = [Path(p.source or "").stem for _, p in classifier.stream(shapes / "circle", every=3, max_frames=4)]
    assert names == ["5000", "5003", "5006", "5009"]


def test_threads_share_a_classifier(classifier: Classifier) -> None:
    images = [shape_image("circle", i) for i in range(8)]
    expected = [scores(classifier(i)) for i in images]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(10):
            wrong.extend(
                i for i, image in enumerate(images) if not np.array_equal(scores(classifier(image)), expected[i])
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_prediction_says_what_ran_and_when(classifier: Classifier, shapes: Path) -> None:
    prediction = classifier(shapes / "circle" / "5000.png")
    assert prediction.ep == "cpu"
    assert len(prediction.model_sha256) == 64
    assert prediction.captured_at.endswith("Z")
    assert prediction.latency_ms.total >= prediction.latency_ms.inference > 0
    assert prediction.media_time_s is None


def test_a_frame_is_bgr(shapes: Path) -> None:
    path = shapes / "circle" / "5000.png"
    frame = next(iter(open_source(path)))
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, cv2.imread(str(path)))


def test_a_label_that_is_not_asked_for_is_no_answer(tiny_model: Path) -> None:
    image = shape_image("circle", 1)
    everything = Classifier(tiny_model, ep="cpu", threshold=0.0)(image)
    assert everything.label is not None
    other = next(label for label in ("circle", "square") if label != everything.label)
    for classifier in (
        Classifier(tiny_model, ep="cpu", threshold=0.0, **lists)
        for lists in ({"allow": [other]}, {"deny": [everything.label]})
    ):
        found = classifier(image)
        assert (found.status, found.label) == ("unknown", None)
        assert f"'{everything.label}'" in (found.reason or "")
        assert [s.label for s in found.top] == [other]
    kept = Classifier(tiny_model, ep="cpu", threshold=0.0, allow=[everything.label])(image)
    assert (kept.label, kept.score) == (everything.label, everything.score)


def test_label_lists_that_make_no_sense_are_errors(tiny_model: Path) -> None:
    for lists, why in (
        ({"allow": ["circle"], "deny": ["square"]}, "one of them"),
        ({"allow": ["dog"]}, "no label 'dog'; it has circle, square"),
        ({"deny": ["circle", "square"]}, "no label is left"),
    ):
        with pytest.raises(EdgeCNNError, match=why):
            Classifier(tiny_model, ep="cpu", **lists)


def test_an_rgb_image_of_the_model_s_size_is_not_copied(classifier: Classifier) -> None:
    height, width, _ = classifier.session.input_shape
    image = np.ascontiguousarray(shape_image("circle", 2, height)[:, :width, ::-1])
    assert classifier.fit(Frame(image, "array", color="rgb")) is image


def test_watch_calls_back_until_told_to_stop(classifier: Classifier, shapes: Path) -> None:
    seen: list[str | None] = []

    def callback(frame: Frame | None, prediction: Prediction) -> bool:
        seen.append(prediction.source)
        return len(seen) < 3

    classifier.watch(callback, shapes)
    assert len(seen) == 3


def test_a_stream_reads_each_folder_once_and_says_what_it_left_out(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "sub/b.png", "sub/c.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name) + ".png", shape_image("circle", 0))
        Path(f"{tmp_path / name}.png").rename(tmp_path / name)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), scandir(path))[1])
    stream = classifier.stream(tmp_path)
    assert stream.expected_frames() == 2
    assert len(list(stream)) == 2
    (folder,) = stream.folders
    assert (folder.source, folder.images) == (str(tmp_path), 2)
    assert [(file.path.name, file.reason) for file in folder.left_out] == [("c.heic", "other_format")]
    assert sorted(listed) == [str(tmp_path), str(tmp_path / "sub")]


def test_a_stream_of_standard_input_or_a_camera_has_no_count(classifier: Classifier) -> None:
    assert classifier.stream("-").expected_frames() is None
    with classifier.stream("fake:") as stream:
        assert stream.expected_frames() is None
