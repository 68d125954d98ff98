"""The maps of a clip show the places whose change supports the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecnn.manifest import TemporalKind
from edgecnn.training.models.registry import find_model
from edgecnn.training.temporal.explain.clip_maps import clip_maps
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape

SIDE, STEPS = 32, 6


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_what_changes_is_red_and_what_stands_still_is_not(kind: TemporalKind) -> None:
    torch.manual_seed(0)
    backbone = find_model("resnet8").build(2, SIDE)
    network = ClipClassifier(backbone, embedding_shape(backbone, (SIDE, SIDE)), kind, 2).eval()
    still = torch.randn(1, 3, SIDE, SIDE).expand(STEPS, -1, -1, -1)
    moving = still.clone()
    for step in range(STEPS):
        moving[step, :, :12, 4 * step : 4 * step + 8] = 3.0  # a square at the top, from left to right
    maps = [clip_maps(network, moving, index) for index in (0, 1)]
    for found in maps:
        assert found.shape == (STEPS, SIDE, SIDE)
        assert found.max() == pytest.approx(1.0, abs=0.3)  # in one of the frames
    both = sum(found.sum(0) for found in maps)
    assert both[:16].mean() > both[16:].mean()
    assert np.isfinite(both).all()
    assert all(parameter.grad is None for parameter in network.parameters())
