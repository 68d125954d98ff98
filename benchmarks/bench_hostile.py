"""Tries hostile images and settings files by the thousand, and counts what crashed, hung, raised or took too much.

    python benchmarks/bench_hostile.py images --count 2000
    python benchmarks/bench_hostile.py settings --count 2000

Each file is tried in a child process, so that one that ends or stalls it is named. The exit status is 1 where
there is one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faults.hostile_images import hostile_images
from faults.hostile_settings import hostile_settings
from faults.trial import Outcome, tried

MADE = {"images": hostile_images, "settings": hostile_settings}
MOST_MB, MOST_CPU_S = 512, 2.0
FAULTS = ("crashed", "hung", "traceback", "badly refused")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=MADE)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for made in MADE[o.kind](o.count, o.seed):
            paths.append(Path(folder) / made.name)
            paths[-1].write_bytes(made.content)
        outcomes = tried(o.kind, paths)
    return report(outcomes)


def report(outcomes: list[Outcome]) -> int:
    counts = Counter(outcome.what for outcome in outcomes)
    print(f"{len(outcomes)} files: {counts['answered']} answered, {counts['refused']} refused")
    print(", ".join(f"{counts[fault]} {fault}" for fault in FAULTS))
    large = [outcome for outcome in outcomes if outcome.memory_mb > MOST_MB]
    slow = [outcome for outcome in outcomes if outcome.cpu_s > MOST_CPU_S]
    most_mb, longest_s = max(o.memory_mb for o in outcomes), max(o.cpu_s for o in outcomes)
    print(f"{len(large)} over {MOST_MB} MB, at most {most_mb:.0f} MB in all")
    print(f"{len(slow)} over {MOST_CPU_S:g} s, at most {longest_s:.2f} s of processor time")
    bad = {outcome.path: outcome for outcome in (*large, *slow, *(o for o in outcomes if o.is_fault))}
    for outcome in bad.values():
        cost = f"{outcome.memory_mb:.0f} MB, {outcome.cpu_s:.1f} s"
        print(f"  {Path(outcome.path).name}: {outcome.what}, {cost}: {outcome.said}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
