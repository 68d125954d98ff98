"""Frames that are unfit to be decided on, each with its reason."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn import Classifier, Frame
from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.runtime.frame_quality.calibration import learn_thresholds
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.metrics import measure_frame
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.streaming.annotate import VideoWriter

HEIGHT, WIDTH = 240, 320


def scene(seed: int = 0) -> np.ndarray:
    """A sharp image of many boxes, [300, 400, 3]."""
    random = np.random.default_rng(seed)
    image = np.full((300, 400, 3), 110, np.uint8)
    for _ in range(400):
        x, y = random.integers(0, (400, 300))
        w, h = random.integers(10, 60, 2)
        cv2.rectangle(
            image, (int(x), int(y)), (int(x + w), int(y + h)), [int(c) for c in random.integers(30, 220, 3)], -1
        )
    return image


def clip(count: int, seed: int = 0, noise: float = 2.0) -> list[np.ndarray]:
    """The scene seen by a hand that moves, with a sensor's noise."""
    random = np.random.default_rng(seed)
    large = scene(seed)
    found = []
    for i in range(count):
        x, y = int(40 + 39 * np.sin(i / 9)), int(30 + 29 * np.sin(i / 13))
        window = large[y : y + HEIGHT, x : x + WIDTH].astype(np.float32) + random.normal(0, noise, (HEIGHT, WIDTH, 3))
        found.append(np.clip(window, 0, 255).astype(np.uint8))
    return found


def frames(images: list[np.ndarray], fps: float = 30.0, start_s: float = 100.0, kind: str = "stream") -> list[Frame]:
    return [Frame(image, "cam", i, captured_monotonic_s=start_s + i / fps, kind=kind) for i, image in enumerate(images)]  # type: ignore[arg-type]


def reasons(health: FrameQualityChecker, shown: list[Frame]) -> list[str]:
    found = [health.check(frame, now_s=frame.captured_monotonic_s + 0.01) for frame in shown]
    return [reason.partition(":")[0] for reason in found if reason]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise", [0.5, 4.0])
def test_good_frames_are_fit(seed: int, noise: float) -> None:
    assert reasons(FrameQualityChecker(), frames(clip(60, seed, noise))) == []


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "black"),
        (np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH, 3)).astype(np.uint8), "black"),
        (np.full((HEIGHT, WIDTH, 3), 255, np.uint8), "overexposed"),
        (cv2.GaussianBlur(clip(1)[0], (0, 0), 12), "blurred"),
        (cv2.blur(cv2.GaussianBlur(clip(1)[0], (0, 0), 0.8), (40, 1)), "blurred"),  # moved across, behind a lens
        (cv2.blur(cv2.GaussianBlur(clip(1)[0], (0, 0), 0.8), (1, 40)), "blurred"),
        (np.minimum(clip(1)[0].astype(np.int16) * 8 + 200, 236).astype(np.uint8), "overexposed"),
        (np.concatenate([clip(1)[0][:150], np.full((90, WIDTH, 3), 128, np.uint8)]), "torn"),
        (np.concatenate([clip(1)[0][:150], np.full((90, WIDTH, 3), (0, 135, 0), np.uint8)]), "torn"),
        (np.concatenate([clip(1)[0][:150], np.zeros((90, WIDTH, 3), np.uint8)]), "torn"),
        (np.concatenate([clip(1)[0][:150], np.repeat(clip(1)[0][149:150], 90, axis=0)]), "torn"),
        (np.full((HEIGHT, WIDTH, 3), 128, np.uint8), "torn"),
        (np.full((HEIGHT, WIDTH, 3), (0, 135, 0), np.uint8), "torn"),
    ],
)
def test_an_unfit_frame_is_told_by_itself(image: np.ndarray, reason: str) -> None:
    assert reasons(FrameQualityChecker(), frames([image])) == [reason]


