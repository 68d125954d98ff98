"""When the state of a source steps, is kept, and begins anew. The counter's answer tells its number of steps."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from recurrent_models import HIDDEN, SIDE, steps_of, write_counter, write_recurrent
from scenes import scene

from edgecnn import Classifier, Frame
from edgecnn.errors import UsageError
from edgecnn.runtime.temporal.source_state import SourceState

GREY = np.full((SIDE, SIDE, 3), 127, np.uint8)


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier(write_counter(tmp_path / "m.onnx"), ep="cpu", threads=1)


def counts(classifier: Classifier, times_s: list[float], image: np.ndarray = GREY, source: str = "door") -> list[int]:
    return [steps_of(classifier(image, source=source, time_s=t)) for t in times_s]


def live(state: SourceState, classifier: Classifier, time_s: float, image: np.ndarray = GREY) -> int:
    frame = Frame(image, state.name, captured_monotonic_s=time_s, kind="stream")
    return steps_of(classifier.answer_next(frame, state).prediction)


def test_an_image_without_a_source_is_a_clip_of_one_frame(classifier: Classifier) -> None:
    assert [steps_of(classifier(GREY)) for _ in range(3)] == [1, 1, 1]
    assert [steps_of(p) for p in classifier.batch([GREY] * 3)] == [1, 1, 1]


def test_two_sources_in_turns_have_a_state_each(classifier: Classifier) -> None:
    found = [(steps_of(classifier(GREY, source=s, time_s=k / 10)), s) for k in range(3) for s in ("door", "gate")]
    assert found == [(1, "door"), (1, "gate"), (2, "door"), (2, "gate"), (3, "door"), (3, "gate")]


def test_interleaved_sources_get_the_answers_that_they_would_get_alone(tmp_path: Path) -> None:
    classifier = Classifier(write_recurrent(tmp_path / "m.onnx"), ep="cpu")
    random = np.random.default_rng(0)
    clips = {s: [np.full((SIDE, SIDE, 3), c, np.uint8) for c in random.integers(0, 256, (5, 3))] for s in "ab"}
    mixed = {s: [] for s in "ab"}
    for k in range(5):
        for s, clip in clips.items():
            mixed[s].append(classifier(clip[k], source=s, time_s=k / 10).top)
    classifier.reset()
    for s, clip in clips.items():
        assert [classifier(image, source=s, time_s=k / 10).top for k, image in enumerate(clip)] == mixed[s]


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_no_number_is_refused_and_changes_nothing(classifier: Classifier, time_s: float) -> None:
    assert counts(classifier, [0.0, 0.1]) == [1, 2]
    with pytest.raises(UsageError, match=r"time_s is .*, expected a finite number of seconds"):
        classifier(GREY, source="door", time_s=time_s)
    with pytest.raises(UsageError, match="time_s"):
        classifier(Frame(GREY, "door", media_time_s=time_s), source="door")
    assert counts(classifier, [0.2]) == [3]


def test_a_path_names_the_same_source_as_its_text(classifier: Classifier) -> None:
    assert steps_of(classifier(GREY, source=Path("door"), time_s=0.0)) == 1
    assert counts(classifier, [0.1]) == [2]
    classifier.reset(Path("door"))
    assert steps_of(classifier(GREY, source=Path("door"), time_s=0.2)) == 1


def test_a_source_is_reset_on_request(classifier: Classifier) -> None:
    counts(classifier, [0, 0.1])
    counts(classifier, [0, 0.1], source="gate")
    classifier.reset("door")
    assert counts(classifier, [0.2]) == [1]
    assert counts(classifier, [0.2], source="gate") == [3]
    classifier.reset()
    assert counts(classifier, [0.3]) == counts(classifier, [0.3], source="gate") == [1]


def test_frames_between_two_steps_repeat_the_answer(classifier: Classifier) -> None:
    found = [classifier(GREY, source="door", time_s=k / 30) for k in range(7)]
    assert [steps_of(p) for p in found] == [1, 1, 1, 2, 2, 2, 3]
    assert [p.latency_ms.inference is None for p in found] == [False, True, True, False, True, True, False]
    assert [p.status for p in found] == ["no_decision"] * 3 + ["ok"] * 4


def test_a_slow_source_steps_by_elapsed_time(classifier: Classifier) -> None:
    assert counts(classifier, [0.0, 0.25, 0.5, 0.6]) == [1, 3, 6, 7]


@pytest.mark.parametrize("rate", [10, 15, 25, 29.97, 60])
def test_frame_rates_agree(rate: float, classifier: Classifier) -> None:
    times = [k / rate for k in range(round(3 * rate) + 1)]
    assert counts(classifier, times)[-1] == pytest.approx(31, abs=1)


def test_dropped_frames_leave_the_state_alone(classifier: Classifier) -> None:
    assert counts(classifier, [0.0, 0.1, 0.5, 0.6]) == [1, 2, 6, 7]


def test_a_gap_in_time_and_a_backward_jump_begin_anew(classifier: Classifier) -> None:
    assert counts(classifier, [0.0, 0.1, 1.15, 1.25]) == [1, 2, 1, 2]
    assert counts(classifier, [0.2, 0.3]) == [1, 2]


def test_another_resolution_begins_anew(classifier: Classifier) -> None:
    assert counts(classifier, [0.0, 0.1, 0.2]) == [1, 2, 3]
    assert counts(classifier, [0.3, 0.4], np.full((64, 80, 3), 127, np.uint8)) == [1, 2]


def test_a_cut_begins_anew_at_its_own_time(classifier: Classifier) -> None:
    first, second = scene(3), scene(4)
    found = [steps_of(classifier(image, source="door", time_s=k / 10)) for k, image in enumerate([first] * 4)]
    found += [steps_of(classifier(second, source="door", time_s=t)) for t in (0.45, 0.5, 0.55, 0.65)]
    assert found == [1, 2, 3, 4, 1, 1, 2, 3]  # the new scene's steps are due from 0.45 s on: 0.55, 0.65


def shaken(image: np.ndarray, k: int) -> np.ndarray:
    dx, dy = np.random.default_rng(k).integers(-12, 13, 2)
    return cv2.warpAffine(
        image, np.float32([[1, 0, dx], [0, 1, dy]]), image.shape[1::-1], borderMode=cv2.BORDER_REFLECT
    )


def lit(image: np.ndarray, k: int) -> np.ndarray:
    return np.clip(image * (1.5, 0.1, 0.5)[k % 3], 0, 255).astype(np.uint8)


def tinted(image: np.ndarray, k: int) -> np.ndarray:
    return np.clip(image * (np.array([0.5, 1, 1.4]) if k % 2 else 1), 0, 255).astype(np.uint8)


def blinking(image: np.ndarray, k: int) -> np.ndarray:
    shown = image.copy()
    if k % 2:
        shown[50:150, 60:180] = (0, 255, 255)
    return shown


def lamp(image: np.ndarray, k: int) -> np.ndarray:
    ramp = np.linspace(0.4, 1.4, image.shape[1])[None, :, None] if k % 2 else 1
    return np.clip(image * ramp, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [shaken, lit, tinted, blinking, lamp], ids=lambda f: f.__name__)
@pytest.mark.parametrize("seed", range(6))
def test_what_moves_blinks_or_lights_up_is_no_cut(change, seed: int, classifier: Classifier) -> None:
    image = scene(seed)
    found = [steps_of(classifier(change(image, k), source="door", time_s=k / 10)) for k in range(8)]
    assert found == list(range(1, 9))


def test_the_dark_between_two_looks_at_a_scene_is_no_cut(classifier: Classifier) -> None:
    image, dark = scene(3), np.zeros((200, 240, 3), np.uint8)
    found = [
        steps_of(classifier(i, source="door", time_s=k / 10)) for k, i in enumerate([image, dark, dark, image, image])
    ]
    assert found == [1, 2, 3, 4, 5]
    found = [steps_of(classifier(i, source="gate", time_s=k / 10)) for k, i in enumerate([image, dark, scene(4)])]
    assert found == [1, 2, 1]


def test_unfit_frames_leave_the_state_alone(classifier: Classifier) -> None:
    from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
    from edgecnn.runtime.streaming.source_pipeline import SourcePipeline

    pipeline = SourcePipeline(classifier, FrameQualityThresholds(), None, "cam")
    black, image = np.zeros((200, 240, 3), np.uint8), scene(1)
    frames = [image, image, black, black, image]
    found = [
        pipeline.frame(Frame(i, "cam", index=k, media_time_s=k / 10, kind="video"))[0] for k, i in enumerate(frames)
    ]
    assert [p.status for p in found] == ["no_decision", "ok", "no_decision", "no_decision", "ok"]
    assert steps_of(found[-1]) == 5, "elapsed time counts, and no unfit frame was seen"


def test_an_unfit_frame_is_not_seen(tmp_path: Path) -> None:
    """The memory after it is that of the last fit frame, to the last bit."""
    from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
    from edgecnn.runtime.streaming.source_pipeline import SourcePipeline

    classifier = Classifier(write_recurrent(tmp_path / "gru.onnx"), ep="cpu")
    pipeline = SourcePipeline(classifier, FrameQualityThresholds(), None, "cam")
    assert pipeline._state is not None
    for k, image in enumerate([scene(1), scene(1), np.zeros((200, 240, 3), np.uint8)]):
        before = pipeline._state.values
        pipeline.frame(Frame(image, "cam", index=k, media_time_s=k / 10, kind="video"))
    assert pipeline._state.values == before != [0.0] * HIDDEN


def test_an_outage_begins_anew(classifier: Classifier) -> None:
    from edgecnn.runtime.sources.capture.live_options import Outage
    from edgecnn.runtime.streaming.source_pipeline import SourcePipeline

    pipeline = SourcePipeline(classifier, None, None, "cam")

    def frame(time_s: float) -> int:
        return steps_of(pipeline.frame(Frame(GREY, "cam", captured_monotonic_s=time_s, kind="stream"))[0])

    assert [frame(t) for t in (0, 0.1, 0.2)] == [1, 2, 3]
    assert pipeline.outage(Outage("cam", "unplugged", 0.5, "2026-01-01T00:00:00Z"))[0].status == "no_decision"
    assert [frame(t) for t in (0.5, 0.6)] == [1, 2]


def test_a_state_that_is_not_finite_begins_anew(classifier: Classifier) -> None:
    state = SourceState("door", classifier.session)
    classifier.answer_next(Frame(GREY, "door", media_time_s=0.0), state)
    state._values[:] = np.nan
    spoilt = classifier.answer_next(Frame(GREY, "door", media_time_s=0.1), state).prediction
    assert spoilt.status == "no_decision"
    after = classifier.answer_next(Frame(GREY, "door", media_time_s=0.2), state).prediction
    assert steps_of(after) == 1


def test_the_first_step_is_no_answer(classifier: Classifier) -> None:
    """Nothing has changed yet, so the probabilities say only which class is likelier in general."""
    alone, first, second = classifier(GREY), *(classifier(GREY, source="door", time_s=t) for t in (0.0, 0.1))
    for prediction in (alone, first, classifier.batch([GREY])[0]):
        assert (prediction.status, prediction.label, prediction.top) == ("no_decision", None, ())
        assert prediction.reason == (
            "first step of a clip: nothing has changed yet; the model answers from the second step on"
        )
    assert (second.status, second.label) == ("ok", "opening")


def test_a_late_live_source_takes_as_many_steps_as_its_time_is_enough_for(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    step = classifier.session.step

    def slow(*given):
        clock[0] += 0.2
        return step(*given)

    monkeypatch.setattr(classifier.session, "step", slow)
    state = SourceState("cam", classifier.session)
    # 3 steps are due at each frame, and the 0.3 s between two frames are enough for one
    assert [live(state, classifier, t) for t in (0.0, 0.3, 0.6, 0.9)] == [1, 2, 3, 4]


def test_a_slow_live_source_is_told_once_and_by_how_much(
    classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    state = SourceState("cam", classifier.session)
    with caplog.at_level(logging.WARNING):
        for k in range(60):
            live(state, classifier, k / 4)
    (said,) = [r.getMessage() for r in caplog.records]
    assert said.startswith("cam: takes 4.0 steps/s; the model was trained at 10 steps/s, so ")


def test_a_source_of_the_trained_rate_is_not_called_slow(
    classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    state = SourceState("cam", classifier.session)
    for k in range(300):
        live(state, classifier, k / 30)
    assert not caplog.records


def test_a_model_of_single_images_ignores_the_source(tiny_model: Path) -> None:
    classifier = Classifier(tiny_model, ep="cpu")
    assert classifier.states is None
    image = scene(1)
    alone, named = classifier(image), classifier(image, source="door", time_s=3.0)
    assert replace(alone, captured_at="", age_ms=0, latency_ms=None) == replace(  # type: ignore[arg-type]
        named, captured_at="", age_ms=0, latency_ms=None
    )
    classifier.reset("door")


def test_a_closed_classifier_says_so(classifier: Classifier) -> None:
    classifier(GREY, source="door")
    classifier.close()
    with pytest.raises(UsageError, match="closed"):
        classifier(GREY, source="door")
