"""How good the weights are on the validation images, while a run goes on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.evaluation.metrics import Metrics, compute_metrics
from edgecnn.manifest import Manifest
from edgecnn.training.data.prepared import PreparedData
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["validate"]


def validate(network: ImageClassifier, manifest: Manifest, prepared: PreparedData) -> Metrics | None:
    """Metrics on the validation images, in 32-bit floats; the same in every process.

    None where the network answers with NaN or infinity.
    """
    p = torch.from_numpy(_logits(TorchBackend(network, manifest), prepared)).softmax(1).numpy()
    if not np.isfinite(p).all():
        return None
    return compute_metrics(p, prepared.truth("val").tolist(), prepared.data.labels)


def _logits(backend: TorchBackend, prepared: PreparedData) -> NDArray[np.float32]:
    """``[N, C]``; each process answers its part, and all get the whole."""
    mine, rows = prepared.own_places("val"), prepared.rows("val")
    features = prepared.features.of(backend.network, [rows[i] for i in mine], backend.features)
    parts = prepared.world.gather((mine, backend.logits_of(features)))
    order = np.concatenate([places for places, _ in parts]).argsort()
    return np.concatenate([logits for _, logits in parts])[order]