def test_a_night_a_letterbox_a_wall_and_a_white_background_are_fit() -> None:
    night = (clip(1)[0] // 8 + 12).astype(np.uint8)
    letterbox = clip(1)[0].copy()
    letterbox[:40] = letterbox[-40:] = 0
    pillars = clip(1)[0].copy()
    pillars[:, :40] = pillars[:, -40:] = 0
    wall = np.clip(np.random.default_rng(1).normal(140, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    bare = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)  # a wall behind an encoder that took the noise away
    darkest = (clip(1)[0] // 14).astype(np.uint8)
    product = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    product[60:180, 80:240] = clip(1)[0][60:180, 80:240]
    for image in (night, letterbox, pillars, wall, bare, darkest, product):
        assert reasons(FrameQualityChecker(), frames([image])) == []


def test_an_image_that_stays_the_same_is_frozen_and_one_that_moves_again_is_not() -> None:
    moving = clip(40)
    health = FrameQualityChecker(FrameQualityThresholds(still_s=1.0))
    shown = frames(moving[:10] + [moving[10]] * 60 + moving[11:])
    found = [health.check(frame, now_s=frame.captured_monotonic_s) for frame in shown]
    assert found[:30] == [None] * 30
    assert all((reason or "").startswith("frozen: the same image for") for reason in found[45:70])
    assert found[70:] == [None] * 29


def test_a_still_scene_with_a_sensor_s_noise_is_not_frozen() -> None:
    random = np.random.default_rng(0)
    still = [
        np.clip(scene()[:HEIGHT, :WIDTH] + random.normal(0, 1, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        for _ in range(60)
    ]
    assert reasons(FrameQualityChecker(FrameQualityThresholds(still_s=0.5)), frames(still)) == []


def test_each_frame_with_a_part_that_slips_is_torn_and_a_cut_is_not() -> None:
    one, other = clip(20, 0), clip(20, 1)
    torn = [np.concatenate([c[:121], np.roll(c[121:], 130, axis=1)]) for c in one]
    assert reasons(FrameQualityChecker(), frames(torn)) == ["torn"] * 20  # also at one and the same row for long
    assert reasons(FrameQualityChecker(), frames([*one, *other])) == []


def test_a_small_camera_s_image_enlarged_by_repeating_pixels_has_no_seam() -> None:
    small = [cv2.resize(image, (80, 60), interpolation=cv2.INTER_AREA) for image in clip(20, noise=4.0)]
    enlarged = [cv2.resize(image, (640, 480), interpolation=cv2.INTER_NEAREST) for image in small]
    assert reasons(FrameQualityChecker(), frames(enlarged)) == []


def test_an_edge_of_the_scene_that_moves_is_no_seam() -> None:
    shutter = []
    for i, image in enumerate(clip(40, noise=1.0)):
        image[: 30 + 4 * i] = (200, 190, 180)
        shutter.append(cv2.GaussianBlur(image, (0, 0), 0.8))  # as every lens spreads an edge
    assert reasons(FrameQualityChecker(), frames(shutter)) == []


def test_a_frame_of_a_stream_may_not_be_old_one_of_a_video_may() -> None:
    old = frames(clip(1))[0]
    now_s = old.captured_monotonic_s + 2.5
    assert FrameQualityChecker().check(old, now_s) == "too old: captured 2.5 s ago, at most 2 s is allowed"
    assert FrameQualityChecker().check(replace(old, kind="video"), now_s) is None


def test_an_image_file_is_what_its_user_says() -> None:
    black = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "a.jpg")
    assert FrameQualityChecker().check(black, now_s=black.captured_monotonic_s + 100) is None


def test_sizes_down_to_one_pixel_are_checked_without_a_fault() -> None:
    for side in ((1, 1), (3, 200), (200, 3), (17, 31), (96, 160), (481, 641)):
        health = FrameQualityChecker()
        for seed in range(3):
            image = np.random.default_rng(seed).integers(60, 190, (*side, 3)).astype(np.uint8)
            health.check(Frame(image, "cam", kind="stream"))
        health.check(Frame(np.full((50, 50, 3), 99, np.uint8), "cam", kind="stream"))


def test_learnt_limits_refuse_what_the_defaults_let_pass() -> None:
    random = np.random.default_rng(0)

    def seen(image: np.ndarray, blur: float) -> np.ndarray:
        large = cv2.resize(image, (640, 480), interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(large, (0, 0), blur) if blur else large
        return np.clip(soft + random.normal(0, 4, large.shape), 0, 255).astype(np.uint8)

    views = clip(45, 3, noise=0.0)
    own = frames([seen(view, 0) for view in views])
    learnt = learn_thresholds(own)
    assert (learnt.frames, learnt.unfit) == (45, 0)
    soft = frames([seen(view, 4) for view in views[:10]])
    assert reasons(FrameQualityChecker(), soft) == []
    assert reasons(FrameQualityChecker(learnt.thresholds), soft) == ["blurred"] * 10
    assert reasons(FrameQualityChecker(learnt.thresholds), own) == []


def test_a_freeze_that_is_encoded_anew_is_told_by_limits_that_know_the_noise() -> None:
    own = clip(60, 2, noise=3.0)
    learnt = replace(learn_thresholds(frames(own)).thresholds, still_s=1.0)
    whole = [
        cv2.imdecode(cv2.imencode(".jpg", own[-1], [cv2.IMWRITE_JPEG_QUALITY, q])[1], cv2.IMREAD_COLOR)
        for q in (95, 70)
    ]
    repeated = [whole[i % 25 == 0] for i in range(90)]  # a whole image every 25 frames, in lower quality
    assert reasons(FrameQualityChecker(replace(FrameQualityThresholds(), still_s=1.0)), frames([*own, *repeated])) == []
    health = FrameQualityChecker(learnt)
    found = [health.check(frame, now_s=frame.captured_monotonic_s) for frame in frames([*own, *repeated, *own])]
    assert found[:60] == [None] * 60
    assert all((reason or "").startswith("frozen:") for reason in found[60 + 31 : 60 + 90])
    assert found[60 + 92 :] == [None] * 58  # two changes may be a whole image, three are movement


def test_a_seam_that_most_frames_have_is_part_of_the_image() -> None:
    upper, lower = clip(40, 0), clip(40, 1)
    two_views = frames([np.concatenate([u[:120], v[:120]]) for u, v in zip(upper, lower, strict=True)])
    assert reasons(FrameQualityChecker(), two_views).count("torn") > 35
    assert reasons(FrameQualityChecker(learn_thresholds(two_views).thresholds), two_views) == []


def test_a_change_of_size_is_a_change() -> None:
    small = [cv2.resize(image, (160, 120)) for image in clip(3)]
    health = FrameQualityChecker(FrameQualityThresholds(still_s=0.05))
    assert reasons(health, frames([*clip(3), *small, *clip(3)])) == []


def test_nothing_is_learnt_from_a_camera_that_is_broken_or_too_little_of_it() -> None:
    with pytest.raises(DataError, match="5 frames are too few"):
        learn_thresholds(frames(clip(5)))
    with pytest.raises(DataError, match="60 of 60 frames are black"):
        learn_thresholds(frames([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 60))


@pytest.mark.parametrize(
    "wrong",
    [
        {"dark_level": 300},
        {"dark_level": 24.5},
        {"bright_share": 1.5},
        {"still_s": math.nan},
        {"still_breaks": True},
        {"seam_share": -0.1},
    ],
)
def test_a_limit_that_is_none_is_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        FrameQualityThresholds(**wrong)


@pytest.mark.parametrize("width", [1, 2, 8, 9])
def test_a_narrow_frame_is_measured(width: int) -> None:
    image = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None] * 5, width, axis=1).repeat(3, axis=2)
    image[20:] = image[20] + np.arange(0, 60, 60 // width, dtype=np.uint8)[:width, None]
    measure_frame(image)


def test_thresholds_come_back_from_their_file(tmp_path: Path) -> None:
    thresholds = FrameQualityThresholds(least_sharpness=0.31, still_s=9.0)
    thresholds.save(tmp_path / "health.json")
    assert FrameQualityThresholds.load(tmp_path / "health.json") == thresholds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1, "still_s": "long"}',
        '{"schema": 1, "still_s": -1}',
        '{"schema": 1, "x": 1}',
    ],
)
def test_a_file_of_something_else_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "health.json").write_text(text)
    with pytest.raises(UsageError, match=r"health\.json"):
        FrameQualityThresholds.load(tmp_path / "health.json")
    with pytest.raises(InputNotFoundError, match=r"nowhere\.json"):
        FrameQualityThresholds.load(tmp_path / "nowhere.json")


def test_an_unfit_frame_of_a_video_gets_no_label_unless_the_gates_are_off(tiny_model: Path, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "clip.mkv", 10.0)
    for image in [*clip(3), np.zeros((HEIGHT, WIDTH, 3), np.uint8), *clip(2)]:
        writer.add(image)
    writer.close()
    classifier = Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)
    answers = [p for _, p in classifier.stream(tmp_path / "clip.mkv")]
    assert [p.status for p in answers] == ["ok"] * 3 + ["no_decision"] + ["ok"] * 2
    assert (answers[3].label, answers[3].top, answers[3].frame, answers[3].media_time_s) == (
        None,
        (),
        3,
        pytest.approx(0.3),
    )
    assert (answers[3].reason or "").startswith("black:")
    assert {p.status for _, p in classifier.stream(tmp_path / "clip.mkv", health=None)} == {"ok"}


