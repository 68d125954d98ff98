"""The front, the chosen file, and its comparison with the reference."""

from __future__ import annotations

import pytest

from exporters.search.front import against, candidates_of, choose
from exporters.search.network_choice import NetworkChoice
from exporters.search.next_network import Limits
from exporters.search.trial import Evaluated, Trial


def _hits(wrong: int, count: int = 200, first: int = 0) -> str:
    return "".join("0" if first <= i < first + wrong else "1" for i in range(count))


def _trial(side: int, wrong: int, *, float_wrong: int | None = None) -> Trial:
    files = [
        Evaluated("fp32", f"{side}.onnx", 14_000_000, _hits(wrong if float_wrong is None else float_wrong), "1" * 50)
    ]
    files.append(Evaluated("int8", f"{side}.int8.onnx", 4_000_000, _hits(wrong), "1" * 49 + "0"))
    return Trial(NetworkChoice("net", side), f"{side}/best.pt", 60.0, tuple(files), "int8: holds")


TRIALS = (_trial(224, 2), _trial(128, 3), _trial(96, 8), _trial(160, 5))
TIMES = {"224.int8.onnx": 5.0, "128.int8.onnx": 1.6, "96.int8.onnx": 1.0, "160.int8.onnx": 2.5} | {
    f"{side}.onnx": 3 * ms for side, ms in ((224, 5.0), (128, 1.6), (96, 1.0), (160, 2.5))
}


def test_candidates_are_sorted_by_latency_and_the_front_has_no_better_neighbour() -> None:
    found = candidates_of(TRIALS, TIMES)
    assert [c.latency_ms for c in found] == sorted(c.latency_ms for c in found)
    front = [(c.imgsz, c.precision) for c in found if c.on_front]
    assert front == [(96, "int8"), (128, "int8"), (224, "int8")]
    for other in found:
        dominated = any(c.latency_ms <= other.latency_ms and c.top1 >= other.top1 and c != other for c in found)
        assert other.on_front != dominated


def test_without_limits_the_fastest_within_half_a_point_of_the_reference_is_chosen() -> None:
    choice = choose(candidates_of(TRIALS, TIMES), Limits(None, None, None), 0.99)
    assert choice.candidate is not None
    assert (choice.candidate.imgsz, choice.candidate.precision) == (128, "int8")


def test_a_better_one_does_not_raise_what_is_enough_and_a_reference_that_is_too_large_does_not_either() -> None:
    candidates = candidates_of(TRIALS, TIMES)
    lucky = choose(candidates, Limits(None, None, None), 0.965).candidate
    assert lucky is not None
    assert lucky.imgsz == 96
    small = choose(candidates, Limits(None, None, 5.0), 0.999).candidate
    assert small is not None
    assert small.imgsz == 128


@pytest.mark.parametrize(
    ("limits", "side"),
    [
        (Limits(1.2, None, None), 96),
        (Limits(2.0, None, None), 128),
        (Limits(None, 0.95, None), 96),
        (Limits(None, 0.99, None), 224),
        (Limits(3.0, 0.95, None), 96),
    ],
)
def test_limits_decide(limits: Limits, side: int) -> None:
    choice = choose(candidates_of(TRIALS, TIMES), limits, 0.99)
    assert choice.candidate is not None
    assert choice.candidate.imgsz == side


@pytest.mark.parametrize("limits", [Limits(0.1, None, None), Limits(None, 0.999, None), Limits(None, None, 1.0)])
def test_limits_that_nothing_meets_give_no_file_and_say_what_comes_nearest(limits: Limits) -> None:
    choice = choose(candidates_of(TRIALS, TIMES), limits, 0.99)
    assert choice.candidate is None
    assert "the most accurate has top-1 0.9900 at 5.00 ms, the fastest 0.9600 at 1.00 ms" in choice.reason


def test_the_comparison_is_paired() -> None:
    """The same two images wrong in both files: the interval of the difference is narrower than that of either."""
    chosen = choose(candidates_of(TRIALS, TIMES), Limits(None, None, None), 0.99).candidate
    assert chosen is not None
    found = against(chosen, TRIALS[0], TRIALS, TIMES)
    assert found.speedup == pytest.approx(5.0 / 1.6)
    assert found.top1_drop == pytest.approx(1 / 200)
    low, high = found.interval
    assert low < 0.005 < high
    assert high - low < chosen.interval[1] - chosen.interval[0]
    assert found.test_top1_drop == 0.0


def test_a_file_without_a_timing_is_no_candidate() -> None:
    assert len(candidates_of(TRIALS, {"96.int8.onnx": 1.0})) == 1
