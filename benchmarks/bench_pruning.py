#!/usr/bin/env python
"""What pruning costs and gains: accuracy at several shares, and processor time of the quantized files.

    edgecnn train cats-dogs --imgsz 160 --out runs/full
    python benchmarks/bench_pruning.py cats-dogs runs/full/weights/best.pt --out runs/pruning

Each share is pruned from the checkpoint, at its image size, without and with fine-tuning (`--epochs 0`: only without).
Images that the checkpoint held out stay held out. Then the pruned networks are exported and quantized for each of
`--sides`, and the int8 files classify images in turn, with one thread. Processor time counts, of which other programs
take little: the lower quartile. What is in `--out` already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table

from edgecnn.manifest import InputSpec
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.system.cpu_features import cpu_name
from edgecnn.training import TrainOptions, train
from edgecnn.training.inspect_checkpoint import inspect_checkpoint
from edgecnn.training.run.checkpoint import load_checkpoint, save_checkpoint
from exporters import ExportOptions, QuantizeOptions, export_onnx, quantize

WARM_UP = 2
OPEN_GATES = QuantizeOptions(method="minmax", samples=8, max_drop=1.0, min_speedup=0.0)  # accuracy is measured in float


@dataclass(eq=False)
class Timed:
    """A quantized file, and how long one image took it in each round."""

    share: float
    side: int
    file: Path
    times_ms: list[float] = field(default_factory=list)

    @property
    def took_ms(self) -> float:
        """The lower quartile: what disturbs only adds time."""
        return float(np.percentile(self.times_ms, 25))


def main() -> None:
    """Prints both tables."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    print(f"{cpu_name()}, onnxruntime {onnxruntime.__version__}")
    checkpoints = {1.0: asked.checkpoint} | {share: _pruned(asked, share, epochs=0) for share in asked.shares}
    _print_accuracy(asked, checkpoints)
    if asked.sides:
        timed = [
            Timed(share, side, _quantized(checkpoint, side, share, asked.out))
            for share, checkpoint in checkpoints.items()
            for side in asked.sides
        ]
        _time_in_turn(timed, asked.rounds)
        _print_times(timed, asked.sides)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path, help="of the network before it is pruned")
    parser.add_argument("--out", type=Path, required=True, help="where runs and files are kept")
    parser.add_argument("--shares", type=float, nargs="+", default=(0.7, 0.6, 0.5, 0.4))
    parser.add_argument("--tuned", type=float, nargs="*", help="shares to fine-tune; default: all")
    parser.add_argument("--epochs", type=int, help="of fine-tuning; default: the recipe's")
    parser.add_argument("--lr", type=float, help="of fine-tuning; default: the recipe's")
    parser.add_argument("--sides", type=int, nargs="*", default=(224, 160, 128), help="pixels, of the timed files")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1, help="of pruning and training")
    return parser.parse_args()


def _pruned(asked: argparse.Namespace, share: float, epochs: int | None) -> Path:
    """The checkpoint of a run with ``--prune``; the recipe's epochs for None."""
    run = asked.out / f"{share:g}-{'tuned' if epochs is None else epochs}"
    if not (run / "summary.json").exists():
        before = load_checkpoint(asked.checkpoint)
        options = TrainOptions(
            data=asked.data,
            out=run,
            model=before.model,
            weights=str(asked.checkpoint),
            imgsz=before.manifest.input.height,
            prune=share,
            epochs=epochs,
            lr=asked.lr if epochs != 0 else None,
            device="cpu",
            force=True,
        )
        train(options)
    return run / "weights" / "best.pt"


def _print_accuracy(asked: argparse.Namespace, checkpoints: dict[float, Path]) -> None:
    full = inspect_checkpoint(asked.checkpoint).macs
    table = Table("share", "multiply-accumulates", "parameters", "fine-tuned", "held-out images", "top-1", "NLL")
    for share, checkpoint in checkpoints.items():
        found = inspect_checkpoint(checkpoint)
        kept = [f"{share:g}", f"{found.macs / full:.0%}", f"{found.parameters:,}"]
        table.add_row(*kept, "no", *_held_out(checkpoint))
        if share < 1 and asked.epochs != 0 and (asked.tuned is None or share in asked.tuned):
            table.add_row("", "", "", "yes", *_held_out(_pruned(asked, share, asked.epochs)))
    Console(width=100).print(table)


def _held_out(checkpoint: Path) -> tuple[str, str, str]:
    """What the run of a checkpoint wrote of its validation images."""
    found = json.loads((checkpoint.parents[1] / "summary.json").read_text(encoding="utf-8"))["val"]
    return str(found["images"]), f"{found['top1']:.4f}", f"{found['nll']:.4f}"


def _quantized(checkpoint: Path, side: int, share: float, folder: Path) -> Path:
    """The int8 file at another image size; the weights of a network without hidden dense layers fit all sizes."""
    target = folder / f"{share:g}-{side}.int8.onnx"
    if target.exists():
        return target
    found = load_checkpoint(checkpoint)
    resized = replace(found, manifest=found.manifest.replace(input=InputSpec(side, side)))
    with tempfile.TemporaryDirectory() as temporary:
        plain, saved = Path(temporary) / "model.onnx", Path(temporary) / "resized.pt"
        save_checkpoint(saved, resized)
        export_onnx(saved, plain, ExportOptions(golden="none"))
        images = _noise(Path(temporary) / "images", found.manifest.labels, side)
        made = quantize(plain, images, target, OPEN_GATES)
    if made.decision != "int8":
        raise SystemExit(f"{target}: {made.decision}, {made.reason}")
    return target


def _noise(folder: Path, labels: Sequence[str], side: int) -> Path:
    """A few images: the ranges of int8 do not change its speed."""
    random = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for i in range(8):
            cv2.imwrite(str(folder / label / f"{i}.png"), random.integers(0, 256, (side, side, 3), np.uint8))
    return folder


def _time_in_turn(timed: Sequence[Timed], rounds: int) -> None:
    """All files are open at once and take turns, in another order each round."""
    random = np.random.default_rng(0)
    sessions = {each: open_session(each.file, "cpu", options=RunOptions(threads=1)) for each in timed}
    images = {each: random.integers(0, 256, (1, each.side, each.side, 3), np.uint8) for each in timed}
    for round_ in range(-WARM_UP, rounds):
        for place in random.permutation(len(timed)):
            each = timed[place]
            sessions[each].probabilities(images[each])  # its weights enter the cache
            begun = time.process_time()
            sessions[each].probabilities(images[each])
            if round_ >= 0:
                each.times_ms.append((time.process_time() - begun) * 1e3)


def _print_times(timed: Sequence[Timed], sides: Sequence[int]) -> None:
    """Milliseconds, and how much faster than the full network at the first size, and at the same size."""
    took = {(each.share, each.side): each.took_ms for each in timed}
    table = Table("share", *(f"{side} pixels" for side in sides))
    for share in dict.fromkeys(each.share for each in timed):
        cells = []
        for side in sides:
            ms = took[share, side]
            cells.append(f"{ms:.2f} ms, {took[1.0, sides[0]] / ms:.2f}x, of its size {took[1.0, side] / ms:.2f}x")
        table.add_row(f"{share:g}", *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
