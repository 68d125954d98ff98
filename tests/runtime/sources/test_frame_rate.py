"""When a camera's next frame is due, and that it is waited for rather than answered with the one before."""

from __future__ import annotations

import time

import pytest

from edgecnn import open_source
from edgecnn.runtime.sources.capture.frame_rate import FrameRate


def counted(*times_s: float) -> FrameRate:
    rate = FrameRate()
    for time_s in times_s:
        rate.count(time_s)
    return rate


def test_nothing_is_due_before_two_frames_have_come() -> None:
    assert counted().next_within_s(1.0) == counted(1.0).next_within_s(1.0) == 0


@pytest.mark.parametrize(
    ("now_s", "left_s"), [(1.15, 0), (1.196, 0), (1.198, 0.004), (1.2, 0.002), (1.203, 0), (9.0, 0)]
)
def test_a_frame_is_waited_for_from_shortly_before_it_is_due_until_shortly_after(now_s: float, left_s: float) -> None:
    assert counted(1.0, 1.1).next_within_s(now_s) == pytest.approx(left_s, abs=1e-9)


def test_a_quick_camera_is_never_waited_for() -> None:
    rate = counted(*(i / 200 for i in range(20)))
    assert not any(rate.next_within_s(19 / 200 + i / 2000) for i in range(20))


def test_an_interval_is_the_mean_of_the_last_ones() -> None:
    rate = counted(0.0, 0.1, 0.2, 0.3, 0.38)  # 0.0975 s by now
    assert rate.next_within_s(0.38 + 0.0975) == pytest.approx(0.002)


class AlwaysDue(FrameRate):
    def next_within_s(self, now_s: float) -> float:
        return 1.0


def test_the_frame_that_is_about_to_come_is_taken_in_place_of_the_one_that_is_there() -> None:
    with open_source("fake:64x64@20") as source:
        next(source)
        while not source.has_news():
            time.sleep(0.001)
        there = source.counters.captured
        source._rate = AlwaysDue()  # else a matter of milliseconds
        assert next(source).index >= there  # numbered from 0: the next after it at least
