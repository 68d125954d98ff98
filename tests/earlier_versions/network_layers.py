"""Names and shapes of the layers of the built-in networks: a checkpoint fits a network by them alone."""

from __future__ import annotations

import hashlib
from functools import cache

import torch
from torch import nn

CLASSES = 2


@cache
def digests() -> dict[str, str]:
    """By the name of each built-in network, a hash of the names and shapes of what its checkpoints hold."""
    from edgecnn.training.models.registry import MODELS  # of any version: this file runs on earlier ones too

    with torch.device("meta"):  # shapes without values
        return {name: digest(spec.build(CLASSES, spec.imgsz)) for name, spec in MODELS.items()}


def digest(network: nn.Module) -> str:
    entries = sorted(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in network.state_dict().items())
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()
