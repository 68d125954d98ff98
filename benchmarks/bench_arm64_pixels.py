"""Which interpolations give the same pixels on ARM64, as qemu emulates it, and on x86? `scripts/test_arm64` calls both.

    python benchmarks/bench_arm64_pixels.py make FOLDER --out PIXELS.npz      (on each machine)
    python benchmarks/bench_arm64_pixels.py compare FOLDER X86.npz ARM.npz

FOLDER is that of bench_arm64.py: its list of images and its float file. `make` brings each image to the model's size by
each interpolation. `compare` counts the bytes that differ, and answers both machines' pixels on this one. It ends with
1 where pixels differ that are promised to be the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from edgecnn.manifest import Interpolation
from edgecnn.preprocess import preprocess
from edgecnn.runtime.classifier import Classifier

SAME_EVERYWHERE = ("linear", "nearest", "antialias", "antialias-cubic")  # docs/adopt.md says so


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    asked = commands.add_parser("make")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    asked = commands.add_parser("compare")
    asked.add_argument("folder", type=Path)
    asked.add_argument("x86", type=Path)
    asked.add_argument("arm", type=Path)
    options = parser.parse_args()
    if options.command == "make":
        make(options.folder, options.out)
        return 0
    return compare(options.folder, options.x86, options.arm)


def make(folder: Path, out: Path) -> None:
    """Writes uint8 ``[images, H, W, 3]`` for each interpolation."""
    images = json.loads((folder / "images.json").read_text())
    manifest = Classifier(folder / "float.onnx", ep="cpu").session.manifest
    made = {}
    for kind in get_args(Interpolation):
        spec = replace(manifest.preprocess, interpolation=kind)
        made[kind] = np.stack([preprocess(path, manifest.input, spec) for path in images])
    np.savez(out, **made)


def compare(folder: Path, x86_file: Path, arm_file: Path) -> int:
    """Prints the table. Returns 1 where promised pixels differ."""
    x86, arm = np.load(x86_file), np.load(arm_file)
    session = Classifier(folder / "float.onnx", ep="cpu").session
    table = Table(
        "interpolation", "bytes that differ", "by at most", "same answer", "largest difference of a probability"
    )
    wrong = []
    for kind in get_args(Interpolation):
        apart = np.abs(x86[kind].astype(np.int16) - arm[kind])
        expected, found = (
            np.concatenate([session.probabilities(image[np.newaxis]) for image in pixels[kind]])
            for pixels in (x86, arm)
        )
        same = int((found.argmax(1) == expected.argmax(1)).sum())
        share, largest = f"{np.count_nonzero(apart) / apart.size:.2g}", f"{np.abs(found - expected).max():.2g}"
        table.add_row(kind, share, str(apart.max()), f"{same} of {len(found)}", largest)
        if kind in SAME_EVERYWHERE and apart.any():
            wrong.append(kind)
    Console(width=120).print(table)
    if wrong:
        print(f"bench_arm64_pixels: pixels by {', '.join(wrong)} are promised to be the same", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
