"""Opens a model file with the settings of the model whose name it serves under."""

from __future__ import annotations

from pathlib import Path

from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.system.cpu_features import physical_cores
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.settings.settings import ModelSettings, Settings

__all__ = ["open_served"]


def open_served(settings: Settings, name: str, file: Path, *, prove: bool = False) -> LoadedModel:
    """Opens a model file.

    Args:
        settings: of the service.
        name: of the model whose provider, threads and threshold apply.
        file: the model file.
        prove: replay its golden samples, and refuse a file without any.

    Raises:
        EdgeCNNError: what :class:`Classifier` raises.
    """
    model = next(model for model in settings.models if model.name == name)
    options = RunOptions(threads=_threads(settings, model))
    classifier = Classifier(file, ep=model.ep, threshold=model.threshold, prove=prove, options=options)
    classifier.gives_features = True  # for the watch of their drift
    return LoadedModel.of(classifier, file)


def _threads(settings: Settings, model: ModelSettings) -> int:
    """Threads per inference. Several sources are decided on side by side, so they share the cores."""
    return model.threads or max(1, physical_cores() // max(1, len(settings.sources)))
