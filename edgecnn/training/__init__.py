"""Training, on torch: ``train(TrainOptions(data))`` gives a run folder with a checkpoint that ``exporters`` can
take."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgecnn.errors import MissingExtraError

if TYPE_CHECKING:
    from edgecnn.training.loop import train as train
    from edgecnn.training.options import TrainOptions as TrainOptions
    from edgecnn.training.result import TrainResult as TrainResult

__all__ = ["TrainOptions", "TrainResult", "train"]

_WHERE = {"TrainOptions": "options", "TrainResult": "result", "train": "loop"}


def __getattr__(name: str) -> object:
    """Imported when first used; without the extra the error names it."""
    if name not in _WHERE:
        raise AttributeError(f"module 'edgecnn.training' has no attribute {name!r}")
    try:
        return getattr(import_module(f"edgecnn.training.{_WHERE[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("edgecnn"):
            raise
        raise MissingExtraError(
            f"training needs {error.name}, which is not installed; run pip install 'edgecnn[train]'"
        ) from error
