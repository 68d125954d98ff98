"""A camera that was moved, turned or covered is told from one that stands still."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
from scenes import jpeg, scene

from edgecnn import Frame
from edgecnn.runtime.frame_quality.calibration import learn_thresholds
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_check import ViewCheck, ViewShift, learned_reference
from edgecnn.runtime.frame_quality.view_reference import ViewLearner
from edgecnn.runtime.streaming.region import Region

WIDTH, HEIGHT = 320, 240
RANDOM = np.random.default_rng(0)


@lru_cache(maxsize=16)
def world(seed: int) -> np.ndarray:
    """Clouds, and boxes before them, 800 x 600."""
    random, image = np.random.default_rng((3, seed)), scene(seed, 800, 600)
    for _ in range(250):
        (x, y), (w, h) = random.integers(0, (800, 600)), random.integers(8, 70, 2)
        cv2.rectangle(
            image, (int(x), int(y)), (int(x + w), int(y + h)), [int(c) for c in random.integers(20, 235, 3)], -1
        )
    return image


def view(seed: int, dx: float = 0, dy: float = 0, turned: float = 0, zoom: float = 1.0) -> np.ndarray:
    """The middle of a scene of 800 x 600, moved to the right and down and turned clockwise."""
    transform = cv2.getRotationMatrix2D((400, 300), -turned, zoom)
    transform[:, 2] += (WIDTH / 2 - 400 + dx, HEIGHT / 2 - 300 + dy)
    return cv2.warpAffine(world(seed), transform, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def camera(image: np.ndarray, gain: float = 1.0, noise: float = 2.0, quality: int = 80) -> np.ndarray:
    noisy = image.astype(np.float32) * gain + RANDOM.normal(0, noise, image.shape)
    return jpeg(np.clip(noisy, 0, 255).astype(np.uint8), quality)


def with_object(image: np.ndarray, left: int, share: float) -> np.ndarray:
    """Something that covers a share of the frame, in its full height."""
    seen, width = image.copy(), int(share * WIDTH)
    seen[:, left : left + width] = scene(99, WIDTH, HEIGHT)[:, :width]
    return seen


def limits_for(*images: np.ndarray) -> FrameQualityThresholds:
    texts = []
    for image in images:
        learner = ViewLearner()
        for _ in range(5):
            learner.add(camera(image))
        texts.append(learned_reference(learner, FrameQualityThresholds()))
    assert None not in texts
    return FrameQualityThresholds(references=tuple(texts))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def limits() -> FrameQualityThresholds:
    return limits_for(view(1))


@pytest.mark.parametrize(
    ("share", "side"), [(0.02, "right"), (-0.05, "left"), (0.1, "right"), (-0.25, "left"), (0.5, "right")]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_moved_camera_is_told_with_the_shift_in_pixels(share: float, side: str, seed: int) -> None:
    check = ViewCheck(limits_for(view(seed)))
    dx, dy = share * WIDTH, -12.0
    reason = check.compare(camera(view(seed, dx, dy)))
    assert check.shift is not None
    assert math.hypot(check.shift.dx_px - dx, check.shift.dy_px - dy) < 2
    assert check.shift.confidence > 0.8
    assert reason == (
        f"view changed: moved by {abs(check.shift.dx_px):.0f} pixels {side}, {abs(check.shift.dy_px):.0f} up"
    )


@pytest.mark.parametrize("degrees", [2, -5, 12, -30])
def test_a_turned_camera_is_told_with_its_angle(degrees: float, limits: FrameQualityThresholds) -> None:
    check = ViewCheck(limits)
    reason = check.compare(camera(view(1, turned=degrees)))
    assert check.shift is not None
    assert check.shift.angle_degrees == pytest.approx(degrees, abs=0.3)
    assert reason == f"view changed: turned by {abs(check.shift.angle_degrees):.1f} degrees"


def test_a_lens_that_zoomed_is_told(limits: FrameQualityThresholds) -> None:
    assert ViewCheck(limits).compare(camera(view(1, zoom=1.06))) == "view changed: zoomed by a factor of 1.06"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((HEIGHT, WIDTH, 3), 40, np.uint8), "covered"),
        (np.full((HEIGHT, WIDTH, 3), 180, np.uint8), "covered"),
        (cv2.GaussianBlur(view(7), (0, 0), 25), "covered"),
        (view(7), "not the reference view"),
        (cv2.flip(view(1), 1), "not the reference view"),
    ],
)
def test_a_covered_camera_and_another_scene_are_told(
    image: np.ndarray, reason: str, limits: FrameQualityThresholds
) -> None:
    check = ViewCheck(limits)
    assert check.compare(camera(image)) == f"view changed: {reason}"
    assert check.shift is None


@pytest.mark.parametrize("seed", range(4))
def test_what_belongs_to_a_camera_that_stands_still_is_no_change(seed: int) -> None:
    own = view(seed)
    check = ViewCheck(limits_for(own))
    shadow = own.copy()
    shadow[:, : WIDTH // 2] //= 2
    ramp = np.clip(own * np.linspace(0.5, 1.5, WIDTH, dtype=np.float32)[:, None], 0, 255).astype(np.uint8)
    shown = [
        *(camera(own, gain) for gain in (0.3, 0.6, 1.5)),
        camera(own, noise=8, quality=40),
        *(camera(with_object(own, left, 0.35), gain) for left in (0, 60, 120, 200) for gain in (0.7, 1.3)),
        camera(shadow),
        camera(ramp),
        camera(view(seed, 1.5, -1.5)),  # it trembles
    ]
    assert [check.compare(image) for image in shown] == [None] * len(shown)


def test_movement_is_measured_behind_an_object(limits: FrameQualityThresholds) -> None:
    check = ViewCheck(limits)
    assert check.compare(camera(with_object(view(1, 40, 8), 100, 0.3))) is not None
    assert check.shift is not None
    assert math.hypot(check.shift.dx_px - 40, check.shift.dy_px - 8) < 2


def test_a_result_counts_after_several_comparisons_in_a_row(limits: FrameQualityThresholds) -> None:
    own, other = camera(view(1)), camera(view(7))
    check = ViewCheck(replace(limits, view_checks=3))
    shown = [own, other, other, own, other, other, other, own, own, other, own, own, own]
    told = [check.check(image, "bgr", number * 1.0) is not None for number, image in enumerate(shown)]
    assert told == [False] * 6 + [True] * 6 + [False]


def test_frames_between_two_comparisons_get_the_last_result(
    limits: FrameQualityThresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ViewCheck(replace(limits, view_every_s=0.5, view_checks=1))
    compared: list[float] = []
    monkeypatch.setattr(check, "compare", lambda *_: compared.append(now_s) or f"view changed at {now_s:g}")
    told = []
    for number in range(45):
        now_s = number / 30
        told.append(check.check(view(1), "bgr", now_s))
    assert compared == pytest.approx([0.0, 0.5, 1.0])
    assert told[14] == "view changed at 0"
    assert told[16] == "view changed at 0.5"
    now_s = 0.1  # a video begins anew
    check.check(view(1), "bgr", now_s)
    assert len(compared) == 4


def test_of_several_references_the_best_counts() -> None:
    day = view(1)
    lamp = np.exp(-((np.arange(WIDTH) - 250.0) ** 2) / 2 / 30**2)[:, None]
    night = np.clip(view(3) * 0.2 + 120 * lamp, 0, 255).astype(np.uint8)
    check = ViewCheck(limits_for(day, night))
    assert [check.compare(camera(image)) for image in (day, night, night, day)] == [None] * 4
    assert ViewCheck(limits_for(day)).compare(camera(night)) is not None
    assert (check.compare(camera(view(1, 64))) or "").startswith("view changed: moved by 64 pixels right")


def test_another_resolution_is_the_same_view_and_another_shape_is_not(limits: FrameQualityThresholds) -> None:
    check = ViewCheck(limits)
    large = cv2.resize(view(1, 20, 0), (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    check.compare(large)
    assert check.shift is not None
    assert check.shift.dx_px == pytest.approx(40, abs=2)  # in pixels of that frame
    assert "no reference has the shape of 320 x 180 pixels" in (check.compare(view(1)[:180]) or "")


def test_channels_in_the_other_order_are_the_same_view(limits: FrameQualityThresholds) -> None:
    rgb = np.ascontiguousarray(view(1)[..., ::-1])
    check = ViewCheck(limits)
    assert check.compare(rgb, "rgb") is None
    assert check.shift is not None


def frames(images: list[np.ndarray], fps: float = 2.0) -> list[Frame]:
    return [Frame(image, "cam", i, captured_monotonic_s=100 + i / fps, kind="stream") for i, image in enumerate(images)]


def reasons(checker: FrameQualityChecker, shown: list[Frame]) -> list[str]:
    return [checker.check(frame, now_s=frame.captured_monotonic_s) or "" for frame in shown]


def test_the_checker_tells_the_view_and_gives_the_shift(limits: FrameQualityThresholds) -> None:
    checker = FrameQualityChecker(limits)
    assert checker.view_shift is None
    shown = [camera(view(1)) for _ in range(3)] + [camera(view(1, 30, 6)) for _ in range(6)]
    told = reasons(checker, frames(shown))
    assert told[:6] == [""] * 6
    assert {reason[:33] for reason in told[6:]} == {"view changed: moved by 30 pixels "}
    assert isinstance(checker.view_shift, ViewShift)
    assert checker.view_shift.dx_px == pytest.approx(30, abs=1)


def test_a_covered_lens_is_called_covered_and_a_dark_frame_black(limits: FrameQualityThresholds) -> None:
    hand = [camera(cv2.GaussianBlur(view(7), (0, 0), 25), noise=0.5) for _ in range(6)]
    told = reasons(FrameQualityChecker(limits), frames(hand))
    assert told[-1] == "view changed: covered"
    dark = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 6
    assert {reason.partition(":")[0] for reason in reasons(FrameQualityChecker(limits), frames(dark))} == {"black"}


def test_without_references_the_view_is_not_checked() -> None:
    checker = FrameQualityChecker()
    assert not any(reasons(checker, frames([camera(view(seed)) for seed in range(6)])))
    assert checker.view_shift is None


def test_of_a_region_the_whole_frame_s_view_counts_and_the_region_can_follow_it(limits: FrameQualityThresholds) -> None:
    region = Region.parse("100,80,80,60")
    checker = FrameQualityChecker(limits)
    assert not any(reasons(checker, [region.crop(frame) for frame in frames([camera(view(1)) for _ in range(5)])]))
    moved = view(1, 40, -16)
    told = reasons(checker, [region.crop(frame) for frame in frames([camera(moved) for _ in range(5)])])
    assert told[-1].startswith("view changed: moved by 40 pixels right, 16 up")
    shift = checker.view_shift
    assert shift is not None
    left, top, right, bottom = region.shifted(shift.dx_px, shift.dy_px, HEIGHT, WIDTH).box(HEIGHT, WIDTH)
    before, after = view(1)[80:140, 100:180], moved[top:bottom, left:right]
    assert np.abs(before.astype(int) - after).mean() < 3


def recording(count: int = 40, dx: float = 0.0) -> list[Frame]:
    """People pass in the first half; the camera moves by `dx` pixels a frame."""
    shown = [view(1, i * dx) for i in range(count)]
    return frames([camera(with_object(s, 8 * i, 0.3) if i < count // 2 else s) for i, s in enumerate(shown)])


def test_the_reference_is_learned_without_what_passes_through() -> None:
    learnt = learn_thresholds(recording(), view=True)
    assert learnt.view
    (text,) = learnt.thresholds.references
    assert len(text) < 40_000
    check = ViewCheck(learnt.thresholds)
    assert check.compare(camera(view(1))) is None
    assert check.shift is not None
    assert check.shift.confidence > 0.95
    assert learn_thresholds(recording()).thresholds.references == ()  # unless it is asked for


def test_a_camera_that_moves_and_a_bare_wall_give_no_reference() -> None:
    assert not learn_thresholds(recording(dx=2.0), view=True).view
    wall = frames([camera(np.full((HEIGHT, WIDTH, 3), 120, np.uint8)) for _ in range(40)])
    learnt = learn_thresholds([replace(frame, kind="video") for frame in wall], view=True)
    assert (learnt.view, learnt.thresholds.references) == (False, ())


def test_of_a_long_recording_few_small_frames_are_kept() -> None:
    learner, image = ViewLearner(), view(1)
    for _ in range(1000):
        learner.add(image)
    assert 32 <= len(learner.kept) <= 64
    assert learner.kept[0].shape == (120, 160)
