"""What is told holds: single frames do not change it, and what lasts does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputNotFoundError, OutputError, UsageError
from edgecnn.runtime.decision import Status
from edgecnn.runtime.smoothing.smoother import Smoothed, Smoother, SmoothingOptions, read_smoothing, write_smoothing

LABELS = ("cat", "dog", "cow")
CAT, DOG, COW = np.eye(3, dtype=np.float32)
RATE = 10  # frames a second
STEADY = SmoothingOptions("average", window_s=1.0, enter=0.6, leave=0.4, hold_s=0.3, gap_s=2.0)

Answered = tuple[Status, "np.ndarray | None"]


def votes(*parts: tuple[str, int]) -> list[Answered]:
    """``("cat", 5)`` is five frames of a cat; other words are a status."""
    row = dict(zip(LABELS, (CAT, DOG, COW), strict=True))
    return [("ok", row[word]) if word in row else (word, None) for word, count in parts for _ in range(count)]  # type: ignore[misc]


def play(options: SmoothingOptions, answered: Iterable[Answered], start_s: float = 0.0) -> list[Smoothed]:
    smoother = Smoother(LABELS, options)
    return [smoother.update(start_s + i / RATE, *answer) for i, answer in enumerate(answered)]


def words(told: Iterable[Smoothed]) -> list[str]:
    return [LABELS[s.index] if s.index is not None else s.status for s in told]


def changes(told: Iterable[Smoothed]) -> list[str]:
    return words(s for s in told if s.changed)


@pytest.mark.parametrize("method", ["average", "majority", "none"])
def test_a_class_that_was_not_asked_for_is_never_told(method: str) -> None:
    frames = [("ok", np.array(p, np.float32)) for p in ((0.5, 0.45, 0.05), (0.05, 0.45, 0.5))] * 4
    options = SmoothingOptions(method, window_s=1.0)  # type: ignore[arg-type]
    smoother = Smoother(LABELS, options, allowed_indices=frozenset([0, 2]))
    told = [smoother.update(i / RATE, *frame) for i, frame in enumerate(frames)]  # type: ignore[arg-type]
    assert "dog" not in words(told)
    assert {"cat", "cow", "unknown"} & set(words(told))


def test_as_it_stands_it_passes_each_frames_answer_on() -> None:
    told = play(SmoothingOptions(), votes(("cat", 2), ("dog", 1), ("unknown", 1), ("cat", 1)))
    assert words(told) == ["cat", "cat", "dog", "unknown", "cat"]
    assert [s.changed for s in told] == [True, False, True, True, True]


def test_a_score_is_passed_on_as_the_network_gave_it() -> None:
    smoothed = Smoother(LABELS, SmoothingOptions()).update(0, "ok", np.array([0.2, 0.5, 0.3], np.float32))
    assert smoothed == Smoothed("ok", 1, 0.5, True, None)


@pytest.mark.parametrize("method", ["average", "majority"])
def test_one_wrong_frame_changes_nothing(method: str) -> None:
    options = SmoothingOptions(method, window_s=0.5, enter=0.5, leave=0.5)  # type: ignore[arg-type]
    assert changes(play(options, votes(("cat", 9), ("dog", 1), ("cat", 9)))) == ["cat"]


def test_a_label_that_lasts_is_taken_within_the_window_and_the_hold() -> None:
    told = play(STEADY, votes(("cat", 20), ("dog", 20)))
    assert changes(told) == ["cat", "dog"]
    taken_s = next(i for i, s in enumerate(told) if s.changed and s.index == 1) / RATE
    assert 2.0 < taken_s <= 2.0 + STEADY.longest_delay_s
    assert math.isclose(taken_s, 2.5 + 0.3, abs_tol=1e-9)  # six of ten votes after 0.5 s, held for 0.3 s


def test_the_average_weighs_probabilities_and_the_majority_counts_frames() -> None:
    sure, torn = np.array([0.96, 0.04, 0]), np.array([0.45, 0.55, 0])
    frames: list[Answered] = [("ok", sure), ("ok", torn), ("ok", torn)]
    average = play(SmoothingOptions("average", window_s=1, enter=0, leave=0), frames)[-1]
    majority = play(SmoothingOptions("majority", window_s=1, enter=0, leave=0), frames)[-1]
    assert (average.index, majority.index) == (0, 1)
    assert average.score == pytest.approx((0.96 + 0.45 + 0.45) / 3)
    assert majority.score == pytest.approx(2 / 3)


def test_votes_older_than_the_window_are_forgotten() -> None:
    told = play(SmoothingOptions("majority", window_s=0.5), votes(("cat", 10), ("dog", 5)))
    assert (told[-1].index, told[-1].score) == (1, 1.0)


def test_between_the_thresholds_the_label_that_stands_stays() -> None:
    options = SmoothingOptions(enter=0.7, leave=0.4)
    scores = [0.65, 0.75, 0.5, 0.41, 0.39, 0.65, 0.7]
    told = play(options, [("ok", np.array([s, (1 - s) / 2, (1 - s) / 2])) for s in scores])
    assert words(told) == ["unknown", "cat", "cat", "cat", "unknown", "unknown", "cat"]
    assert told[0].reason == "smoothing: 'cat' (0.65) does not reach 0.70"


def test_a_label_must_last_without_a_break_before_it_is_taken() -> None:
    options = SmoothingOptions(hold_s=0.3)
    assert changes(play(options, votes(("cat", 10), *[("dog", 3), ("cat", 1)] * 5))) == ["cat"]
    told = play(options, votes(("cat", 10), ("dog", 4)))
    assert words(told)[9:] == ["cat", "cat", "cat", "cat", "dog"]


def test_before_the_first_label_has_lasted_there_is_no_decision() -> None:
    told = play(SmoothingOptions(hold_s=0.2), votes(("cat", 3)))
    assert words(told) == ["no_decision", "no_decision", "cat"]
    assert [s.changed for s in told] == [False, False, True]
    assert told[0].reason == "smoothing: no label has lasted 0.2 s yet"


def test_unknown_frames_vote_for_unknown() -> None:
    told = play(STEADY, votes(("cat", 20), ("unknown", 20)))
    assert changes(told) == ["cat", "unknown"]
    assert told[-1] == Smoothed("unknown", None, None, False, "smoothing: most frames are unknown")
    assert changes(play(STEADY, votes(("cat", 20), ("unknown", 2), ("cat", 20)))) == ["cat"]


def test_frames_without_a_decision_have_no_vote() -> None:
    told = play(STEADY, votes(("cat", 20), ("no_decision", 5), ("error", 5), ("cat", 5)))
    assert changes(told) == ["cat"]
    assert words(told)[20:30] == ["cat"] * 10


def test_a_label_does_not_outlive_the_gap() -> None:
    told = play(STEADY, votes(("cat", 20), ("no_decision", 30), ("cat", 20)))
    assert changes(told) == ["cat", "no_decision", "cat"]
    silent = next(i for i, s in enumerate(told) if i > 19 and s.status == "no_decision")
    assert silent / RATE == pytest.approx(1.9 + STEADY.gap_s + 1 / RATE)
    assert told[-21].reason == "smoothing: no frame could be classified for 3.0 s"


def test_a_gap_without_any_frame_begins_anew_and_is_no_change_of_its_own() -> None:
    smoother = Smoother(LABELS, SmoothingOptions("average", window_s=1, gap_s=2))
    assert smoother.update(0, "ok", CAT).changed
    after = smoother.update(10, "ok", DOG)
    assert (after.index, after.score, after.changed) == (1, 1.0, True)
    assert not smoother.update(20, "ok", DOG).changed


def test_what_was_about_to_be_taken_before_a_gap_must_last_anew_after_it() -> None:
    smoother = Smoother(LABELS, SmoothingOptions(hold_s=0.5, gap_s=2))
    assert [smoother.update(t, "ok", DOG).status for t in (0, 0.4, 5, 5.4, 5.5)] == ["no_decision"] * 4 + ["ok"]


def test_time_that_goes_back_begins_anew() -> None:
    smoother = Smoother(LABELS, STEADY)
    told = [smoother.update(i / RATE, "ok", CAT) for i in range(20)]
    again = [smoother.update(i / RATE, "ok", CAT) for i in range(20)]
    assert again == told
    assert changes(again) == ["cat"]


def test_nothing_seen_yet_is_no_decision_and_no_change() -> None:
    assert play(STEADY, votes(("no_decision", 1))) == [
        Smoothed("no_decision", None, None, False, "smoothing: no frame could be classified yet")
    ]


def test_in_a_tie_the_label_that_stands_stays() -> None:
    assert changes(
        play(SmoothingOptions("majority", window_s=0.2), votes(("dog", 4), *[("cat", 1), ("dog", 1)] * 5))
    ) == ["dog"]


def test_frames_that_come_slower_than_the_window_are_still_seen() -> None:
    smoother = Smoother(LABELS, SmoothingOptions("average", window_s=0.5, gap_s=60))
    assert [smoother.update(10.0 * i, "ok", p).index for i, p in enumerate((CAT, DOG, COW))] == [0, 1, 2]


def test_probabilities_that_are_no_numbers_never_enter_the_window() -> None:
    told = play(STEADY, [("ok", CAT)] * 10 + [("ok", np.full(3, np.nan, np.float32))] * 3 + [("ok", CAT)] * 10)
    assert changes(told) == ["cat"]
    assert told[-1].score == 1.0


@pytest.mark.parametrize("wrong", [None, np.array([0.5, 0.5])])
def test_an_answer_without_probabilities_for_each_label_is_refused(wrong: np.ndarray | None) -> None:
    with pytest.raises(UsageError, match=r"expected \(3,\)"):
        Smoother(LABELS, STEADY).update(0, "ok", wrong)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"method": "mean"}, "method is 'mean', expected none, average, majority"),
        ({"window_s": -1}, "window_s is -1"),
        ({"hold_s": math.nan}, "hold_s is nan"),
        ({"enter": "0.5"}, "enter is '0.5'"),
        ({"enter": 0.4, "leave": 0.6}, "leave <= enter"),
        ({"enter": 1.5}, "enter <= 1"),
        ({"window_s": 5, "gap_s": 2}, "no less than window_s"),
        ({"gap_s": 0}, "more than 0"),
    ],
)
def test_options_that_cannot_work_are_refused(wrong: dict, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        SmoothingOptions(**wrong)


def test_options_come_back_from_their_file(tmp_path: Path) -> None:
    write_smoothing(tmp_path / "s.json", STEADY)
    assert read_smoothing(tmp_path / "s.json") == STEADY
    assert json.loads((tmp_path / "s.json").read_text())["schema_version"] == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "no smoothing settings"),
        ("{}", "no smoothing settings"),
        ('{"schema_version": 2}', "schema_version is 2, this version reads 1"),
        ('{"schema_version": 1, "windows": 3}', "unknown setting 'windows'"),
        ('{"schema_version": 1, "window_s": "long"}', "window_s is 'long'"),
        ('{"schema_version": 1, "method": ["average"]}', "method is"),
    ],
)
def test_a_file_that_is_something_else_is_named_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=why) as caught:
        read_smoothing(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="edgecnn tune"):
        read_smoothing(tmp_path / "s.json")
    with pytest.raises(OutputError):
        write_smoothing(tmp_path, STEADY)
