"""What a training run is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecnn.data.loading import Skipped

__all__ = ["TrainOptions", "TrainResult"]


@dataclass(frozen=True)
class TrainOptions:
    """Options of ``edgecnn train``; None: the recipe's or the model's own value."""

    data: Path
    out: Path | None = None  # None: the next free runs/train/N
    model: str | None = None  # a built-in network; None: the preset's, else efficientnet_lite0
    preset: str | None = None  # None: `transfer` with pretrained weights, else `scratch`
    weights: str = "auto"  # `auto`, `none`, or a checkpoint
    epochs: int | None = None
    imgsz: int | None = None  # pixels, a multiple of nothing in particular
    batch: int = 32
    lr: float | None = None
    layer_decay: float | None = (
        None  # each part's learning rate, as a share of that of the next one from the image on; 1: all learn alike
    )
    augment: str | None = None
    flip: bool = True  # False where left and right, up and down carry meaning, whatever the augmentation
    balance: Literal["none", "weights", "sampling"] = "none"
    soft_labels: Path | None = None  # a CSV, path,label,probability
    teacher: Path | None = None  # a checkpoint to learn from
    qat: Path | None = (
        None  # a checkpoint to go on from as if in eight bits; it says which network, and how images are prepared
    )
    val_split: float = 0.2  # fraction
    test_split: float = 0.0  # fraction
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | None = None
    time_budget_min: float | None = None
    patience: int | None = None  # epochs without a better one, after which the run ends
    find_lr: bool = False  # try learning rates first
    precision: Literal["auto", "fp32"] = "auto"  # auto: bfloat16 where the device computes in it
    compile: bool = False
    tensorboard: bool = False
    resume: bool = False
    force: bool = False  # replace an earlier run in `out`


@dataclass(frozen=True)
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
