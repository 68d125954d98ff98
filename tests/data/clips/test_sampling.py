"""Steps follow elapsed time: clips of different frame rates give the same steps."""

from __future__ import annotations

import pytest

from edgecnn.data.clips.sampling import StepClock, longest_gap_s


def steps(times_s: list[float], interval_s: float = 0.1) -> list[int]:
    clock = StepClock(interval_s)
    return [clock.due(t) for t in times_s]


@pytest.mark.parametrize("rate", [10, 15, 24, 25, 29.97, 30, 50, 60, 120])
def test_a_second_has_ten_steps_at_any_frame_rate_from_ten_on(rate: float) -> None:
    found = steps([i / rate for i in range(round(10 * rate))])
    assert sum(found) == 100
    assert max(found) == 1


def test_times_in_whole_milliseconds_change_nothing() -> None:
    exact, rounded = [[i / 30 for i in range(300)], [round(i / 30, 3) for i in range(300)]]
    assert steps(rounded) == steps(exact)


def test_a_slow_source_takes_the_steps_that_it_missed() -> None:
    assert steps([0.0, 0.2, 0.4, 0.7]) == [1, 2, 2, 3]


def test_the_clip_may_begin_at_any_time() -> None:
    assert steps([1000.05 + i / 30 for i in range(9)]) == [1, 0, 0, 1, 0, 0, 1, 0, 0]


def test_a_long_gap_and_a_step_back_in_time_begin_a_new_clip() -> None:
    clock = StepClock(0.1)
    assert not clock.breaks(5.0)
    clock.due(5.0)
    assert not clock.breaks(5.0 + longest_gap_s(0.1))
    assert clock.breaks(5.1 + longest_gap_s(0.1))
    assert clock.breaks(4.9)
    clock.reset()
    assert not clock.breaks(4.9)
    assert clock.due(4.9) == 1


def test_the_gap_grows_with_the_interval() -> None:
    assert longest_gap_s(0.04) == 1.0
    assert longest_gap_s(1.0) == 8.0
