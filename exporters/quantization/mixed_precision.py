"""Mixed precision: chooses the blocks to keep in float by accuracy gain per additional latency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.progress import Reporter
from exporters.graph.blocks import Block, find_blocks
from exporters.quantization.candidates import (
    Calibrated,
    Candidate,
    divergence,
    plain_candidate,
    with_float_blocks,
    write_candidate,
)
from exporters.quantization.qdq import never_quantized
from exporters.quantization.speed import one_thread, race

__all__ = ["Sensitivity", "measure_sensitivity", "mixed_candidates"]

MAX_BLOCKS = 6  # left in float; beyond that int8 gains too little to be worth its risk
_ROUNDS = 30
_MIN_COST = 0.005  # of the model's time: a difference below it is noise


@dataclass(frozen=True)
class Sensitivity:
    """One block in float, all others in int8."""

    block: Block
    kl: float  # to float, in nats
    gain: float  # of KL against the whole in int8
    cost: float  # of time, as a share of the int8 model's, on this machine's CPU

    @property
    def worth(self) -> float:
        """Gain in KL per cost in time."""
        return self.gain / max(self.cost, _MIN_COST)


def measure_sensitivity(
    calibrated: Calibrated, candidate: Candidate, folder: Path, reporter: Reporter
) -> list[Sensitivity]:
    """Measures each block alone; sorts by gain per cost, and leaves out blocks without a gain.

    Layers are not corrected here: layers after a float block would keep corrections for inputs that they no longer get.
    """
    blocks = find_blocks(calibrated.model, frozenset(never_quantized(calibrated.model)))
    progress = reporter.stage("looking for what int8 harms")
    whole, part = folder / "whole.onnx", folder / "part.onnx"
    plain = plain_candidate(calibrated, candidate, frozenset())
    write_candidate(calibrated, plain, whole)
    base = divergence(calibrated, plain.model, folder)
    whole_session = one_thread(whole)
    found = []
    for i, block in enumerate(blocks, 1):
        tried = plain_candidate(calibrated, candidate, frozenset(block.nodes))
        write_candidate(calibrated, tried, part)
        kl = divergence(calibrated, tried.model, folder)
        speedup = race(whole_session, one_thread(part), _ROUNDS, least_seconds=0.2).speedup
        found.append(Sensitivity(block, kl, base - kl, 1 / speedup - 1))
        progress(i, len(blocks), block.name)
    return sorted((s for s in found if s.gain > 0), key=lambda s: s.worth, reverse=True)


def mixed_candidates(
    calibrated: Calibrated, candidate: Candidate, sensitive: list[Sensitivity], reporter: Reporter
) -> Iterator[tuple[Candidate, tuple[str, ...]]]:
    """Yields candidates with one more float block each time, layers corrected again, and the blocks' names."""
    for count in range(1, min(MAX_BLOCKS, len(sensitive)) + 1):
        blocks = [s.block for s in sensitive[:count]]
        nodes = frozenset(name for block in blocks for name in block.nodes)
        yield with_float_blocks(calibrated, candidate, nodes, reporter), tuple(block.name for block in blocks)
