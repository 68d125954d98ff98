"""Golden samples: pictures with what the model answered where it was made, replayed on the device before it is trusted.

In the metadata key ``edgecnn.golden``, as JSON: ``{"tolerance": 0.001, "samples": [{"png": BASE64, "probabilities": [...],
"unknown_score": 0.71}]}``, the score only where the graph gives one. A sample's picture is already of the model's size, so that a program in
any language can replay it: decode the PNG (RGB), run, compare.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ManifestError, PictureError
from edgecnn.preprocess import MAX_PIXELS, Image, decode

if TYPE_CHECKING:
    from edgecnn.runtime.session import ModelSession

__all__ = ["GoldenReplay", "GoldenSamples", "replay"]


@dataclass(frozen=True)
class GoldenSamples:
    """Pictures, uint8 ``[S, H, W, 3]`` RGB, and the probabilities ``[S, C]`` and unknown scores ``[S]`` expected for them."""

    images: Image
    probabilities: NDArray[np.float32]
    tolerance: float  # largest difference that still passes, of a probability or of a score (relative where that is larger than 1)
    unknown_scores: NDArray[np.float32] | None = None  # None where the graph gives none

    def to_json(self) -> str:
        """The text that goes into the model file."""
        samples: list[dict[str, object]] = [
            {"png": _png(image), "probabilities": [round(float(p), 7) for p in row]}
            for image, row in zip(self.images, self.probabilities, strict=True)
        ]
        for sample, score in zip(samples, () if self.unknown_scores is None else self.unknown_scores, strict=False):
            sample["unknown_score"] = round(float(score), 7)
        return json.dumps({"tolerance": self.tolerance, "samples": samples})

    @classmethod
    def from_json(cls, text: str) -> GoldenSamples:
        """Raises :class:`ManifestError` where the text is not what :meth:`to_json` writes."""
        try:
            found = json.loads(text)
            images = np.stack(_decoded(found["samples"]))
            probabilities = np.array([s["probabilities"] for s in found["samples"]], np.float32)
            scored = any("unknown_score" in s for s in found["samples"])
            unknown_scores = np.array([float(s["unknown_score"]) for s in found["samples"]], np.float32) if scored else None
            tolerance = float(found["tolerance"])
        except (ValueError, KeyError, TypeError, RecursionError, PictureError) as error:
            raise ManifestError(f"the golden samples are broken ({error}); export the model again") from error
        if probabilities.ndim != 2 or not tolerance >= 0:
            raise ManifestError("the golden samples are broken (probabilities or tolerance); export the model again")
        return cls(images, probabilities, tolerance, unknown_scores)


@dataclass(frozen=True)
class GoldenReplay:
    """What a replay found."""

    samples: int
    max_abs_diff: float  # NaN where an output is
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every probability and score came within the tolerance; a NaN never does."""
        return self.max_abs_diff <= self.tolerance


def replay(session: ModelSession, golden: GoldenSamples) -> GoldenReplay:
    """Runs the golden samples, one by one as a device does, and compares."""
    failed = GoldenReplay(len(golden.images), float("nan"), golden.tolerance)
    if golden.images.shape[1:] != session.input_shape or golden.probabilities.shape[1] != session.classes:
        return failed
    found = [session.outputs(image[None], ("unknown_score",)) for image in golden.images]
    differences = [float(np.abs(np.concatenate([f.probabilities for f in found]) - golden.probabilities).max())]
    if golden.unknown_scores is not None:
        scores = [f.unknown_scores for f in found if f.unknown_scores is not None]
        if not scores:
            return failed
        differences.append(_score_difference(np.concatenate(scores), golden.unknown_scores))
    return GoldenReplay(len(found), float(np.max(differences)), golden.tolerance)  # a NaN stays


def _score_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Relative to scores larger than 1: an energy has no fixed range, a feature distance lies below 1.5."""
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1)))


def _decoded(samples: Iterable[Mapping[str, str]]) -> list[Image]:
    """All of them within one limit: a small file can hold many large pictures, and they are unpacked in the process that serves."""
    images: list[Image] = []
    left = MAX_PIXELS
    for sample in samples:
        images.append(decode(base64.b64decode(sample["png"]), name="golden sample", max_pixels=left))
        left -= images[-1].shape[0] * images[-1].shape[1]
    return images


def _png(image: Image) -> str:
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise PictureError("a golden sample cannot be written as PNG")
    return base64.b64encode(data.tobytes()).decode()
