"""Races providers over model files, in turns in one process, so that all see the same machine.

    python scripts/bench_providers.py model.onnx model.int8.onnx --ep cpu,openvino --threads 1 --rounds 300

Each round has an order of its own, by chance: whoever follows a run of the same weights finds them in the cache. `--io-binding` races
each session once more, with its input and output bound once. `share` is the median over rounds of a contender's time by the first one's
in the same round: below 1 is quicker. `off by` is the largest difference of a probability from the first one's.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgecnn.preprocess import Image
from edgecnn.runtime.run_options import RunOptions, read_provider_options
from edgecnn.runtime.session import ModelSession, open_session

WARM_UP = 10


@dataclass
class Contender:
    """A way to run a model file, and how long each round took it."""

    model: str
    way: str
    nodes: str
    run: Callable[[Image], NDArray[np.float32]]
    times_ms: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parse()
    contenders = list(itertools.chain.from_iterable(enter(path, ep, arguments) for path in arguments.models for ep in arguments.ep.split(",")))
    image = np.random.default_rng(0).integers(0, 256, (arguments.batch, *open_session(arguments.models[0], "cpu").input_shape), np.uint8)
    answers = [contender.run(image) for contender in contenders]
    random = np.random.default_rng(0)
    for i in range(-WARM_UP, arguments.rounds):
        for contender in (contenders[place] for place in random.permutation(len(contenders))):
            begun = time.perf_counter()
            contender.run(image)
            if i >= 0:
                contender.times_ms.append((time.perf_counter() - begun) * 1e3)
    show(contenders, answers, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, help="model files of one size; the first is what the others are held against")
    parser.add_argument("--ep", default="cpu,openvino", help="providers, separated by commas")
    parser.add_argument("--ep-option", action="append", default=[], metavar="KEY=VALUE", help="of every provider but the CPU")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--io-binding", action="store_true")
    return parser.parse_args()


def enter(path: Path, ep: str, arguments: argparse.Namespace) -> list[Contender]:
    told = {} if ep == "cpu" else read_provider_options(arguments.ep_option)
    session = open_session(path, ep, options=RunOptions(arguments.threads, provider_options=told))
    nodes = "" if session.nodes is None else ", ".join(f"{count} {name}" for name, count in session.nodes.items())
    entered = [Contender(path.name, ep, nodes, session.probabilities)]
    if arguments.io_binding:
        entered.append(Contender(path.name, f"{ep}, IO binding", nodes, bound(session, arguments.batch)))
    return entered


def bound(session: ModelSession, batch: int) -> Callable[[Image], NDArray[np.float32]]:
    """The same session, its input copied into one place and its output written to one."""
    engine = session._session  # noqa: SLF001  # the runner has no IO binding of its own, for what is measured here
    given, answer = np.empty((batch, *session.input_shape), np.uint8), np.empty((batch, session.classes), np.float32)
    binding = engine.io_binding()
    binding.bind_input("image", "cpu", 0, np.uint8, given.shape, given.ctypes.data)
    binding.bind_output("probabilities", "cpu", 0, np.float32, answer.shape, answer.ctypes.data)

    def run(image: Image) -> NDArray[np.float32]:
        np.copyto(given, image)
        engine.run_with_iobinding(binding)
        return answer.copy()

    return run


def show(contenders: list[Contender], answers: list[NDArray[np.float32]], arguments: argparse.Namespace) -> None:
    times = np.array([c.times_ms for c in contenders])  # [contenders, rounds]
    shares = np.median(times / times[0], axis=1)
    title = f"{arguments.rounds} rounds in turns, batch {arguments.batch}, {arguments.threads} threads"
    table = Table("file", "provider", "nodes", "ms p50", "ms p95", "share", "off by", title=title, title_justify="left")
    for contender, row, share, answer in zip(contenders, times, shares, answers, strict=True):
        p50, p95 = np.percentile(row, (50, 95))
        off = float(np.abs(answer - answers[0]).max())
        table.add_row(contender.model, contender.way, contender.nodes, f"{p50:.2f}", f"{p95:.2f}", f"{share:.3f}", f"{off:.1g}")
    Console().print(table)


if __name__ == "__main__":
    main()
