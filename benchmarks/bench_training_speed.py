#!/usr/bin/env python
"""What fine-tuning costs beside the network itself, and what a plain script takes.

Ratios in one process, rounds interleaved.

    python benchmarks/bench_training_speed.py FOLDER [--rounds 5] [--without-plain]

FOLDER holds a folder of photographs a class (the plain script is timed until it first reaches 98 % on the held-out
ones).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from edgecnn.preprocess import read_image
from edgecnn.progress import Progress, Silent
from edgecnn.training import TrainOptions, train
from edgecnn.training.answers.answering import Answering
from edgecnn.training.data.load import Sample, TrainingData, load_training_data
from edgecnn.training.data.loader import TrainingBatch, training_batches
from edgecnn.training.data.soft_labels import TrainingSet, make_training_set
from edgecnn.training.layers import depthwise
from edgecnn.training.layers.inverted_residual import ConvNorm
from edgecnn.training.learner import Learner
from edgecnn.training.optim.linear_probe import LabelledFeatures, compute_features, fit_head
from edgecnn.training.optim.malloc import kept_memory
from edgecnn.training.setup import Setup, build_network, resolve_options

BATCH, STEPS, GOAL = 32, 12, 0.98
_PATIENCE = 6  # times as long as ours, after which the plain script is stopped


def main() -> None:
    """Prints one table a question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="time torch.compile too (minutes of compiling)")
    parser.add_argument("--without-plain", action="store_true", help="leave the plain script out: it takes the longest")
    parser.add_argument("--plain-alone", action="store_true", help="time the plain script and `edgecnn train` alone")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    setup = resolve_options(TrainOptions(data=asked.data, device="cpu"))
    data = load_training_data(asked.data, 0.2, 0.0, 0, Silent())
    images = _images(data, setup)
    console = Console(width=100)
    if asked.plain_alone:
        console.print(_time_to_goal(asked.data, data, setup))
        return
    with kept_memory():  # as train does
        console.print(_loader(setup, data, images, asked.rounds))
        console.print(_head(setup, data, images))
        console.print(_arithmetic(setup, data, images, asked.rounds, compiled=asked.compile))
    if not asked.without_plain:
        console.print(_time_to_goal(asked.data, data, setup))


def _images(data: TrainingData, setup: Setup) -> TrainingSet:
    side = round(setup.imgsz * setup.augmentation.margin)
    pixels = np.stack(
        [cv2.resize(read_image(s.path), (side, side), interpolation=cv2.INTER_AREA) for s in data.of("train")]
    )
    return make_training_set(pixels, data, "none", None)


