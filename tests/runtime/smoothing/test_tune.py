"""Smoothing is fitted to what was asked for, counted as it says, and evaluated on clips that it was not fitted on."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import CLASSES, shape_image

from edgecnn import Classifier
from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.runtime.smoothing.clips import Clip, Span, find_clips, find_left_out, read_clip
from edgecnn.runtime.smoothing.false_alarms import UNLABELLED, Counted, Track, count, tally
from edgecnn.runtime.smoothing.smoother import Smoother, SmoothingOptions
from edgecnn.runtime.smoothing.tune import (
    RAW,
    TuneOptions,
    choose_settings,
    fit_smoothing,
    halves,
    run_model,
    score_smoothing,
    tune,
)
from edgecnn.runtime.sources.frame import Frame

RATE = 10
LABELS = ("empty", "part", "fault")
EMPTY, PART, FAULT, UNKNOWN = range(4)


def track(truth: list[int], answers: list[int], name: str = "clip") -> Track:
    """One answer a frame, sure of itself; UNKNOWN is a frame that the model knows nothing of."""
    times = np.arange(len(truth)) / RATE
    rows = np.stack([np.eye(4)[a][:3] if a != UNKNOWN else np.full(3, 1 / 3) for a in answers])
    statuses = ["unknown" if a == UNKNOWN else "ok" for a in answers]
    return Track(name, times, statuses, rows.astype(np.float32), np.array(truth))  # type: ignore[arg-type]


def noisy(label: int, seconds: float, seed: int, wrong: float = 0.02) -> Track:
    """Single wrong frames, here and there."""
    random = np.random.default_rng(seed)
    answers = [int(random.integers(0, 3)) if random.random() < wrong else label for _ in range(int(seconds * RATE))]
    return track([label] * len(answers), answers, f"{LABELS[label]}-{seed}")


def raw_stands(made: Track) -> np.ndarray:
    return np.array(
        [UNKNOWN if s == "unknown" else int(p.argmax()) for s, p in zip(made.statuses, made.probabilities, strict=True)]
    )


def test_a_change_to_a_label_that_is_not_true_is_a_false_alarm() -> None:
    made = track([PART] * 10, [PART, PART, FAULT, FAULT, PART, EMPTY, PART, UNKNOWN, PART, PART])
    assert (
        count(made, raw_stands(made), 0, None).false_alarms == 2
    )  # FAULT once, however long; EMPTY; unknown names no label
    assert count(made, raw_stands(made), 0, EMPTY).false_alarms == 1


def test_the_first_decision_can_be_a_false_alarm_too() -> None:
    made = track([PART] * 3, [FAULT, PART, PART])
    assert count(made, raw_stands(made), 0, None).false_alarms == 1


def test_a_label_that_was_true_a_moment_ago_is_late_and_not_false() -> None:
    made = track([PART] * 5 + [EMPTY] * 10, [EMPTY] * 7 + [PART] * 3 + [EMPTY] * 5)
    assert count(made, raw_stands(made), 0.3, EMPTY).false_alarms == 0  # PART ended at 0.5 s, it is told at 0.7 s
    assert count(made, raw_stands(made), 0.2, EMPTY).false_alarms == 1


def test_where_nothing_is_known_nothing_is_counted() -> None:
    made = track([UNLABELLED] * 10 + [PART] * 10, [FAULT, EMPTY] * 5 + [PART] * 10)
    stands = raw_stands(made)
    stands[4] = UNLABELLED  # no decision
    counted = count(made, stands, 0, None)
    assert (counted.false_alarms, counted.right_s, counted.labelled_s) == (0, pytest.approx(1.0), pytest.approx(1.0))


def test_delay_is_from_when_a_label_becomes_true_to_when_it_is_told() -> None:
    made = track([EMPTY] * 10 + [PART] * 10 + [EMPTY] * 10 + [FAULT] * 5, [EMPTY] * 13 + [PART] * 7 + [EMPTY] * 15)
    counted = count(made, raw_stands(made), 0, EMPTY)
    assert counted.delays_s == pytest.approx((0.3,))
    assert counted.missed == 1  # FAULT; the background is no event
    assert counted.right_s == pytest.approx(2.7)


def test_counts_are_per_hour_of_known_truth_with_their_interval() -> None:
    made = track([PART] * 360, ([PART] * 35 + [FAULT]) * 10)
    counts = tally([count(made, raw_stands(made), 0, None)])
    assert (counts.false_alarms, counts.hours) == (10, pytest.approx(0.01))
    assert counts.per_hour == pytest.approx(1000)
    assert counts.interval == pytest.approx((479.54, 1839.04), abs=0.01)
    assert counts.right == pytest.approx(350 / 360)


def test_both_halves_hold_each_label_and_share_no_frame() -> None:
    tracks = [noisy(PART, 10, 1), noisy(PART, 8, 2), noisy(PART, 6, 3), noisy(FAULT, 9, 4)]
    first, second = halves(tracks)
    for half in (first, second):
        assert {int(t.truth[0]) for t in half} == {PART, FAULT}
    assert sum(len(t.times_s) for t in first + second) == sum(len(t.times_s) for t in tracks)
    assert sum(t.labelled_s for t in first) == pytest.approx(sum(t.labelled_s for t in second), abs=2.1)
    with pytest.raises(DataError, match="too short"):
        halves([track([PART], [PART])])


def test_counts_are_those_of_the_smoother_itself() -> None:
    made = noisy(PART, 60, 7, wrong=0.4)
    for settings in (RAW, SmoothingOptions("average", 0.5, 0.5, 0.3), SmoothingOptions("majority", 1.0, 0.8, 0.6, 0.5)):
        smoother = Smoother(LABELS, settings)
        told = [
            smoother.update(t, s, p)
            for t, s, p in zip(made.times_s.tolist(), made.statuses, made.probabilities, strict=True)
        ]
        alarms = sum(s.changed and s.index in (EMPTY, FAULT) for s in told)
        counts = score_smoothing([made], settings)
        assert counts.false_alarms == alarms
        assert counts.right == pytest.approx(sum(s.index == PART for s in told) / len(told))


def test_the_fit_keeps_the_budget_that_raw_answers_break() -> None:
    tracks = [noisy(label, 120, seed) for seed, label in enumerate((PART, FAULT, PART, FAULT))]
    assert score_smoothing(tracks, RAW).per_hour > 100
    found, tried = fit_smoothing(tracks, TuneOptions(budget_per_h=5))
    assert score_smoothing(tracks, found).per_hour <= 5
    assert score_smoothing(tracks, found).right > 0.98
    assert tried > 100


def test_a_smoothed_change_may_be_as_late_as_its_window_and_hold() -> None:
    made = track([PART] * 10 + [EMPTY] * 20, [PART] * 4 + [FAULT] * 3 + [PART] * 3 + [EMPTY] * 20)
    slow = SmoothingOptions("average", window_s=0.5, enter=0.5, leave=0, hold_s=0.3)
    assert (
        score_smoothing([track([PART] * 10 + [EMPTY] * 20, [FAULT] * 7 + [PART] * 5 + [EMPTY] * 18)], slow).false_alarms
        == 1
    )  # FAULT, not PART
    assert score_smoothing([made], slow).false_alarms == 0


QUICK, SLOW, DEAF = (SmoothingOptions(hold_s=hold_s) for hold_s in (0.0, 0.5, 1.0))
HOUR = 3600.0


def test_the_budget_goes_before_everything_else() -> None:
    tried = {
        QUICK: [Counted(9, HOUR, 0.99 * HOUR, (0.1, 0.1), 0)],
        SLOW: [Counted(2, HOUR, 0.80 * HOUR, (2.0, 2.0), 0)],
        DEAF: [Counted(1, HOUR, 0.80 * HOUR, (2.0,), 1)],
    }
    assert [choose_settings(tried, budget) for budget in (9, 2, 0)] == [QUICK, SLOW, DEAF]


def test_within_the_budget_missed_labels_count_as_much_as_wrong_time() -> None:
    quiet = Counted(
        0, HOUR, 0.99 * HOUR, (0.1,), 1
    )  # always the background: right for long, but half of the labels are missed
    assert choose_settings({DEAF: [quiet], SLOW: [Counted(1, HOUR, 0.95 * HOUR, (2.0, 2.0), 0)]}, 1) == SLOW


def test_among_those_that_are_as_good_the_quickest_is_taken_and_then_the_quietest() -> None:
    slow, quick = (Counted(0, HOUR, 0.95 * HOUR, (delay_s,), 0) for delay_s in (2.0, 0.5))
    assert choose_settings({QUICK: [slow], SLOW: [quick]}, 1) == SLOW  # quick by what was measured, not by its settings
    loud = replace(quick, false_alarms=1)
    assert choose_settings({SLOW: [quick], QUICK: [loud]}, 1) == SLOW


def test_a_budget_without_need_is_fitted_without_delay() -> None:
    tracks = [track([EMPTY] * 50 + [PART] * 50, [EMPTY] * 50 + [PART] * 50)] * 2
    found, _ = fit_smoothing(tracks, TuneOptions(budget_per_h=0))
    assert score_smoothing(tracks, found).mean_delay_s == 0


def test_no_setting_is_tried_that_may_take_longer_than_permitted() -> None:
    tracks = [noisy(PART, 60, seed, wrong=0.3) for seed in range(2)]
    found, few = fit_smoothing(tracks, TuneOptions(budget_per_h=0, max_delay_s=0.5))
    _, many = fit_smoothing(tracks, TuneOptions(budget_per_h=0))
    assert found.longest_delay_s <= 0.5
    assert few < many


def test_a_budget_out_of_reach_gives_what_comes_nearest() -> None:
    random = np.random.default_rng(0)
    tracks = [
        track([PART] * 600, np.repeat(random.integers(0, 3, 6), 100).tolist()) for _ in range(2)
    ]  # wrong for ten seconds at a time
    found, _ = fit_smoothing(tracks, TuneOptions(budget_per_h=1))
    counts = score_smoothing(tracks, found)
    assert 1 < counts.per_hour <= score_smoothing(tracks, RAW).per_hour


TINY = Path(__file__).parents[2] / "models" / "tiny.int8.onnx"


@cache
def clear_image(name: str) -> np.ndarray:
    """The one that the tiny model is surest of: it knows three images of four. Or black."""
    if name == "black":
        return np.zeros((48, 48, 3), np.uint8)
    classifier = Classifier(TINY, ep="cpu", threads=1, threshold=0.0)
    images = [shape_image(name, seed) for seed in range(7000, 7030)]
    answers = [classifier(image) for image in images]
    return images[max(range(30), key=lambda i: (answers[i].score or 0) if answers[i].label == name else 0)]


def write_clip(path: Path, names: list[str], fps: float = 10.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (48, 48))
    assert writer.isOpened()
    for name in names:
        writer.write(clear_image(name))
    writer.release()
    return path


def write_frames(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / f"{index:04d}.png"), clear_image(name))
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos and two folders of frames a class, in which single frames show the other."""
    root = tmp_path_factory.mktemp("clips")
    for name, other in (CLASSES, CLASSES[::-1]):
        for number in range(2):
            write_clip(root / name / f"{number}.mp4", ([name] * 14 + [other]) * 3)
            write_frames(root / name / f"frames{number}", ([name] * 9 + [other]) * 3)
    return root


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(TINY, ep="cpu", threads=1, threshold=0.0)


