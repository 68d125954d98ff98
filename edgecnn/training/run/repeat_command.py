"""The command that repeats a run."""

from __future__ import annotations

import shlex
from typing import Any

from edgecnn.command_options import Declaration, Option, declarations
from edgecnn.image_size import show_image_size
from edgecnn.training.models.own import OWN
from edgecnn.training.options import TrainOptions
from edgecnn.training.setup import RECIPE_OPTIONS, Setup

__all__ = ["repeat_command"]


def repeat_command(options: TrainOptions, setup: Setup, epochs: int, small_epochs: int | None = None) -> str:
    """``edgecnn train`` with every option that decides the outcome, also those that were left to the program.

    A time budget appears as its epochs, a learning rate range test as its learning rate.

    Args:
        options: of the run.
        setup: what they came to.
        epochs: trained; they tell how many fitted into a time budget.
        small_epochs: those of them on smaller images.
    """
    settled: dict[str, Any] = {name: getattr(setup.recipe, name) for name in RECIPE_OPTIONS} | {
        "model": setup.spec.name,
        "preset": setup.recipe.name,
        "imgsz": show_image_size(setup.imgsz),
        "augment": setup.recipe.augmentation,
        "decode": setup.preprocess.decode,
        "device": setup.device.type,
    }
    if options.time_budget_min is not None:
        settled |= {"epochs": epochs, "small_epochs": small_epochs or None}
    own = settled["model"] == OWN
    # Nobody can name an own network, and the checkpoint of --qat defines these
    omitted = {"model", "preset", "imgsz", "weights", "decode"} if options.qat else {"model"} if own else set()
    command = ["edgecnn", "train", str(options.data)]
    for declared in declarations(TrainOptions):
        if isinstance(declared.spec, Option) and declared.spec.repeated and declared.name not in omitted:
            command += _words(declared, settled.get(declared.name, getattr(options, declared.name)))
    return shlex.join(command) + (
        "  # from Python, with your own network: train(TrainOptions(...), network=...)" if own else ""
    )


def _words(declared: Declaration, value: object) -> list[str]:
    if declared.kind is bool:
        return [declared.flag] if value != declared.default else []
    if value is None:
        return []
    return [declared.flag, str(value)]  # floats too: as many digits as tell them apart