def test_a_smoothed_answer_passes_over_a_single_unfit_frame_and_tells_changes_alone(
    tiny_model: Path, tmp_path: Path
) -> None:
    from shapes import shape_image

    from edgecnn.runtime.smoothing.smoother import SmoothingOptions

    writer = VideoWriter(tmp_path / "clip.mkv", 10.0)
    for name in ("circle", "square", "circle"):
        for seed in range(12):
            writer.add(shape_image(name, {"circle": (2, 6), "square": (1, 11)}[name][seed % 2], 96))
            if seed == 6:
                writer.add(np.zeros((96, 96, 3), np.uint8))
    writer.close()
    classifier = Classifier(tiny_model, ep="cpu", threads=1, threshold=0.0)
    smoothing = SmoothingOptions("average", window_s=0.5, enter=0.6, leave=0.4, hold_s=0.1, gap_s=1.0)
    options = {"health": FrameQualityThresholds(least_sharpness=0.0), "smoothing": smoothing}
    every = [p for _, p in classifier.stream(tmp_path / "clip.mkv", **options)]
    assert len(every) == 39
    assert "black" not in str([p.reason for p in every[6:9]])
    changes = [p.label for _, p in classifier.stream(tmp_path / "clip.mkv", on_change=True, **options) if p.label]
    assert changes == ["circle", "square", "circle"]
