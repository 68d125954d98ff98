"""What a video's frames show: every frame its own pixels, upright, and no two instants in one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image
from video_files import FPS, moving_bar, shape_images, woven, write_trimmed, write_video

from edgecnn import Frame, open_source
from edgecnn.errors import ImageError, SourceError
from edgecnn.image.suffixes import VIDEO_SUFFIXES
from edgecnn.runtime.frame_quality.checker import FrameHealth
from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.counting import count_frames
from edgecnn.runtime.streaming.capture import CaptureOptions, capture, frames_for
from edgecnn.video.media_clock import MediaClock


def combing(image: np.ndarray) -> float:
    """How far the odd lines stand off from the even ones beside them, in levels."""
    grey = image[:, :, 0].astype(int)
    return float(np.abs(grey[1:-1:2] - (grey[:-2:2] + grey[2::2]) / 2).mean())


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "mpeg2video"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")])
def test_interlaced_video_is_deinterlaced(name: str, codec: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, [woven(i) for i in range(12)], codec, interlaced=True)
    assert combing(woven(3)) > 8
    frames = list(open_source(path))
    assert [f.index for f in frames] == list(range(12))
    assert all(combing(f.image) < 3 for f in frames)
    for index, frame in enumerate(frames):  # each shows its own instant: an earlier frame's bar is elsewhere
        shown = np.abs(frame.image.astype(int) - moving_bar(2 * index)).mean()
        assert shown < np.abs(frame.image.astype(int) - moving_bar(2 * index - 2)).mean()


def test_a_stream_that_turns_interlaced_gives_its_own_frames(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", [shape_image("circle", 0, 64)] * 10, "mpeg2video")
    second = write_video(tmp_path / "b.ts", [shape_image("square", 0, 64)] * 10, "mpeg2video", interlaced=True)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    before, after = shape_image("circle", 0, 64).astype(int), shape_image("square", 0, 64).astype(int)
    frames = list(open_source(joined))
    shown = [bool(np.abs(f.image - before).mean() < np.abs(f.image - after).mean()) for f in frames]
    assert len(shown) >= 18
    assert shown[:9] == [True] * 9
    assert shown[-8:] == [False] * 8
    times = [f.media_time_s or 0.0 for f in open_source(joined)]
    assert times == sorted(times)


def test_capture_and_health_see_interlaced_video_deinterlaced(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [woven(i) for i in range(12)], "mpeg2video", interlaced=True)
    result = capture(CaptureOptions(source=str(path), label="bar", data=tmp_path / "data", count=5, every_s=0))
    assert result.saved == 5
    saved = [cv2.imread(str(p)) for p in sorted(result.folder.iterdir())]
    assert all(combing(image) < 4 for image in saved)
    assert all(combing(frame.image) < 3 for frame in frames_for(str(path), 10))


@pytest.mark.parametrize("kind", ["trimmed.mp4", "variable.mkv", "dropped.avi"])
def test_whole_videos_with_fewer_frames_than_their_header_counts_are_whole(kind: str, tmp_path: Path) -> None:
    if kind == "trimmed.mp4":
        path = write_trimmed(write_video(tmp_path / "long.mp4", shape_images(100)), tmp_path / kind, 85)
        first, count = 85, 15
    else:
        codec = "mjpeg" if kind.endswith("avi") else "mpeg4"
        times = [*range(10), *range(10, 290, 10)]
        path = write_video(tmp_path / kind, shape_images(len(times)), codec, times=times)
        first, count = 0, len(times)
    frames = list(open_source(path))
    assert len(frames) == count
    if kind == "variable.mkv":
        assert [round((f.media_time_s or 0) * FPS) for f in frames] == times
    if first:
        whole = list(open_source(tmp_path / "long.mp4"))
        assert np.array_equal(frames[0].image, whole[first].image)
    assert capture(CaptureOptions(source=str(path), label="a", data=tmp_path / "data", count=500, every_s=0)).saved


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv"])
def test_a_video_cut_short_is_told_at_its_end(name: str, tmp_path: Path) -> None:
    codec = {"a.flv": "flv", "a.avi": "mjpeg"}.get(name, "mpeg4")
    options = {"movflags": "+faststart"} if name == "a.mp4" else {}
    whole = write_video(tmp_path / name, shape_images(60), codec, options=options)
    assert len(list(open_source(whole))) == 60
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) * 9 // 10])
    frames = []
    with pytest.raises(ImageError, match=r"is truncated after \d+ frames"):
        frames.extend(open_source(whole))


def test_a_frame_that_was_cut_short_is_not_given_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", shape_images(20), "mjpeg")
    whole = list(open_source(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    given: list[Frame] = []
    source = open_source(path)
    with pytest.raises(ImageError):  # noqa: PT012
        while True:
            given.append(next(source))
    assert len(given) > 5
    assert all(np.array_equal(frame.image, before.image) for frame, before in zip(given, whole, strict=False))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_video_is_turned_as_it_says(turn: int, tmp_path: Path) -> None:
    import av

    images = [np.dstack([np.full((48, 64), 30 * k, np.uint8) for k in range(3)])] * 3
    images[0][:16, :16] = 255
    flat = write_video(tmp_path / "flat.mp4", images)
    turned = tmp_path / "turned.mp4"
    with av.open(str(flat)) as read, av.open(str(turned), "w") as write:
        stream = read.streams.video[0]
        copy = write.add_stream_from_template(stream)
        copy.set_display_rotation(turn)
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                write.mux(packet)
    seen = cv2.VideoCapture(str(turned), cv2.CAP_FFMPEG).read()[1]
    assert np.array_equal(next(iter(open_source(turned))).image, seen)


def test_pixels_are_those_of_opencv_s_reader(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", shape_images(10, side=90))
    capture_ = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for frame in open_source(path):
        assert np.array_equal(frame.image, capture_.read()[1])


def test_a_frame_keeps_its_pixels_while_later_ones_are_read(tmp_path: Path) -> None:
    frames = list(open_source(write_video(tmp_path / "a.mp4", [moving_bar(i) for i in range(10)])))
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - moving_bar(index)).mean() < 4


def test_a_file_without_video_is_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match=r"sound\.mp4: holds no video"):
        next(iter(open_source(path)))


@pytest.mark.parametrize("suffix", [".h264", ".mts", ".m2ts", ".vob", ".ogv", ".ts"])
def test_what_recorders_name_their_files_is_a_video(suffix: str, tmp_path: Path) -> None:
    assert suffix in VIDEO_SUFFIXES
    path = tmp_path / f"a{suffix.upper()}"
    path.write_bytes(b"x")
    assert parse_address(path).kind == "video"


def test_frames_are_counted_for_the_progress_bar(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", shape_images(31))
    assert count_frames([], [str(path)], every=3) == 11


def test_times_without_timestamps_go_by_the_rate_and_never_run_back() -> None:
    clock = MediaClock(1.4, 25.0)
    assert [clock.place_s(t) for t in (1.4, 1.44, None, 1.52)] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert clock.place_s(0.2) == pytest.approx(0.16)  # a second recording begins
    assert clock.place_s(0.24) == pytest.approx(0.20)


def test_health_gates_let_deinterlaced_frames_pass(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [woven(i) for i in range(12)], "mpeg2video", interlaced=True)
    health = FrameHealth(HealthThresholds())
    assert [health.check(frame) for frame in open_source(path)] == [None] * 12