def test_clips_of_videos_and_frames_are_fitted_on_one_half_and_checked_on_the_other(
    clips: Path, classifier: Classifier
) -> None:
    result = tune(classifier, [clips], TuneOptions(budget_per_h=30, fps=10))
    assert (result.clips, result.frames) == (8, 2 * 2 * (45 + 30))
    assert result.fitted.hours * 3600 == pytest.approx(15)
    assert result.checked.hours * 3600 == pytest.approx(15)
    assert result.raw_checked.false_alarms == 2 * (3 + 3)  # the frames that show the other
    assert result.checked.false_alarms == 0
    assert (result.fits, result.passed) == (True, True)
    assert result.checked.right > result.raw_checked.right
    assert not result.proven  # fifteen seconds prove nothing an hour
    assert result.hours_to_prove == pytest.approx(3.689 / 30, abs=1e-3)


def test_the_half_that_nothing_was_fitted_on_decides(tmp_path: Path, classifier: Classifier) -> None:
    write_frames(tmp_path / "circle" / "clean", ["circle"] * 30)
    write_frames(tmp_path / "circle" / "flawed", (["circle"] * 9 + ["square"]) * 2)
    result = tune(classifier, [tmp_path], TuneOptions(budget_per_h=30, fps=10, max_delay_s=0))
    assert (result.fitted.false_alarms, result.checked.false_alarms) == (0, 2)
    assert (result.fits, result.passed) == (True, False)


