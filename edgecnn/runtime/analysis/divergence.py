"""Locates where a model that failed `verify` diverges from its reference: preprocessing, a layer, or gradually."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np

from edgecnn.data.clips.frame_rate import clip_rate
from edgecnn.evaluation.evaluate_clips import clip_reader
from edgecnn.evaluation.parity import VerifiableModel, VerifyResult
from edgecnn.image_size import MOST_PIXELS
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image, preprocess
from edgecnn.runtime.analysis.layer_diff import compare_layers, first_parting
from edgecnn.runtime.session.model_session import ModelSession

__all__ = ["locate_divergence"]

_IMAGES = 4  # that changed their answer
_FRAMES = 4  # of a clip


def locate_divergence(
    result: VerifyResult, models: Sequence[VerifiableModel], fps: float | None = None
) -> VerifyResult:
    """Returns the result with ``where`` set for the first divergence; unchanged if all models pass.

    The layers of a recurrent model are compared on single frames of the clips.

    Args:
        result: result of :func:`edgecnn.evaluation.parity.compare_models`.
        models: the opened models, the reference first.
        fps: frames per second of clips that are folders of frames; None: that of the training clips.

    Raises:
        ModelError: the layers of a file cannot be read.
    """
    found = result.first_divergence
    if found is None:
        return result
    at = next(i for i, stage in enumerate(result.stages) if stage.file == found.file)
    paths = [Path(flip.image) for flip in result.stages[at].flips[:_IMAGES]]
    return replace(result, first_divergence=replace(found, where=_where(models[:at], models[at], paths, fps)))


def _where(
    earlier: Sequence[VerifiableModel], candidate: VerifiableModel, paths: Sequence[Path], fps: float | None
) -> str | None:
    reference = earlier[0]
    pixels = (
        [np.concatenate([_rows(r.manifest, path, fps) for path in paths]) for r in (reference, candidate)]
        if paths
        else []
    )
    if not pixels:
        return None
    if pixels[0].shape != pixels[1].shape or (pixels[0] != pixels[1]).any():
        return f"in preprocessing, before the first layer: {_differing(reference, candidate)}"
    files = [r for r in earlier if isinstance(r, ModelSession)]
    if not files or not isinstance(candidate, ModelSession):
        return None  # torch names its tensors otherwise
    layers = compare_layers(files[0].path, candidate.path, pixels[0])
    parted = first_parting(layers)
    if parted is not None:
        return f"at {parted.tensor} ({parted.operator}): SQNR {parted.sqnr_db:.1f} dB; the layers before it agree"
    least = min(layers, key=lambda layer: layer.sqnr_db, default=None)
    return (
        None
        if least is None
        else (
            f"at no single layer: small errors accumulate, the largest at {least.tensor} ({least.operator}), SQNR "
            f"{least.sqnr_db:.1f} dB"
        )
    )


def _rows(manifest: Manifest, path: Path, fps: float | None) -> Image:
    """An image, or the first frames of a clip, at the model's input size, uint8 ``[N, H, W, 3]``."""
    if manifest.temporal is None:
        return preprocess(path, manifest.input, manifest.preprocess, MOST_PIXELS)[None]
    reader = clip_reader(manifest, clip_rate(manifest, fps), MOST_PIXELS)
    return np.stack([step.row for step in islice(reader.steps(path), _FRAMES)])


def _differing(reference: VerifiableModel, candidate: VerifiableModel) -> str:
    """Lists the differences of two manifests in preprocessing."""
    a, b = ({**asdict(r.manifest.input), **asdict(r.manifest.preprocess)} for r in (reference, candidate))
    return ", ".join(f"{key} {b[key]} instead of {a[key]}" for key in a if a[key] != b[key])
