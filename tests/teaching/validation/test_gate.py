"""A taught model is written where it is better, and says why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.teaching.head.known_classes import Loss
from edgecnn.teaching.validation.gate import Evidence, gate


def evidence(right: int, before: int | None, count: int = 40) -> Evidence:
    hits, hits_before = np.arange(count) < right, np.arange(count) < (before or 0)
    return Evidence(hits, None if before is None else hits_before, 0.5, np.arange(count), None, 0.01)


@pytest.mark.parametrize(
    ("right", "before", "passes", "why"),
    [
        (38, 20, True, "its top-1 is 0.9500, the model as it is 0.5000"),
        (38, None, True, "always naming the largest class 0.5000"),
        (21, None, False, "not certainly better on 40 independent images"),
        (20, 20, False, "not certainly better"),
        (10, 20, False, "not certainly better"),
        (21, 20, False, "not certainly better"),
        (40, 40, False, "answers all of these images right"),
    ],
)
def test_only_what_is_certainly_better_passes(right: int, before: int | None, passes: bool, why: str) -> None:
    found, reason = gate(evidence(right, before))
    assert found is passes
    assert why in reason


def test_images_of_one_moment_are_no_evidence() -> None:
    alike = replace(evidence(38, 20), groups=np.zeros(40, int))
    assert gate(alike)[0] is False


def test_a_loss_of_known_classes_beyond_the_limit_is_refused() -> None:
    better = evidence(38, 20)
    assert gate(replace(better, loss=Loss(0.95, 0.945)))[0] is True
    passes, reason = gate(replace(better, loss=Loss(0.95, 0.93)))
    assert passes is False
    assert "from 0.9500 to 0.9300, more than 0.01" in reason
    assert "--max-drop" in reason
