"""The command that repeats a run."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from edgecnn.training.options import TrainOptions
from edgecnn.training.setup import Setup

__all__ = ["NOT_REPEATED", "repeat_command"]

NOT_REPEATED = frozenset(("out", "resume", "force", "time_budget_min", "find_lr"))
"""Where a run was written, and what its other options come out of: a budget ends as epochs, a search as a learning rate."""

_OTHERWISE = {"flip": "--no-flip"}  # an option whose flag says that it is off


def repeat_command(options: TrainOptions, setup: Setup, epochs: int) -> str:
    """``edgecnn train`` with every option that decides the outcome, also those that were left to the program; ``epochs`` as they were planned."""
    settled = {
        "model": setup.spec.name,
        "preset": setup.recipe.name,
        "epochs": epochs,
        "imgsz": setup.imgsz,
        "lr": f"{setup.recipe.lr:g}",
        "augment": setup.recipe.augmentation,
        "device": setup.device.type,
    }
    given: dict[str, Any] = {f.name: getattr(options, f.name) for f in fields(options) if f.name not in NOT_REPEATED}
    command = ["edgecnn", "train", str(given.pop("data"))]
    for name, value in (given | settled).items():
        command += _words(name, value)
    return shlex.join(command)


def _words(name: str, value: object) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        wanted = not value if name in _OTHERWISE else value
        return [_OTHERWISE.get(name, flag)] if wanted else []
    if value is None:
        return []
    return [flag, f"{value:g}" if isinstance(value, float) else str(value)]
