#!/usr/bin/env python
"""EdgeCNN and its peers in one run: the same network, the same images, in turn.

python benchmarks/peers/compare.py DATA [--only edgecnn,plain] [--work build/peers] [--rounds 10] [--json FILE]

DATA has a folder of photographs for each of some classes of ImageNet, named by the class's WordNet id. The network is
EfficientNet-Lite0 with its ImageNet weights. Environments and model files are made in --work and used again. A peer
that does not work here gets a row, and its reason below the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from failures import PeerError
from machine import Machine, this_machine
from models import make_base, make_contenders
from peers import PEERS
from report import markdown, table
from results import Row, rows
from rich.console import Console
from rounds import CORES, Samples, measure


def main() -> None:
    """Prepares, measures, and prints the table twice: for people, and in Markdown."""
    asked = _arguments()
    work = asked.work.resolve()
    try:
        make_base(asked.data, work)
    except PeerError as failure:
        sys.exit(f"EdgeCNN's own files cannot be made: {failure}")
    contenders = list(make_contenders(asked.data, work, asked.only))
    every = measure(contenders, work, asked.rounds)
    found, machine = rows(every, json.loads((work / "truth.json").read_text())), this_machine(CORES)
    console = Console(width=None if sys.stdout.isatty() else 240)
    console.print(table(found, f"{machine.told()}; {asked.rounds} rounds"))
    print(f"\n{machine.told()}\n{_versions(every)}\n\n{markdown(found)}")
    if asked.json:
        asked.json.write_text(json.dumps(_as_json(found, every, machine), indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", type=_names, default=(), help="names of peers, with commas between")
    parser.add_argument("--work", type=Path, default=Path("build/peers"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    known = [peer.name for peer in PEERS]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no peer {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def _versions(every: Sequence[Samples]) -> str:
    """A line a peer, of all packages in its environment."""
    environments = {s.contender.peer.name: s.contender.environment for s in every}
    return "\n".join(
        f"{name}: {', '.join(f'{package} {version}' for package, version in environment.versions.items())}"
        for name, environment in environments.items()
        if environment is not None
    )


def _as_json(found: Sequence[Row], every: Sequence[Samples], machine: Machine) -> dict[str, object]:
    """The rows, and what each round measured."""
    return {
        "machine": asdict(machine),
        "versions": {s.contender.peer.name: s.contender.environment.versions for s in every if s.contender.environment},
        "rows": [asdict(row) for row in found],
        "rounds": {
            s.contender.name: {
                "cold_s": s.cold_s,
                "peak_mb": s.peak_mb,
                "latency_ms": s.latency_ms,
                "folders": {name: [asdict(run) for run in runs] for name, runs in s.folders.items()},
            }
            for s in every
        },
    }


if __name__ == "__main__":
    main()
