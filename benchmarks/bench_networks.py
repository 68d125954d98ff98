#!/usr/bin/env python
"""What int8 does to each network.

Trains it on images for some minutes, exports it, quantizes it, and prints the decision and its reason.

python benchmarks/bench_networks.py DATA [--minutes 3] [--networks mobilenetv2 mobilenetv3_small resnet8 threeconv]
[--imgsz 96] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from edgecnn.cli.output import reporting
from edgecnn.training import TrainOptions, train
from exporters import QuantizeOptions, QuantizeResult, export_onnx, quantize

_NETWORKS = ("mobilenetv2", "mobilenetv3_small", "resnet8", "threeconv")
_OWN_SIZE = ("resnet8",)  # made for images of one size; the others take --imgsz


def main() -> None:
    """Prints a row a network."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    table = Table(
        "network",
        "pixels",
        "top-1 float",
        "int8",
        "lost, 95 %",
        "agreement",
        "KL",
        "float ms",
        "int8 ms",
        "speed",
        "decision",
    )
    reasons = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        for name in asked.networks:
            imgsz = None if name in _OWN_SIZE else asked.imgsz
            result, pixels = _quantized(name, imgsz, asked, folder / name)
            for attempt in result.attempts:
                table.add_row(
                    name if attempt is result.attempts[0] else f"  {len(attempt.float_blocks)} blocks in float",
                    str(pixels),
                    f"{attempt.float_.top1:.4f}",
                    f"{attempt.quantized.top1:.4f}",
                    f"{attempt.top1_drop:+.4f} ± {attempt.interval:.4f}",
                    f"{attempt.agreement:.4f}",
                    f"{attempt.kl:.2g}",
                    f"{attempt.float_.latency_ms:.2f}",
                    f"{attempt.quantized.latency_ms:.2f}",
                    f"{attempt.speedup:.2f}x",
                    result.decision if attempt is result.attempts[-1] else "",
                )
            reasons.append(f"{name}: {result.reason}")
    Console(width=150).print(table)
    print("\n".join(reasons))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, a network")
    parser.add_argument("--networks", nargs="+", default=_NETWORKS)
    parser.add_argument("--imgsz", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="where runs and files are kept")
    return parser.parse_args()


def _quantized(name: str, imgsz: int | None, asked: argparse.Namespace, folder: Path) -> tuple[QuantizeResult, int]:
    with reporting() as reporter:
        options = TrainOptions(
            data=asked.data,
            out=folder / "run",
            model=name,
            weights="none",
            imgsz=imgsz,
            time_budget_min=asked.minutes,
            device="cpu",
        )
        trained = train(options, reporter)
        exported = export_onnx(trained.best_checkpoint, folder / "model.onnx", None, reporter)
        shape = exported.inputs[0].shape
        return quantize(exported.file, asked.data, folder / "model.int8.onnx", QuantizeOptions(), reporter), int(
            shape[1]
        )


if __name__ == "__main__":
    main()
