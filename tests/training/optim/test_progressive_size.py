"""How many epochs of a run come first on smaller images."""

from __future__ import annotations

from itertools import product

import pytest

from edgecnn.image_size import ImageSize
from edgecnn.training.optim.progressive_size import EpochPlan, plan_sizes, smaller_size


def _taken_s(plan: EpochPlan, full_s: float, small_s: float) -> float:
    return plan.small * small_s + (plan.epochs - plan.small) * full_s


def test_small_epochs_bring_a_run_to_its_usual_number_and_leave_one_at_the_full_size() -> None:
    assert plan_sizes(6, left_s=300, full_s=100, small_s=25) == EpochPlan(6, small=4)
    assert plan_sizes(6, left_s=225, full_s=100, small_s=25) == EpochPlan(6, small=5)
    assert plan_sizes(6, left_s=199, full_s=100, small_s=25) == EpochPlan(4, small=3)


def test_a_plan_takes_no_longer_than_there_is_and_has_no_fewer_epochs_than_fit_at_the_full_size() -> None:
    for left_s, small_s in product(range(100, 600, 7), (5, 30, 60, 99)):
        plan = plan_sizes(6, left_s, 100, small_s)
        assert _taken_s(plan, 100, small_s) <= left_s
        assert left_s // 100 <= plan.epochs <= 6
        assert plan.small < plan.epochs
        if plan.small and plan.epochs == 6:
            more = EpochPlan(6, plan.small - 1)
            assert _taken_s(more, 100, small_s) > left_s, "one more would have fitted at the full size"


@pytest.mark.parametrize(("left_s", "small_s"), [(99, 25), (250, 100), (250, 120)])
def test_no_epoch_is_small_where_none_fits_at_the_full_size_or_small_ones_save_nothing(
    left_s: float, small_s: float
) -> None:
    assert plan_sizes(6, left_s, 100, small_s) == EpochPlan(int(left_s / 100))


@pytest.mark.parametrize(
    ("size", "smaller"), [(224, 128), (300, 160), ((224, 448), (128, 256)), (96, None), ((96, 300), None)]
)
def test_smaller_images_have_sides_of_whole_places_of_the_last_map(size: ImageSize, smaller: ImageSize | None) -> None:
    assert smaller_size(size) == smaller
