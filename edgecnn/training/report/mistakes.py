"""The misclassified images of a run, the most confident first, with class-activation maps for the first ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import EdgeCNNError
from edgecnn.image.heatmap import overlay
from edgecnn.image_size import MOST_PIXELS
from edgecnn.preprocess import Image, preprocess, read_image
from edgecnn.training.data.load import Sample
from edgecnn.training.explain.activation_maps import activation_maps
from edgecnn.training.report.content import Mistake
from edgecnn.training.report.worst import MAX_MISTAKES
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["find_mistakes"]

_LONGER_PX = 320  # of the image under a map: twice a thumbnail, for paper and fine screens


def find_mistakes(
    samples: Sequence[Sample], probabilities: NDArray[np.floating], labels: Sequence[str], backend: TorchBackend | None
) -> list[Mistake]:
    """Returns the misclassified samples, the most confident first.

    Args:
        samples: N images.
        probabilities: ``[N, C]``.
        labels: C names.
        backend: computes the class-activation maps; None: no maps.
    """
    answers, confidence = probabilities.argmax(1), probabilities.max(1)
    wrong = sorted((i for i, s in enumerate(samples) if answers[i] != s.label), key=lambda i: -confidence[i])
    return [
        Mistake(
            path=samples[i].path,
            truth=labels[samples[i].label],
            answer=labels[answers[i]],
            score=float(confidence[i]),
            evidence=_evidence(backend, samples[i].path, int(answers[i])) if backend and place < MAX_MISTAKES else None,
        )
        for place, i in enumerate(wrong)
    ]


def _evidence(backend: TorchBackend, path: Path, answer: int) -> Image | None:
    """The image under its class-activation map, in the image's own proportions where it was stretched.

    None where it cannot be had.

    A network of the user's own may do what cannot be differentiated: a report without maps is better than a run that
    fails at its end.
    """
    manifest = backend.manifest
    try:
        original = read_image(path, MOST_PIXELS)
        seen = preprocess(path, manifest.input, manifest.preprocess, MOST_PIXELS)
        inputs = normalize(seen[None], manifest.normalization, next(backend.network.parameters()).device)
        heat = activation_maps(backend.network, inputs, [answer])[0]
    except (EdgeCNNError, RuntimeError):
        return None
    if manifest.preprocess.resize != "stretch":
        return overlay(seen, heat)
    height, width = original.shape[:2]
    factor = min(1.0, _LONGER_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # cv2's stubs know no dtype
    small: Image = cv2.resize(original, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return overlay(small, np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32))
