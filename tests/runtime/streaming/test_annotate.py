"""Answers written on images and videos."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn import Classifier, Frame, open_source
from edgecnn.errors import OutputError
from edgecnn.runtime.decision import Missing
from edgecnn.runtime.streaming import annotate as annotating
from edgecnn.runtime.streaming.annotate import Album, VideoWriter, annotate, banner_text


@pytest.fixture(scope="module")
def classifier(tiny_model: Path) -> Classifier:
    return Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)


def test_the_banner_tells_the_answer_and_why_there_is_none(classifier: Classifier) -> None:
    answered = classifier(shape_image("circle", 0))
    assert banner_text(answered) == f"{answered.label} {answered.score:.2f}"
    assert (
        banner_text(classifier.report_missing(Missing("no_decision", "black: mean level 2", "cam", 1)))
        == "no decision: black"
    )


def test_an_image_of_either_channel_order_looks_the_same(classifier: Classifier) -> None:
    image = shape_image("circle", 0, 96)
    prediction = classifier(image)
    rgb = Frame(np.ascontiguousarray(image[:, :, ::-1]), "array", color="rgb")
    assert np.array_equal(annotate(rgb, prediction), annotate(Frame(image, "array"), prediction))


@pytest.mark.parametrize("shape", [(640, 360, 3), (1000, 750, 3), (96, 96, 3)])
def test_an_answer_is_written_as_small_as_a_narrow_image_wants_it(
    shape: tuple[int, int, int], classifier: Classifier
) -> None:
    prediction = classifier.report_missing(Missing("no_decision", "overexposed: 99 %", "cam", 1))
    image = annotate(Frame(np.zeros(shape, np.uint8), "array"), prediction)
    assert (image[: len(image) - shape[0]] != image[0, 0]).any(), "letters are there"
    assert (image[: len(image) - shape[0], -3:] == image[0, 0]).all(), "and end before the edge"


def test_an_image_with_the_longest_name_is_saved(classifier: Classifier, tmp_path: Path) -> None:
    image = shape_image("circle", 0)
    with Album(tmp_path) as album:
        album.add(Frame(image, "ä" * 125 + ".png"), classifier(image))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_video_is_not_saved_over_itself(classifier: Classifier, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", 10.0)
    for seed in range(3):
        writer.add(shape_image("circle", seed))
    writer.close()
    before = (tmp_path / "a.mkv").read_bytes()
    with classifier.stream(tmp_path / "a.mkv") as answers, Album(tmp_path) as album:
        frame, prediction = next(answers)
        assert frame is not None
        with pytest.raises(OutputError, match="overwrite its own input"):
            album.add(frame, prediction)
    assert (tmp_path / "a.mkv").read_bytes() == before


def test_an_outage_takes_ten_seconds_of_a_saved_stream_and_what_follows_goes_on_in_its_own_time(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", 10.0)
    for time_s in (0.0, 0.1, 3600.0, 3600.1, 3600.2):
        writer.add(shape_image("circle", 0), time_s)
    writer.close()
    assert len(list(open_source(tmp_path / "a.mkv"))) == pytest.approx(2 + 100 + 2, abs=1)  # of a tenth's rounding


def test_a_video_is_saved_as_a_video_of_its_rate(classifier: Classifier, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "in.mkv", 20.0)
    for seed in range(20):
        writer.add(shape_image("square", seed, 96))
    writer.close()
    with Album(tmp_path / "out") as album:
        for frame, prediction in classifier.stream(tmp_path / "in.mkv"):
            assert frame is not None
            album.add(frame, prediction)
    frames = list(open_source(tmp_path / "out" / "in.mkv"))
    assert len(frames) == 20
    assert frames[0].image.shape == (96 + 24, 96, 3)
    assert frames[-1].media_time_s == pytest.approx(19 / 20, abs=0.01)


def test_a_stream_is_saved_in_its_own_time(classifier: Classifier, tmp_path: Path) -> None:
    prediction = classifier(shape_image("circle", 0))
    with Album(tmp_path) as album:
        for second in (0.0, 0.05, 1.0, 2.0):
            frame = Frame(
                shape_image("circle", 0, 64), "rtsp://***@cam/1", captured_monotonic_s=100 + second, kind="stream"
            )
            album.add(frame, prediction)
    (written,) = tmp_path.iterdir()
    assert written.name == "rtsp_cam_1.mkv"
    assert len(list(open_source(written))) == 21  # two seconds at ten a second, and the first


def test_a_frame_of_another_size_is_brought_to_the_first_one_s(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mkv", 10.0)
    for side in (64, 128, 63):
        writer.add(shape_image("circle", 0, side))
    writer.close()
    assert [f.image.shape for f in open_source(tmp_path / "a.mkv")] == [(64, 64, 3)] * 3


def test_a_killed_program_leaves_a_video_that_plays(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom edgecnn.runtime.streaming.annotate import "
        "VideoWriter\n"
        "w = VideoWriter(Path(sys.argv[1]), 25.0)\nr = np.random.default_rng(0)\n"
        "for i in range(10000):\n    w.add(r.integers(0, 256, (240, 320, 3)).astype('uint8'))\n    print(i, flush=True)"
    )
    target = tmp_path / "killed.mkv"
    running = subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    while int(running.stdout.readline()) < 200:
        pass
    running.kill()
    running.wait()
    capture = cv2.VideoCapture(str(target))
    played = 0
    while capture.grab():
        played += 1
    assert played > 100


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotating, "_MIN_FREE_BYTES", 2**60)
    with pytest.raises(OutputError, match="free disk space left"):
        VideoWriter(tmp_path / "a.mkv", 10.0).add(shape_image("circle", 0))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        VideoWriter(Path("/proc/a.mkv"), 10.0).add(shape_image("circle", 0))


def test_two_sources_of_one_name_get_two_videos(classifier: Classifier, tmp_path: Path) -> None:
    prediction = classifier(shape_image("circle", 0))
    with Album(tmp_path) as album:
        for name in ("rtsp://cam/1", "rtsp:cam/1"):
            album.add(
                Frame(shape_image("circle", 0), name, kind="stream", captured_monotonic_s=time.monotonic()), prediction
            )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rtsp_cam_1.mkv", "rtsp_cam_1_2.mkv"]
