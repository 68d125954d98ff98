"""From samples to the figures of a row."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rounds import THREADS, Samples

__all__ = ["Figure", "Row", "code_lines", "rows"]

_REFERENCE, _BASE = "torch eager", "edgecnn"


@dataclass(frozen=True)
class Figure:
    """A median over the rounds, and the median of its ratios to EdgeCNN's of the same round and form."""

    value: float
    ratio: float | None


@dataclass(frozen=True)
class Row:
    """A peer in one form; figures are None where it does not run, or has none."""

    peer: str
    form: str
    note: str
    lines: int
    install_mb: float | None
    why_not: str = ""
    cold_s: Figure | None = None
    peak_mb: Figure | None = None
    p50_ms: dict[int, Figure | None] | None = None
    p95_ms: dict[int, float | None] | None = None
    images_s: dict[str, Figure | None] | None = None
    cpu_s: dict[str, Figure | None] | None = None
    top1: float | None = None
    agreement: float | None = None


def rows(every: Sequence[Samples], truth: Sequence[int]) -> list[Row]:
    """In the order of the peers."""
    bases = {s.contender.form: s for s in every if s.contender.peer.name == _BASE and not s.why_not}
    reference = next((s.answers for s in every if s.contender.peer.name == _REFERENCE and s.answers), None)
    return [_row(each, bases.get(each.contender.form), truth, reference) for each in every]


def code_lines(script: Path) -> int:
    """Lines that are neither blank nor comment, nor the first words of a module, class or function."""
    source = script.read_text()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    told = [node.body[0] for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and ast.get_docstring(node)]
    left_out = {n for words in told for n in range(words.lineno, (words.end_lineno or words.lineno) + 1)}
    lines = enumerate(source.splitlines(), 1)
    return sum(1 for n, line in lines if n not in left_out and line.strip() and not line.strip().startswith("#"))


def _row(each: Samples, base: Samples | None, truth: Sequence[int], reference: Sequence[int] | None) -> Row:
    peer, environment = each.contender.peer, each.contender.environment
    size = None if environment is None else environment.size_mb
    lines = code_lines(each.contender.way)
    if each.why_not:
        return Row(peer.name, each.contender.form, peer.note, lines, size, each.why_not)

    def figure(values: Callable[[Samples], Sequence[float]]) -> Figure | None:
        return _figure(values(each), values(base) if base else None)

    meant = not peer.classes_of_its_own
    return Row(
        peer=peer.name,
        form=each.contender.form,
        note=peer.note,
        lines=lines,
        install_mb=size,
        cold_s=figure(lambda s: s.cold_s),
        peak_mb=figure(lambda s: s.peak_mb),
        p50_ms={n: figure(partial(_medians, threads=n)) for n in THREADS},
        p95_ms={n: _p95(each.latency_ms[n]) for n in THREADS},
        images_s={f: figure(partial(_speeds, folder=f)) for f in each.folders},
        cpu_s={f: figure(partial(_costs, folder=f)) for f in each.folders},
        top1=_share(each.answers, truth) if meant else None,
        agreement=_share(each.answers, reference) if meant and reference else None,
    )


def _medians(samples: Samples, threads: int) -> list[float]:
    return [statistics.median(turn) for turn in samples.latency_ms[threads]]


def _speeds(samples: Samples, folder: str) -> list[float]:
    return [run.images_s for run in samples.folders[folder]]


def _costs(samples: Samples, folder: str) -> list[float]:
    return [run.cpu_s for run in samples.folders[folder]]


def _figure(values: Sequence[float], base: Sequence[float] | None) -> Figure | None:
    if not values:
        return None
    ratios = [a / b for a, b in zip(values, base or (), strict=False)]
    return Figure(statistics.median(values), statistics.median(ratios) if ratios else None)


def _p95(turns: Sequence[Sequence[float]]) -> float | None:
    every = sorted(ms for turn in turns for ms in turn)
    return every[min(len(every) - 1, round(0.95 * len(every)))] if every else None


def _share(answers: Sequence[int], expected: Sequence[int]) -> float:
    assert len(answers) == len(expected), f"{len(answers)} answers for {len(expected)} images"
    return sum(a == b for a, b in zip(answers, expected, strict=True)) / len(expected)
