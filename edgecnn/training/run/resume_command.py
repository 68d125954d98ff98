"""The command that repeats a run."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

from edgecnn.training.models.own import OWN
from edgecnn.training.options import TrainOptions
from edgecnn.training.setup import Setup

__all__ = ["NOT_REPEATED", "repeat_command"]

NOT_REPEATED = frozenset(("out", "resume", "force", "tensorboard", "time_budget_min", "find_lr"))
"""What decides nothing, and what other options are the outcome of.

A time budget ends as epochs, a search as a learning rate.
"""

_OTHERWISE = {"flip": "--no-flip"}  # an option whose flag says that it is off


def repeat_command(options: TrainOptions, setup: Setup, epochs: int) -> str:
    """``edgecnn train`` with every option that decides the outcome, also those that were left to the program.

    Args:
        options: of the run.
        setup: what they came to.
        epochs: trained; they tell how many fitted into a time budget.
    """
    settled = {
        "model": setup.spec.name,
        "preset": setup.recipe.name,
        "epochs": setup.recipe.epochs if options.time_budget_min is None else epochs,
        "imgsz": setup.imgsz,
        "lr": setup.recipe.lr,
        "layer_decay": setup.recipe.layer_decay,
        "augment": setup.recipe.augmentation,
        "device": setup.device.type,
    }
    given: dict[str, Any] = {
        f.name: getattr(options, f.name) for f in fields(options) if f.name not in NOT_REPEATED
    } | settled
    command = ["edgecnn", "train", str(given.pop("data"))]
    own = given["model"] == OWN
    if own:
        del given["model"]
    for name, value in given.items():
        command += _words(name, value)
    return shlex.join(command) + (
        "  # from Python, with your own network: train(TrainOptions(...), network=...)" if own else ""
    )


def _words(name: str, value: object) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        wanted = not value if name in _OTHERWISE else value
        return [_OTHERWISE.get(name, flag)] if wanted else []
    if value is None:
        return []
    return [flag, str(value)]  # floats too: as many digits as tell them apart
