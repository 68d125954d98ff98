"""Video files: every frame, in order, with its place in time."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn import Classifier, open_source
from edgecnn.errors import ImageError, InputNotFoundError, SourceError
from edgecnn.runtime.sources.counting import count_frames
from edgecnn.runtime.sources.video import read_video, video_rate


def write_video(path: Path, frames: int, fps: float = 10.0, codec: str = "mp4v", side: int = 64) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (side, side))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(shape_image("circle" if index < frames / 2 else "square", index, side))
    writer.release()
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "shapes.mp4", 30)


def test_every_frame_comes_in_order_with_its_time(video: Path) -> None:
    frames = list(open_source(video))
    assert [f.index for f in frames] == list(range(30))
    assert np.allclose([f.media_time_s or 0 for f in frames], np.arange(30) / 10, atol=0.001)
    assert {f.kind for f in frames} == {"video"}
    assert frames[0].image.shape == (64, 64, 3)


def test_every_third_frame_is_every_third(video: Path) -> None:
    assert [f.index for f in open_source(video, every=3)] == list(range(0, 30, 3))


def test_a_video_that_breaks_off_is_told_at_its_end(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", 100, codec="MJPG").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ImageError, SourceError), match=r"cut\.mkv: is truncated after \d+ frames"):
        list(read_video(str(cut)))


def test_a_name_that_is_no_utf_8_is_told_and_what_follows_is_answered(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    odd = tmp_path / os.fsdecode(b"v\xff.mp4")  # OpenCV 5.0 would end the process
    odd.write_bytes(video.read_bytes())
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), shape_image("circle", 0))
    stream = Classifier(tiny_model, ep="cpu", threads=1).stream(odd, image)
    first, second = (prediction for _, prediction in stream)
    assert (first.status, first.reason) == (
        "error",
        "the file name is not UTF-8, which FFmpeg requires for videos; rename it",
    )
    assert second.status == "ok"
    assert count_frames([], [str(odd)]) is None


def test_what_is_no_video_is_an_error(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_bytes(b"no video at all")
    with pytest.raises(SourceError, match=r"text\.mp4: FFmpeg cannot open this video"):
        next(open_source(text))
    with pytest.raises(InputNotFoundError):
        open_source(tmp_path / "nowhere.mp4")
    with pytest.raises(SourceError, match="exceed the limit"):
        next(open_source(write_video(tmp_path / "large.mp4", 2, side=256), max_pixels=10_000))


def test_the_rate_is_the_file_s(video: Path) -> None:
    assert video_rate(str(video)) == 10.0


def test_a_stream_answers_images_and_videos_in_the_order_given(
    video: Path, shapes: Path, tiny_model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    images = sorted((shapes / "circle").iterdir())[:2]
    classifier = Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)
    answered = list(classifier.stream(images[0], video, broken, images[1], every=1))
    sources = [p.source for _, p in answered]
    assert sources == [str(images[0]), *[str(video)] * 30, str(broken), str(images[1])]
    assert answered[-2][0] is None
    assert answered[-2][1].status == "error"
    assert answered[5][1].media_time_s == pytest.approx(0.4)


def test_every_frame_of_a_video_is_answered_as_its_image(video: Path, tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)
    for frame, prediction in classifier.stream(video, every=7, health=None):
        assert frame is not None
        assert classifier(frame.image).top == prediction.top
