"""Training with torch: ``train(TrainOptions(data))`` writes a run folder with a checkpoint for ``exporters``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.training.loop import train as train
    from edgecnn.training.options import TrainOptions as TrainOptions
    from edgecnn.training.result import TrainResult as TrainResult
    from edgecnn.training.torch_backend import open_checkpoint as open_checkpoint

__all__ = ["TrainOptions", "TrainResult", "open_checkpoint", "train"]

_MODULES = {
    "TrainOptions": "options",
    "TrainResult": "result",
    "open_checkpoint": "torch_backend",
    "train": "loop",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES, needs="train")
