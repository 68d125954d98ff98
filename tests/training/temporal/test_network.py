"""The recurrent network has no weights that nothing uses, whichever CNN it is on."""

from __future__ import annotations

import pytest
import torch

from edgecnn.training.models.registry import MODELS
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape

SIDE = 64


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("efficientnet_lite1", "efficientnet_lite2")])
def test_every_weight_learns(name: str) -> None:
    torch.manual_seed(0)
    backbone = MODELS[name].build(3, SIDE)
    network = ClipClassifier(backbone, embedding_shape(backbone, (SIDE, SIDE)), "gru", 3).train()
    embeddings = network.embed(torch.randn(6, 3, SIDE, SIDE)).reshape(2, 3, -1)
    network.at_every_step(embeddings).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