def test_the_same_clips_give_the_same_settings(clips: Path, classifier: Classifier) -> None:
    options = TuneOptions(budget_per_h=30, fps=10, max_delay_s=1)
    assert tune(classifier, [clips], options) == tune(classifier, [clips], options)


def test_a_table_says_what_a_video_shows_when(tmp_path: Path, classifier: Classifier) -> None:
    write_clip(tmp_path / "shift.mp4", ["circle"] * 20 + ["square"] * 20 + ["circle"] * 20)
    table = tmp_path / "shift.csv"
    table.write_text("path,start_s,end_s,label\nshift.mp4,2,4,square\nshift.mp4,,2,circle\nshift.mp4,5,,unknown\n")
    [clip] = find_clips([table], classifier.manifest)
    assert clip == Clip(tmp_path / "shift.mp4", (Span(0, 2, 0), Span(2, 4, 1), Span(5, math.inf, 2)))
    made = run_model(classifier, clip, TuneOptions(budget_per_h=1))
    assert made.truth.tolist() == [0] * 20 + [1] * 20 + [UNLABELLED] * 10 + [2] * 10
    assert made.probabilities.argmax(1)[:40].tolist() == made.truth[:40].tolist()


def test_an_unfit_frame_has_no_vote_as_on_the_device(tmp_path: Path, classifier: Classifier) -> None:
    path = write_clip(tmp_path / "v.mp4", ["circle"] * 10 + ["black"] * 5 + ["circle"] * 10)
    clip = Clip(path, (Span(0, math.inf, 0),))
    made = run_model(classifier, clip, TuneOptions(budget_per_h=1))
    assert [i for i, status in enumerate(made.statuses) if status == "no_decision"] == list(range(10, 15))
    assert "no_decision" not in run_model(classifier, clip, TuneOptions(budget_per_h=1, health=None)).statuses