def _learner(setup: Setup, data: TrainingData) -> Learner:
    torch.manual_seed(0)
    network = build_network(setup, data.labels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = Learner(network, setup, 0)
    learner.begin()
    return learner


def _loader(setup: Setup, data: TrainingData, images: TrainingSet, rounds: int) -> Table:
    """Steps fed by the loader against the same steps fed from memory."""
    learner = _learner(setup, data)

    def loaded() -> Iterator[TrainingBatch]:
        for _, batch in zip(
            range(STEPS), training_batches(images, setup.imgsz, BATCH, setup.augmentation, 0, 0), strict=False
        ):
            yield batch

    held = list(loaded())
    _steps(learner, held)  # warm
    seconds: dict[str, list[float]] = {"loader": [], "memory": []}
    for _ in range(rounds):
        seconds["loader"].append(_steps(learner, loaded()))
        seconds["memory"].append(_steps(learner, held))
    table = Table("batches from", "images/s, median", title=f"fine-tuning, {STEPS} steps of {BATCH}, {rounds} rounds")
    for name, found in seconds.items():
        table.add_row(name, f"{STEPS * BATCH / statistics.median(found):.1f}")
    ratios = [m / n for n, m in zip(seconds["loader"], seconds["memory"], strict=True)]
    table.add_row(
        "ratio, median of neighbours", f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    return table


def _steps(learner: Learner, batches: Iterator[TrainingBatch] | Sequence[TrainingBatch]) -> float:
    start = time.perf_counter()
    for at, batch in enumerate(batches):
        learner.step(batch, at, 1000)
    return time.perf_counter() - start


def _head(setup: Setup, data: TrainingData, images: TrainingSet) -> Table:
    """The classifier on cached features against fine-tuning, in images through training a second."""
    network = build_network(setup, data.labels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = time.perf_counter()
    batches = training_batches(images, setup.imgsz, BATCH, replace(setup.augmentation, mixup=0.0), 0, 0)
    features = compute_features(Answering(network, mixed=True), setup.normalization, batches, len(images), _silent())
    cached_s = time.perf_counter() - start
    start = time.perf_counter()
    fit_head(features, _part(features, 200), _silent())
    fitted_s = time.perf_counter() - start
    learner = _learner(setup, data)
    held = [
        b
        for _, b in zip(range(4), training_batches(images, setup.imgsz, BATCH, setup.augmentation, 0, 0), strict=False)
    ]
    _steps(learner, held)
    epoch_s = _steps(learner, held) / (4 * BATCH) * len(images)
    table = Table(
        "stage", "seconds", f"against an epoch of fine-tuning ({len(images)} images)", title="the classifier first"
    )
    table.add_row("an epoch of fine-tuning", f"{epoch_s:.1f}", "1")
    table.add_row("features, one view", f"{cached_s:.1f}", f"{epoch_s / cached_s:.1f}x faster")
    table.add_row("fitting to convergence, four penalties", f"{fitted_s:.2f}", f"{epoch_s / fitted_s:.1f}x faster")
    return table


def _part(found: LabelledFeatures, count: int) -> LabelledFeatures:
    return LabelledFeatures(found.features[:count], found.targets[:count], found.weights[:count], found.indices[:count])


def _silent() -> Progress:
    return Silent().stage("")


def _arithmetic(setup: Setup, data: TrainingData, images: TrainingSet, rounds: int, *, compiled: bool) -> Table:
    """Number formats, memory layouts, gradients and torch.compile, each against float32 with channels first and torch's
    gradients."""
    held = [
        b
        for _, b in zip(range(2), training_batches(images, setup.imgsz, BATCH, setup.augmentation, 0, 0), strict=False)
    ]
    kinds = {
        "float32, channels first, all torch's": _Kind(stock=True),
        "float32, channels last, all torch's": _Kind(last=True, stock=True),
        "float32, channels last": _Kind(last=True),
        "bfloat16, channels last, all torch's": _Kind(mixed=True, last=True, stock=True),
        "bfloat16, channels last": _Kind(mixed=True, last=True),
    }
    if compiled:
        kinds |= {
            "float32, channels last, compiled": _Kind(last=True, compiled=True),
            "bfloat16, channels last, compiled": _Kind(mixed=True, last=True, compiled=True),
        }
    learners = {}
    first_s = {}
    for name, kind in kinds.items():
        changed = replace(setup, recipe=replace(setup.recipe, mixed_precision=kind.mixed), compiled=kind.compiled)
        layout = torch.channels_last if kind.last else torch.contiguous_format
        learners[name] = Learner(build_network(changed, data.labels).to(memory_format=layout), changed, 0)  # type: ignore[call-overload]
        learners[name].begin()
        with _gradients(stock=kind.stock):
            first_s[name] = _steps(learners[name], held)
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, learner in learners.items():
            with _gradients(stock=kinds[name].stock):
                seconds[name].append(_steps(learner, held))
    base = statistics.median(seconds["float32, channels first, all torch's"])
    table = Table(
        "arithmetic",
        "ms an image, median",
        "speed",
        "first steps, s",
        title=f"training step, batch {BATCH}, {rounds} rounds",
    )
    for name, found in seconds.items():
        median = statistics.median(found)
        table.add_row(name, f"{median / (2 * BATCH) * 1e3:.1f}", f"{base / median:.2f}x", f"{first_s[name]:.0f}")
    return table


@dataclass(frozen=True)
class _Kind:
    mixed: bool = False
    last: bool = False
    compiled: bool = False
    stock: bool = False


@contextmanager
def _gradients(*, stock: bool) -> Iterator[None]:
    """With ``stock``, torch's own gradients and batch-norm on its own, as any other script has them."""
    with ExitStack() as stack:
        if stock:
            stack.enter_context(patch.object(depthwise, "_falls_back", lambda *_: False))
            stack.enter_context(patch.object(ConvNorm, "forward", nn.Sequential.forward))
        yield


@dataclass(frozen=True)
class _Reached:
    seconds: float
    top1: float
    epochs: int


def _time_to_goal(root: Path, data: TrainingData, setup: Setup) -> Table:
    """From the start of the program's work to the first checkpoint with 98 % of the same held-out images right."""
    ours = _our_time(root)
    print(f"edgecnn train: {ours.top1:.4f} after {ours.seconds:.0f} s, {ours.epochs} epochs", flush=True)
    plain = _plain_time(data, setup, most_s=_PATIENCE * ours.seconds)
    table = Table("", "seconds", "top-1", "epochs", title=f"to {GOAL:.0%} on {len(data.of('val'))} held-out images")
    for name, found in (("edgecnn train", ours), ("plain script", plain)):
        table.add_row(name, f"{found.seconds:.0f}", f"{found.top1:.4f}", str(found.epochs))
    reached = "" if plain.top1 >= GOAL else "more than "
    table.add_row("ratio", f"{reached}{plain.seconds / ours.seconds:.1f}x sooner", "", "")
    return table


def _our_time(root: Path) -> _Reached:
    """The shortest run that reaches the goal, end to end: reading, caching, training, calibration, report."""
    for epochs in range(10):
        with tempfile.TemporaryDirectory() as work:
            start = time.perf_counter()
            result = train(TrainOptions(data=root, out=Path(work) / "run", epochs=epochs, device="cpu"))
            seconds = time.perf_counter() - start
        if result.val_top1 >= GOAL:
            return _Reached(seconds, result.val_top1, epochs)
    raise SystemExit("the goal was never reached")


class _Photographs(Dataset[tuple[Tensor, int]]):
    """As tutorials write it: decode, augment and normalise each image each time."""

    def __init__(self, samples: Sequence[Sample], setup: Setup, *, training: bool) -> None:
        self._samples, self._setup, self._training = samples, setup, training

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample, side = self._samples[index], self._setup.imgsz
        image = read_image(sample.path)
        if self._training:
            image = _random_crop(image)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if self._training and np.random.random() < 0.5:  # noqa: NPY002  # as the tutorial
            image = image[:, ::-1]
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float()
        rule = self._setup.normalization
        return (tensor - rule.zero_point) / rule.scale, sample.label


def _random_crop(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    part = np.random.uniform(0.08, 1.0) ** 0.5  # noqa: NPY002
    tall, wide = max(1, int(height * part)), max(1, int(width * part))
    top, left = np.random.randint(height - tall + 1), np.random.randint(width - wide + 1)  # noqa: NPY002
    return image[top : top + tall, left : left + wide]


def _plain_time(data: TrainingData, setup: Setup, most_s: float) -> _Reached:
    """The PyTorch transfer-learning tutorial's recipe on the same network.

    SGD 0.001, momentum 0.9, a tenth every 7 epochs, everything trained.
    """
    start = time.perf_counter()
    torch.manual_seed(0)
    network = build_network(replace(setup, recipe=replace(setup.recipe, dropout=None)), data.labels)
    batches = DataLoader(
        _Photographs(data.of("train"), setup, training=True), batch_size=BATCH, shuffle=True, num_workers=2
    )
    held_out = DataLoader(_Photographs(data.of("val"), setup, training=False), batch_size=BATCH, num_workers=2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    criterion = nn.CrossEntropyLoss()
    for epoch in count():
        network.train()
        for images, labels in batches:
            optimizer.zero_grad()
            criterion(network(images), labels).backward()
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            right = sum(int((network(images).argmax(1) == labels).sum()) for images, labels in held_out)
        top1 = right / len(data.of("val"))
        print(f"plain script, epoch {epoch + 1}: {top1:.4f} after {time.perf_counter() - start:.0f} s", flush=True)
        if top1 >= GOAL or time.perf_counter() - start > most_s:
            break
    return _Reached(time.perf_counter() - start, top1, epoch + 1)


if __name__ == "__main__":
    main()
