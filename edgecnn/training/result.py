"""What a training run reports."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.data.loading import Skipped

__all__ = ["TrainResult"]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What ``edgecnn train`` reports; keys as in the contract."""

    run_dir: str
    best_checkpoint: str
    last_checkpoint: str
    model: str
    parameters: int  # trained ones: running statistics not counted
    labels: tuple[str, ...]
    epochs: int
    train_images: int
    val_images: int
    val_top1: float
    val_macro_f1: float
    val_ece: float
    test_top1: float | None
    seconds: float
    images_per_s: float  # of the epochs: images trained on, forward and backward
    skipped: tuple[Skipped, ...]