def test_a_row_about_time_that_the_clip_does_not_have_is_refused(tmp_path: Path, classifier: Classifier) -> None:
    path = write_clip(tmp_path / "v.mp4", ["circle"] * 10)
    with pytest.raises(DataError, match=r"no frame from 2 to 3 s, its last is at 0\.9 s"):
        run_model(classifier, Clip(path, (Span(0, 1, 0), Span(2, 3, 1))), TuneOptions(budget_per_h=1))
    with pytest.raises(DataError, match="only one frame"):
        run_model(
            classifier,
            Clip(write_clip(tmp_path / "one.mp4", ["circle"]), (Span(0, math.inf, 0),)),
            TuneOptions(budget_per_h=1),
        )


def test_a_clip_whose_time_goes_back_is_refused(
    tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = Frame(clear_image("circle"), "v.mp4")
    monkeypatch.setattr(
        "edgecnn.runtime.smoothing.tune.read_clip", lambda *_: iter([(0.0, frame), (0.2, frame), (0.1, frame)])
    )
    with pytest.raises(DataError, match="are not increasing"):
        run_model(classifier, Clip(tmp_path / "v.mp4", (Span(0, math.inf, 0),)), TuneOptions(budget_per_h=1))


def test_every_third_frame_keeps_its_time(tmp_path: Path) -> None:
    video = Clip(write_clip(tmp_path / "v.mp4", ["circle"] * 10), (Span(0, math.inf, 0),))
    folder = Clip(write_frames(tmp_path / "f", ["circle"] * 10), (Span(0, math.inf, 0),))
    for clip in (video, folder):
        assert [round(t, 3) for t, _ in read_clip(clip, 10, every=3)] == [0, 0.3, 0.6, 0.9]


def test_frames_are_counted_by_their_numbers_and_not_by_their_letters(tmp_path: Path) -> None:
    write_frames(tmp_path / "f", ["circle"] * 12)
    for number, path in enumerate(sorted((tmp_path / "f").iterdir())):
        path.rename(path.with_name(f"{number}.png"))
    clip = Clip(tmp_path / "f", (Span(0, math.inf, 0),))
    assert [Path(frame.name).stem for _, frame in read_clip(clip, 10)] == [str(number) for number in range(12)]


def test_clips_of_a_session_folder_are_clips_each_as_in_training(tmp_path: Path, classifier: Classifier) -> None:
    frames = [write_frames(tmp_path / "square" / "session-1" / name, ["square"] * 2) for name in "ab"]
    video = write_clip(tmp_path / "square" / "session-1" / "c.mp4", ["square"] * 2)
    loose = write_frames(tmp_path / "square" / "2", ["square"])
    (tmp_path / "square" / "empty").mkdir()
    assert [clip.path for clip in find_clips([tmp_path], classifier.manifest)] == [loose, *frames, video]
    assert find_left_out([tmp_path], find_clips([tmp_path], classifier.manifest)) == []


def test_frames_without_a_rate_are_refused(clips: Path, classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="--fps"):
        tune(classifier, [clips], TuneOptions(budget_per_h=1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path,label\nv.mp4,circle\n", "header line"),
        ("path,start_s,end_s,label\n", "has no rows"),
        ("path,start_s,end_s,label\nv.mp4,0,1\n", "line 2: expected four values"),
        ("path,start_s,end_s,label\nv.mp4,0,1,circle,2\n", "line 2: expected four values"),
        ("path,start_s,end_s,label\nv.mp4,0,one,circle\n", "line 2: times are '0' and 'one'"),
        ("path,start_s,end_s,label\nv.mp4,2,1,circle\n", "line 2: from 2 s to 1 s"),
        ("path,start_s,end_s,label\nv.mp4,nan,1,circle\n", "line 2: from nan s"),
        ("path,start_s,end_s,label\nv.mp4,0,1,hexagon\n", "line 2: the model has no class 'hexagon' .*unknown"),
        ("path,start_s,end_s,label\nt.txt,0,1,circle\n", "t.txt: neither a video"),
        ("path,start_s,end_s,label\nv.mp4,0,2,circle\nv.mp4,1,3,square\n", "v.mp4 has overlapping spans at 1 s"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_its_line(
    text: str, why: str, tmp_path: Path, classifier: Classifier
) -> None:
    write_clip(tmp_path / "v.mp4", ["circle"] * 3)
    (tmp_path / "t.txt").write_text("no video")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=why):
        find_clips([tmp_path / "t.csv"], classifier.manifest)


def test_folders_that_hold_no_clips_are_refused_by_name(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(InputNotFoundError):
        find_clips([tmp_path / "nowhere"], classifier.manifest)
    with pytest.raises(DataError, match="no class folders"):
        find_clips([tmp_path], classifier.manifest)
    (tmp_path / "circle").mkdir()
    cv2.imwrite(str(tmp_path / "circle" / "1.png"), shape_image("circle", 1))  # an image is no clip
    with pytest.raises(DataError, match="circle: no clips"):
        find_clips([tmp_path], classifier.manifest)
    write_clip(tmp_path / "circle" / "1.mp4", ["circle"] * 3)
    with pytest.raises(DataError, match="in a class folder and in a table"):
        find_clips([tmp_path, tmp_path], classifier.manifest)


def test_what_lies_beside_class_folders_is_not_left_out_unnoticed(tmp_path: Path, classifier: Classifier) -> None:
    write_clip(tmp_path / "circle" / "1.mp4", ["circle"] * 3)
    shift = write_clip(tmp_path / "shift.mp4", ["circle"] * 3)
    with pytest.raises(DataError, match=r"shift\.mp4: is in no class folder and in no table"):
        find_clips([tmp_path], classifier.manifest)
    (tmp_path / "t.csv").write_text("path,start_s,end_s,label\nshift.mp4,,,circle\n")
    with pytest.raises(DataError, match=r"t\.csv: .* name it too"):
        find_clips([tmp_path], classifier.manifest)
    assert [clip.path for clip in find_clips([tmp_path, tmp_path / "t.csv"], classifier.manifest)] == [
        tmp_path / "circle" / "1.mp4",
        shift,
    ]


def test_a_table_of_a_video_that_is_not_there_names_the_video_alone(tmp_path: Path, classifier: Classifier) -> None:
    (tmp_path / "t.csv").write_text("path,start_s,end_s,label\nnope.mp4,0,1,circle\n")
    with pytest.raises(
        InputNotFoundError, match=r"line 2: .*nope\.mp4: no such video or folder of frames; check the path$"
    ):
        find_clips([tmp_path / "t.csv"], classifier.manifest)


@pytest.mark.parametrize(
    "wrong",
    [{"budget_per_h": -1}, {"budget_per_h": math.nan}, {"fps": 0}, {"every": 0}, {"max_delay_s": -1}, {"gap_s": 0}],
)
def test_options_that_cannot_work_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError):
        replace(TuneOptions(budget_per_h=1), **wrong)


def test_a_background_that_the_model_does_not_know_is_refused(clips: Path, classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="no such label; it has circle, square"):
        tune(classifier, [clips], TuneOptions(budget_per_h=1, background="empty"))
