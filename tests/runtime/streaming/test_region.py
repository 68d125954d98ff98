"""Regions of frames: what they accept, which pixels they are, and answers on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from recurrent_models import write_recurrent
from shapes import shape_image

from edgecnn import Classifier, Frame
from edgecnn.errors import ImageError, UsageError
from edgecnn.runtime.sources.capture.live_options import Outage
from edgecnn.runtime.streaming.annotate import VideoWriter, annotate
from edgecnn.runtime.streaming.region import Region
from edgecnn.runtime.streaming.source_pipeline import SourcePipeline


@pytest.fixture(scope="module")
def classifier(tiny_model: Path) -> Classifier:
    return Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)


def half_and_half() -> np.ndarray:
    """A circle on the left, a square on the right, 64 x 128."""
    return np.hstack([shape_image("circle", 3, 64), shape_image("square", 4, 64)])


LEFT, RIGHT, TOO_FAR = Region.parse("0,0,0.5,1"), Region.parse("64,0,64,64"), Region.parse("100,0,64,64")


@pytest.mark.parametrize("text", ["0.25,0,0.5,1", "0,0,1,1", "160,0,320,480", "1e-05,0.1,0.3,0.5"])
def test_a_region_gives_its_text_back(text: str) -> None:
    assert str(Region.parse(text)) == text
    assert Region.parse(f" {text.replace(',', ' , ')} ") == Region.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not four numbers"),
        ("0,0,1", "not four numbers"),
        ("0,0,1,1,1", "not four numbers"),
        ("a,0,1,1", "not four numbers"),
        ("nan,0,1,1", "not a finite number"),
        ("0,0,inf,1", "not a finite number"),
        ("-0.1,0,1,1", "negative"),
        ("0,0,0,1", "empty"),
        ("0.5,0.5,0.6,0.5", "ends outside the frame"),
        ("0.5,0,320,240", "mixed"),
    ],
)
def test_a_region_that_cannot_be_is_one_line(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        Region.parse(text)
    assert "\n" not in str(refused.value)
    assert "0.25,0,0.5,1" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0.25,0.5,0.5,0.5", (160, 240, 480, 480)),
        ("10,20,30,40", (10, 20, 40, 60)),
        ("0,0,640,480", (0, 0, 640, 480)),
        ("0.9999,0.9999,0.0001,0.0001", (639, 479, 640, 480)),
        ("0.1,0,0.9,1", (64, 0, 640, 480)),
    ],
)
def test_the_pixels_of_a_region(text: str, box: tuple[int, ...]) -> None:
    assert Region.parse(text).box(480, 640) == box


def test_a_cropped_frame_is_a_view_with_the_same_name_and_times() -> None:
    frame = Frame(half_and_half(), "cam", 7, media_time_s=1.5, decode_ms=2.0, kind="stream")
    part = RIGHT.crop(frame)
    assert np.shares_memory(part.image, frame.image)
    assert part.whole is frame.image
    assert np.array_equal(part.image, frame.image[:, 64:])
    same = ("name", "index", "media_time_s", "decode_ms", "captured_at", "captured_monotonic_s", "kind", "color")
    assert all(getattr(part, name) == getattr(frame, name) for name in same)
    with pytest.raises(ImageError, match=r"cam: the region 100,0,64,64 .* 128 x 64 pixels"):
        TOO_FAR.crop(frame)


def test_a_region_moves_with_the_view_in_its_own_unit() -> None:
    assert str(Region.parse("100,100,50,40").shifted(-20.4, 7.6, 480, 640)) == "80,108,50,40"
    assert Region.parse("0.25,0.25,0.5,0.5").shifted(64, 48, 480, 640) == Region(0.35, 0.35, 0.5, 0.5)
    assert str(Region.parse("0,0,100,100").shifted(-5, 0, 480, 640)) == "0,0,95,100"  # the rest is out of sight
    with pytest.raises(ImageError, match="leaves the frame"):
        Region.parse("0,0,100,100").shifted(-50, 0, 480, 640)


def test_images_are_answered_by_their_region_alone(classifier: Classifier, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), half_and_half())
    for region, part in ((LEFT, half_and_half()[:, :64]), (RIGHT, half_and_half()[:, 64:])):
        ((frame, found),) = classifier.stream(tmp_path / "a.png", region=region)
        assert found.top == classifier(part.copy()).top
        assert found.region == str(region)
        assert frame is not None
        assert frame.image.shape == (64, 128, 3)  # the whole image is there to draw on
    ((_, found),) = classifier.stream(tmp_path / "a.png")
    assert found.region is None


def test_a_region_of_an_array_in_the_model_s_own_size_and_order(classifier: Classifier) -> None:
    """It needs no resize and no copy, so the model is given a view."""
    size = classifier.manifest.input.width
    rgb = np.ascontiguousarray(np.hstack([shape_image("circle", 3, size), shape_image("square", 4, size)])[..., ::-1])
    part = Region(size, 0, size, size).crop(Frame(rgb, "array", color="rgb"))
    assert classifier(part).top == classifier(np.ascontiguousarray(rgb[:, size:]), color="rgb").top


def test_a_file_that_does_not_hold_the_region_is_an_error_and_the_others_are_answered(
    classifier: Classifier, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), half_and_half()[:, :64])
    cv2.imwrite(str(tmp_path / "b.png"), half_and_half())
    (_, first), (_, second) = classifier.stream(tmp_path, region=RIGHT)
    assert (first.status, first.region) == ("error", "64,0,64,64")
    assert first.reason is not None
    assert first.reason.startswith("the region 64,0,64,64 does not lie within the frame of 64 x 64 pixels")
    assert second.status == "ok"


def write_video(path: Path, count: int = 12) -> Path:
    writer = VideoWriter(path, 10.0)
    for _ in range(count):
        writer.add(half_and_half())
    writer.close()
    return path


def test_a_video_is_answered_by_its_region_and_refused_once_where_it_does_not_hold_it(
    classifier: Classifier, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "clip.mkv")
    left, right = (
        {found.label for _, found in classifier.stream(clip, region=region, health=None)} for region in (LEFT, RIGHT)
    )
    assert (left, right) == ({"circle"}, {"square"})
    ((_, refused),) = classifier.stream(clip, region=TOO_FAR)
    assert refused.status == "error"


def test_the_health_check_sees_the_region_alone(classifier: Classifier) -> None:
    image = half_and_half()
    image[:, 64:] = 0
    frame = Frame(image, "cam", kind="stream")
    assert SourcePipeline(classifier, None, None, "cam", RIGHT).frame(frame)[0].status == "ok"
    from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds

    limits = FrameQualityThresholds()
    assert (SourcePipeline(classifier, limits, None, "cam", RIGHT).frame(frame)[0].reason or "").startswith("black")
    assert SourcePipeline(classifier, limits, None, "cam", LEFT).frame(frame)[0].status == "ok"


def test_a_stream_that_does_not_hold_the_region_gets_no_decision_until_it_does(classifier: Classifier) -> None:
    pipeline = SourcePipeline(classifier, None, None, "cam", TOO_FAR)
    small, _ = pipeline.frame(Frame(half_and_half(), "cam", 0, kind="stream"))
    assert (small.status, small.region) == ("no_decision", "100,0,64,64")
    assert (small.reason or "").startswith("the region 100,0,64,64 does not lie within")
    large, _ = pipeline.frame(Frame(np.hstack([half_and_half()] * 2), "cam", 1, kind="stream"))
    assert large.status == "ok"
    away, _ = pipeline.outage(Outage("cam", "gone", 1.0, "2026-01-01T00:00:00Z"))
    assert away.region == "100,0,64,64"


def test_a_recurrent_model_follows_the_region_of_each_source(tmp_path: Path) -> None:
    classifier = Classifier(write_recurrent(tmp_path / "m.onnx"), ep="cpu", threads=1)
    image = half_and_half()
    whole = [Frame(image, "cam", i, media_time_s=i * 0.2, kind="video") for i in range(4)]
    parts = [Frame(image[:, 64:].copy(), "cam", i, media_time_s=i * 0.2, kind="video") for i in range(4)]
    by_region = SourcePipeline(classifier, None, None, "cam", RIGHT)
    alone = SourcePipeline(classifier, None, None, "cam")
    expected = [alone.frame(frame)[0].top for frame in parts]
    assert [by_region.frame(frame)[0].top for frame in whole] == expected


def test_a_folder_of_frames_names_those_that_do_not_hold_the_region(tmp_path: Path) -> None:
    classifier = Classifier(write_recurrent(tmp_path / "m.onnx"), ep="cpu", threads=1)
    frames = tmp_path / "clip"
    frames.mkdir()
    for i in range(3):
        cv2.imwrite(str(frames / f"{i}.png"), half_and_half()[:, : 64 if i == 1 else 128])
    found = [prediction for _, prediction in classifier.stream(frames, region=RIGHT)]
    assert [p.status == "error" for p in found] == [False, True, False]
    assert {p.region for p in found} == {"64,0,64,64"}


def test_the_region_is_framed_on_the_whole_image(classifier: Classifier) -> None:
    frame = Frame(np.zeros((240, 320, 3), np.uint8), "array")
    prediction = classifier(Region.parse("0.5,0.5,0.25,0.25").crop(frame))
    drawn = annotate(frame, prediction)
    banner = len(drawn) - 240
    marked = np.argwhere(drawn[banner:].any(2))
    assert marked.min(0).tolist() == [120, 160]
    assert marked.max(0).tolist() == [179, 239]
    assert not drawn[banner:][130:170, 170:230].any()  # what it shows is left as it is
