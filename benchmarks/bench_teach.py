"""What `edgecnn teach` makes of a few images per class: accuracy on the others, processor time and memory, in draws.

    python benchmarks/bench_teach.py few MODEL.onnx DATA --each 20 [--draws 5] [--held-out 1000] [--python PROGRAM]
    python benchmarks/bench_teach.py added MODEL.onnx DATA --new OTHER --each 40 [--python PROGRAM]

DATA and OTHER have one folder per class. `few` forgets the model's classes and teaches those of DATA. `added` teaches
DATA first (100 images per class), then the classes of OTHER one after another, and tells the accuracy on held-out
images of DATA after each. `teach` and `val` run as programs, on one core; `--python` names the interpreter of an
installation without torch.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.image_folder import scan_folder

_FIRST = 100  # images per class of DATA, before classes are added
_LEAST_HELD_OUT = 50  # images of a class


@dataclass(frozen=True)
class Cost:
    """Of one program."""

    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Drawn:
    """Images of one draw, by class."""

    taught: Mapping[str, Sequence[Path]]
    held_out: Mapping[str, Sequence[Path]]


def main() -> None:
    """Prints one line for each draw, or for each class that was added."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("few", "added"))
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--new", type=Path)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    if given.kind == "added" and given.new is None:
        parser.error("added: --new is missing")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the programs inherit it
    with tempfile.TemporaryDirectory() as name:
        (_few if given.kind == "few" else _added)(given, Path(name))


def _few(given: argparse.Namespace, root: Path) -> None:
    shares = []
    for draw in range(given.draws):
        drawn = _draw(given.data, given.each, given.held_out, given.seed + draw)
        folder = root / str(draw)
        labels, held_out = _link(drawn.taught, folder / "labels"), _link(drawn.held_out, folder / "held-out")
        cost = _teach(given, given.model, labels, folder / "taught.onnx", "--replace")
        shares.append(_top1(given, folder / "taught.onnx", held_out))
        images = sum(map(len, drawn.held_out.values()))
        print(
            f"draw {draw}: {100 * shares[-1]:.2f} % of {images} held-out images; "
            f"{cost.cpu_s:.1f} s of processor time, {cost.peak_mb:.0f} MB",
            flush=True,
        )
    print(f"{given.each} images per class: mean {100 * statistics.mean(shares):.2f} %, least {100 * min(shares):.2f} %")


def _added(given: argparse.Namespace, root: Path) -> None:
    known = _draw(given.data, _FIRST, given.held_out, given.seed)
    held_out = _link(known.held_out, root / "held-out")
    model = root / "first.onnx"
    _teach(given, given.model, _link(known.taught, root / "labels"), model, "--replace")
    first = _top1(given, model, held_out)
    print(f"{', '.join(known.taught)}: {100 * first:.2f} %", flush=True)
    new = _draw(given.new, given.each, 0, given.seed)
    for label, images in new.taught.items():
        before, model = model, root / f"{label}.onnx"
        cost = _teach(given, before, _link({label: images}, root / f"labels-{label}"), model)
        share = _top1(given, model, held_out)
        print(
            f"and {label}, {len(images)} images: {100 * share:.2f} % ({100 * (share - first):+.2f}); "
            f"{cost.cpu_s:.1f} s of processor time, {cost.peak_mb:.0f} MB",
            flush=True,
        )


def _draw(data: Path, each: int, held_out: int, seed: int) -> Drawn:
    """`each` images per class to teach, and up to `held_out` others in all, spread evenly over the classes."""
    chance, found = random.Random(seed), scan_folder(data)
    by_class: dict[str, list[Path]] = {label: [] for label in found.class_names}
    for image in found.images:
        by_class[image.class_name].append(image.path)
    for paths in by_class.values():
        chance.shuffle(paths)
    share = max(held_out // len(by_class), _LEAST_HELD_OUT) if held_out else 0
    return Drawn(
        {label: paths[:each] for label, paths in by_class.items()},
        {label: paths[each : each + share] for label, paths in by_class.items()},
    )


def _link(images: Mapping[str, Sequence[Path]], folder: Path) -> Path:
    """A folder with one folder per class, of links to the images."""
    for label, paths in images.items():
        (folder / label).mkdir(parents=True)
        for number, path in enumerate(paths):
            (folder / label / f"{number}-{path.name}").symlink_to(path.resolve())
    return folder


def _teach(given: argparse.Namespace, model: Path, labels: Path, out: Path, *more: str) -> Cost:
    words = ["teach", str(model), "--data", str(labels), "--out", str(out), "--threads", "1", *more]
    _, cost = _run(given.python, words, out.parent)
    if not out.exists():
        raise SystemExit(f"{model}: teach did not write a model of {labels}")
    return cost


def _top1(given: argparse.Namespace, model: Path, data: Path) -> float:
    printed, _ = _run(given.python, ["val", str(model), "--data", str(data), "--split", "all", "--json"], data.parent)
    return float(json.loads(printed)["top1"])


def _run(python: str, words: Sequence[str], folder: Path) -> tuple[str, Cost]:
    """What a program of this installation prints, and what it cost with its own children."""
    printed = folder / "printed.txt"
    command = [python, "-m", "edgecnn", *words]
    with printed.open("wb") as file:
        process = os.posix_spawnp(
            python, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), sys.stdout.fileno())]
        )
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with status {os.waitstatus_to_exitcode(status)}")
    return printed.read_text(encoding="utf-8"), Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
