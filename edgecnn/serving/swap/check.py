"""Everything that a new model file must pass before it sees a live frame."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edgecnn.errors import EdgeCNNError, ModelError
from edgecnn.runtime.admission.admission import MORE_TIME
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.engine.service import Service

__all__ = ["check_model", "check_size", "reason_of"]

_TRIED = (480, 640, 3)  # a frame as a camera has it


def check_size(file: Path, most_mb: float) -> None:
    """Raises :class:`ModelError` for a file that is empty, too large or no file."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}; send it again") from None
    if not file.is_file():
        raise ModelError(f"{file}: is no file; give a .onnx file that `edgecnn export` wrote")
    if not size:
        raise ModelError(f"{file}: is empty; give a .onnx file that `edgecnn export` wrote")
    if size > most_mb * 1e6:
        raise ModelError(
            f"{file}: has {size / 1e6:.1f} MB, more than the {most_mb:g} MB of model_mb; raise it in [limits] of the "
            "settings"
        )


def check_model(service: Service, name: str, file: Path) -> LoadedModel:
    """Opens a new model file after it passed all checks.

    It is tried out in a child process, its manifest is held against its graph, its golden samples are replayed on the
    provider that will run it, and it answers one frame in time.

    Args:
        service: whose settings apply.
        name: of the model that it shall replace.
        file: the model file.

    Raises:
        EdgeCNNError: it fails. The message is one line.
    """
    loaded = service.open_model(name, file, prove=True)
    inspect_model(file)
    frame = Frame(np.full(_TRIED, 127, np.uint8), "the first frame")
    begin_s = time.monotonic()
    loaded.classifier.answer([frame])
    took_s, most_s = time.monotonic() - begin_s, service.settings.max_state_age_s
    if took_s > most_s:
        raise ModelError(
            f"{file}: one inference takes {took_s:.1f} s here, and a state may be {most_s:g} s old; use a smaller model"
        )
    return loaded


def reason_of(error: EdgeCNNError, file: Path) -> str:
    """The message without the path of the file, which whoever sent it does not know, and without options that the
    service does not have."""
    reason = str(error).replace(f"{file}: ", "").replace(str(file), "the file").removeprefix("refused because ")
    return reason.replace(f", or {MORE_TIME}", "").replace(f"{MORE_TIME}, or ", "")
