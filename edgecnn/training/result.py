"""What a training run reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.data.left_out import Reason
from edgecnn.data.loading import Skipped
from edgecnn.data_quality.finding import Finding
from edgecnn.manifest import UnknownRule
from edgecnn.training.options import BestBy

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
    test_images: int
    val_top1: float
    val_macro_f1: float
    val_ece: float
    best_by: BestBy  # what chose the best epoch
    test_top1: float | None
    seconds: float
    images_per_s: float  # of the epochs: images trained on, forward and backward
    unknown: UnknownRule  # when the model answers unknown
    skipped: tuple[Skipped, ...]
    left_out: Mapping[Reason, int]  # files of the folder that were not tried, by reason
    findings: tuple[Finding, ...]  # of the examination of the images, the worst first
    examples: str = "images"  # what train_images, val_images and test_images count: images or clips
    answers: str = "images"  # what the figures are of: images, clips, or labelled steps of clips
    val_answers: int = 0  # how many of these were validated
