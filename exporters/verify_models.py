"""Opens whatever forms of a model there are and sends them up the parity ladder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.evaluation.parity import VerifiableModel, VerifyResult, compare_models
from edgecnn.progress import Progress
from edgecnn.runtime.analysis.divergence import locate_divergence
from edgecnn.runtime.session.model_file import is_checkpoint
from edgecnn.runtime.session.opening import open_session

__all__ = ["open_model", "verify"]


def open_model(path: str | Path, ep: str = "cpu") -> VerifiableModel:
    """A checkpoint on torch, or a model file on onnxruntime, which needs no torch. Raises as the two openers do.

    Raises:
        MissingExtraError: a checkpoint where torch is not installed.
    """
    if not is_checkpoint(Path(path)):
        return open_session(path, ep)
    from edgecnn.training import open_checkpoint  # noqa: PLC0415  # loads torch

    return open_checkpoint(Path(path))


def verify(
    reference: str | Path,
    candidates: Sequence[str | Path],
    data: str | Path,
    max_drop: float = 0.005,
    min_agreement: float = 0.98,
    ep: str = "cpu",
    progress: Progress | None = None,
) -> VerifyResult:
    """Holds forms of one model against the first, from image file to label.

    See :func:`edgecnn.evaluation.parity.compare_models`.

    Args:
        reference: a checkpoint or a model file.
        candidates: the others.
        data: a folder of images.
        max_drop: largest loss of top-1, as a fraction.
        min_agreement: smallest share of equal answers.
        ep: execution provider for the model files.
        progress: told of images done.

    Raises:
        Whatever opening a file or reading the folder raises; a failed gate is no error: see ``passed``.
    """
    opened = [open_model(path, ep) for path in (reference, *candidates)]
    return locate_divergence(
        compare_models(opened[0], opened[1:], Path(data), max_drop, min_agreement, progress), opened
    )
