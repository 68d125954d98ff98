"""What a training run wrote and said, for comparison."""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from edgecnn.progress import Silent
from edgecnn.training.run.checkpoint import load_checkpoint

__all__ = ["Listening", "identical", "rows_of", "weights_of"]


def weights_of(path: str | Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(Path(path)).weights


def identical(first: str | Path, second: str | Path) -> bool:
    a, b = weights_of(first), weights_of(second)
    return list(a) == list(b) and all(torch.equal(a[k], b[k]) for k in a)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Listening(Silent):
    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, line: str) -> None:
        self._said.append(line)
