"""Inspects a checkpoint; the report has the same keys as that of a model file."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgecnn.training.run.checkpoint import load_checkpoint

__all__ = ["CheckpointInspection", "inspect_checkpoint", "multiply_accumulates"]


@dataclass(frozen=True)
class CheckpointInspection:
    """The report of ``edgecnn inspect`` for a checkpoint; field names are the JSON keys."""

    manifest: dict[str, Any]
    sha256: str
    size_bytes: int
    opset: None  # a checkpoint has none
    operators: dict[str, int]  # torch modules by name
    quantized_nodes: tuple[str, ...]
    float_nodes: tuple[str, ...]
    weight_bits: None  # a checkpoint's weights are float
    parameters: int
    macs: int  # of one image


def inspect_checkpoint(path: Path) -> CheckpointInspection:
    """Inspects a checkpoint. Raises as :func:`edgecnn.training.run.checkpoint.load_checkpoint`."""
    checkpoint = load_checkpoint(path)
    network = checkpoint.build()
    leaves = {name: module for name, module in network.named_modules() if not list(module.children())}
    content = path.read_bytes()
    return CheckpointInspection(
        manifest=json.loads(checkpoint.manifest.to_json()),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        opset=None,
        operators=dict(Counter(type(module).__name__ for module in leaves.values())),
        quantized_nodes=(),
        float_nodes=tuple(name for name, module in leaves.items() if isinstance(module, nn.Conv2d | nn.Linear)),
        weight_bits=None,
        parameters=sum(p.numel() for p in network.parameters()),
        macs=multiply_accumulates(network, checkpoint.manifest.input.height, checkpoint.manifest.input.width),
    )


def multiply_accumulates(network: nn.Module, height: int, width: int) -> int:
    """Returns the multiply-accumulates of convolutions and linear layers for one image.

    On torch's ``meta`` device this needs no computation.
    """
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weights = module.weight
        assert isinstance(weights, Tensor)
        total += weights.numel() * (output.numel() // weights.shape[0])  # every weight is used once at every position

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, height, width, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return total
