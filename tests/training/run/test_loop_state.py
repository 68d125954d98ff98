"""Which epoch is the best one."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluation.metrics import Metrics, compute_metrics
from edgecnn.training.options import BestBy
from edgecnn.training.run.loop_state import LoopState

_TRUTH = [0] * 18 + [1] * 2


def _answered(rare_right: int, common_right: int, sure: float = 0.9) -> Metrics:
    """Of a network that answers so many images of each class right, all with one probability."""
    right = np.array([i < common_right for i in range(18)] + [i < rare_right for i in range(2)])
    truth = np.array(_TRUTH)
    answers = np.where(right, truth, 1 - truth)
    probabilities = np.full((20, 2), 1 - sure, np.float32)
    probabilities[np.arange(20), answers] = sure
    return compute_metrics(probabilities, _TRUTH, ("common", "rare"))


_EPOCHS = {
    "top1": _answered(rare_right=0, common_right=18, sure=0.99),  # never answers the rare class
    "macro-f1": _answered(rare_right=2, common_right=15, sure=0.99),
    "nll": _answered(rare_right=0, common_right=17, sure=0.8),
}


@pytest.mark.parametrize("by", ["top1", "macro-f1", "nll"])
def test_the_best_epoch_is_the_one_with_the_best_value_of_the_metric_asked_for(by: BestBy) -> None:
    for order in (list(_EPOCHS), list(_EPOCHS)[::-1]):
        state = LoopState(epochs=3, started=0.0)
        best = ""
        for name in order:
            if state.is_best(_EPOCHS[name], by):
                best = name
        assert best == by


def test_between_equals_the_lower_nll_decides() -> None:
    unsure, sure = (_answered(rare_right=2, common_right=18, sure=p) for p in (0.7, 0.9))
    for by in ("top1", "macro-f1"):
        state = LoopState(epochs=3, started=0.0)
        assert state.is_best(unsure, by)
        assert state.is_best(sure, by)
        assert not state.is_best(unsure, by)
        assert state.since_best == 1
