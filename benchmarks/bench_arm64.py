"""Does an ARM processor, as qemu emulates it, answer as x86 does? `scripts/test_arm64` calls the four commands in turn.

    python benchmarks/bench_arm64.py prepare FOLDER [--images 50] [--data DIR] [--float MODEL.onnx]
    python benchmarks/bench_arm64.py cpuinfo cortex-a76
    python benchmarks/bench_arm64.py answer FOLDER --out ANSWERS.json          (on each machine)
    python benchmarks/bench_arm64.py compare X86.json OTHER.json [OTHER.json ...]

`prepare` makes EfficientNet-Lite0 with its ImageNet weights in float and in the int8 forms for x86 and for arm64, and a
list of images. `answer` opens each file as a device does (trial run, golden samples) and classifies the images one by
one. It imports neither torch nor onnx. `compare` prints a table, and ends with 1 where golden samples fail, or where a
probability differs by more than the golden samples' tolerance.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edgecnn.data.dataset import find_images
from edgecnn.demo.solar_cells import write_solar_cells
from edgecnn.evaluation.metrics import mean_kl
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.system.cpu_features import cpu_name, has_fast_int8

FORMS = {"float": "float.onnx", "int8 for x86": "int8.onnx", "int8 for arm64": "int8.arm64.onnx"}

# What Linux says of these processors: part, variant and revision; the A76 has dot products (asimddp) and half precision
_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_CORES = {
    "cortex-a53": ("0xd03", "0x0", "4", _BASE),
    "cortex-a76": ("0xd0b", "0x4", "1", f"{_BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    asked = commands.add_parser("prepare")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--images", type=int, default=50)
    asked.add_argument("--data", type=Path, help="images; default: the demo's solar cells")
    asked.add_argument("--float", type=Path, help="a float file of the network, instead of exporting it")
    asked = commands.add_parser("cpuinfo")
    asked.add_argument("core", choices=_CORES)
    asked = commands.add_parser("answer")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--out", type=Path, required=True)
    asked = commands.add_parser("compare")
    asked.add_argument("x86", type=Path)
    asked.add_argument("others", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(options.folder, options.images, options.data, options.float)
    elif options.command == "cpuinfo":
        print(cpuinfo(options.core), end="")
    elif options.command == "answer":
        answer(options.folder, options.out)
    else:
        return compare(options.x86, options.others)
    return 0


def prepare(folder: Path, count: int, data: Path | None, float_file: Path | None) -> None:
    """Makes the files that are not there yet, and writes the list of images."""
    # Not at the top: the emulated machine has no torch
    from exporters import ExportOptions, QuantizeOptions, export_onnx, quantize_for  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = folder / "solar-cells"
        if not data.exists():
            with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                write_solar_cells(Path(unfinished, "images"))
                Path(unfinished, "images").rename(data)
    images = sorted(find_images(data))
    chosen = [images[i] for i in np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]
    (folder / "images.json").write_text(json.dumps([str(path.resolve()) for path in chosen]))
    float_to, x86, arm64 = (folder / name for name in FORMS.values())
    if float_file is not None:
        float_to.write_bytes(float_file.read_bytes())
    elif not float_to.exists():
        export_onnx("efficientnet_lite0", float_to, ExportOptions(weights="imagenet"))
    if not (x86.exists() and arm64.exists()):
        # Neither accuracy nor speed decides here: int8 is what shall be compared
        gates_off = QuantizeOptions(method="minmax", samples=100, max_drop=1.0, min_speedup=0.0)
        with tempfile.TemporaryDirectory(dir=folder) as unlabelled:
            # Side by side: a folder that is no class of the network is an error
            for number, path in enumerate(images):
                Path(unlabelled, f"{number:05}{path.suffix}").symlink_to(path.resolve())
            quantize_for(float_to, Path(unlabelled), {"x86": x86, "arm64": arm64}, gates_off)


def cpuinfo(core: str) -> str:
    """/proc/cpuinfo of a machine with these cores. onnxruntime and EdgeCNN read it, and qemu shows that of x86."""
    part, variant, revision, features = _CORES[core]
    lines = {
        "BogoMIPS": "108.00",
        "Features": features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": variant,
        "CPU part": part,
        "CPU revision": revision,
    }
    each = "".join(f"{name}\t: {value}\n" for name, value in lines.items())
    return "".join(f"processor\t: {number}\n{each}\n" for number in range(os.cpu_count() or 1))


def answer(folder: Path, out: Path) -> None:
    """Opens the files, replays their golden samples and classifies the images; writes what came out."""
    images = json.loads((folder / "images.json").read_text())
    found: dict[str, Any] = {"machine": cpu_name(), "int8_products": has_fast_int8(), "forms": {}}
    for form, name in FORMS.items():
        print(f"{found['machine']}, {form}:", file=sys.stderr)
        found["forms"][form] = _answers(folder / name, images)
        out.write_text(json.dumps(found))


def _answers(model: Path, images: list[str]) -> dict[str, Any]:
    begun = time.monotonic()
    classifier = Classifier(model, ep="cpu")
    opened_s = time.monotonic() - begun
    golden = classifier.session.description.golden()
    assert golden is not None
    replayed = replay(classifier.session, golden)
    print(
        f"  opened in {opened_s:.1f} s; {replayed.samples} golden samples, off by {replayed.max_abs_diff:.2g}",
        file=sys.stderr,
    )
    begun = time.monotonic()
    probabilities = []
    for number, path in enumerate(images, 1):
        probabilities.append(classifier.answer([read_frame(path, number)])[0].probabilities.tolist())
        if number % 10 == 0 or number == len(images):
            print(f"  {number} of {len(images)} images in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return {
        "opened_s": opened_s,
        "image_s": (time.monotonic() - begun) / len(images),
        "golden_passed": replayed.passed,
        "golden_diff": replayed.max_abs_diff,
        "tolerance": replayed.tolerance,
        "probabilities": probabilities,
    }


def compare(x86_file: Path, files: list[Path]) -> int:
    """Prints the table. Returns 1 where golden samples fail or a probability differs too much."""
    x86 = json.loads(x86_file.read_text())["forms"]
    columns = (
        "machine",
        "form",
        "golden samples",
        "same answer",
        "KL, nats",
        "largest difference",
        "opened",
        "an image",
    )
    table, wrong = Table(*columns), 0
    for file in files:
        machine = json.loads(file.read_text())
        for form, here in machine["forms"].items():
            found, expected = (np.array(each["probabilities"]) for each in (here, x86[form]))
            same = int((found.argmax(1) == expected.argmax(1)).sum())
            differs = float(np.abs(found - expected).max())
            good = here["golden_passed"] and differs <= here["tolerance"]  # a NaN is not
            wrong += not good
            table.add_row(
                f"{file.stem}, {'with' if machine['int8_products'] else 'without'} dot product",
                form,
                f"{'pass' if here['golden_passed'] else 'FAIL'}, off by {here['golden_diff']:.2g}",
                f"{same} of {len(found)}",
                f"{mean_kl(expected, found):.2g}",
                f"{differs:.2g}{'' if good else ' FAIL'} (allowed {here['tolerance']:g})",
                f"{here['opened_s']:.1f} s",
                f"{here['image_s']:.1f} s",
            )
    Console(width=150).print(table)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
