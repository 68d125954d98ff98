#!/usr/bin/env python
"""What `edgecnn train` spends until its first training step: processor time of all its processes, and seconds.

    python benchmarks/bench_train_start.py FOLDER [--before TREE] [--rounds 5]

FOLDER is a folder of images. TREE is a checkout of another version, run in turn with this one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parents[1]
# The first step ends the process
_CHILD = """
import json, os, resource, runpy, sys, time
start = time.monotonic()
from edgecnn.training.learner import Learner
def stop(*_):
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(u.ru_utime + u.ru_stime for u in used)
    line = json.dumps({"cpu_s": cpu_s, "wall_s": time.monotonic() - start, "memory_mb": used[0].ru_maxrss / 1024})
    os.write(1, line.encode())
    os._exit(0)
Learner.step = stop
sys.argv = ["edgecnn", *sys.argv[1:]]
runpy.run_module("edgecnn", run_name="__main__")
"""


@dataclass(frozen=True)
class Start:
    """One start of a run."""

    cpu_s: float
    wall_s: float
    memory_mb: float  # resident, at most


def main() -> None:
    """Prints the medians of each tree, and of the ratios of neighbouring runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    trees = {"before": asked.before.absolute()} if asked.before else {}
    trees["this"] = HERE
    found: dict[str, list[Start]] = {name: [] for name in trees}
    for _ in range(asked.rounds):
        for name, tree in trees.items():
            found[name].append(start(tree, asked.data.absolute()))
    table = Table("tree", "CPU s", "wall s", "memory MB", title=f"until the first step, medians of {asked.rounds}")
    for name, starts in found.items():
        figures = [statistics.median(getattr(s, key) for s in starts) for key in ("cpu_s", "wall_s", "memory_mb")]
        table.add_row(name, f"{figures[0]:.2f}", f"{figures[1]:.2f}", f"{figures[2]:.0f}")
    if asked.before:
        ratios = [b.cpu_s / a.cpu_s for a, b in zip(found["before"], found["this"], strict=True)]
        table.add_row("ratio", f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", "", "")
    Console(width=100).print(table)


def start(tree: Path, data: Path) -> Start:
    """Begins a run by the code of ``tree``."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", data, "--out", Path(folder, "run"), "--weights", "none", "--device", "cpu"]
        said = subprocess.run(
            [sys.executable, "-c", _CHILD, *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(tree)},
            cwd=folder,
            capture_output=True,
            check=True,
        ).stdout
    return Start(**json.loads(said))


if __name__ == "__main__":
    main()
