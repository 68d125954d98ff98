"""Opens forms of a model (checkpoint, float, int8) and compares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.evaluation.parity import VerifiableModel, VerifyResult, compare_models
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Progress
from edgecnn.runtime.analysis.divergence import locate_divergence
from edgecnn.runtime.session.model_file import is_checkpoint
from edgecnn.runtime.session.opening import open_session

__all__ = ["open_model", "verify"]


def open_model(path: str | Path, ep: str = "cpu") -> VerifiableModel:
    """Opens a checkpoint with torch, or a model file with onnxruntime. Raises as their open functions do.

    Raises:
        MissingExtraError: a checkpoint is given and torch is not installed.
    """
    if not is_checkpoint(Path(path)):
        return open_session(path, ep)
    from edgecnn.training.temporal.clip_backend import open_any_checkpoint  # noqa: PLC0415  # loads torch

    return open_any_checkpoint(Path(path))


def verify(
    reference: str | Path,
    candidates: Sequence[str | Path],
    data: str | Path,
    max_drop: float = 0.005,
    min_agreement: float = 0.98,
    ep: str = "cpu",
    progress: Progress | None = None,
    fps: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VerifyResult:
    """Compares forms of one model with a reference, from image file to label.

    See :func:`edgecnn.evaluation.parity.compare_models`.

    Args:
        reference: a checkpoint or a model file.
        candidates: checkpoints or model files to compare with it.
        data: a dataset.
        max_drop: largest allowed top-1 accuracy drop, as a fraction.
        min_agreement: smallest allowed share of equal predictions, as a fraction.
        ep: execution provider for the model files.
        progress: receives the number of images or clips done.
        fps: frames per second of clips that are folders of frames; None: that of the training clips.
        max_pixels: of an image or frame; larger ones are skipped.

    Raises:
        EdgeCNNError: a file cannot be opened, or the dataset cannot be read. A failed gate raises nothing; see
            ``passed`` of the result.
    """
    opened = [open_model(path, ep) for path in (reference, *candidates)]
    result = compare_models(opened[0], opened[1:], Path(data), max_drop, min_agreement, progress, fps, max_pixels)
    return locate_divergence(result, opened, fps)
