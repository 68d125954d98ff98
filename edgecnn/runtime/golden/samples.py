"""Golden samples: images with the outputs of the machine that made the model file. A device replays them.

They are JSON in the metadata key ``edgecnn.golden``: ``{"tolerance": 0.001, "samples": [{"png": BASE64,
"probabilities": [...], "unknown_score": 0.71}]}``, the score only if the graph has that output. Images have the model's
input size, so that a program in any language can replay them: decode the PNG (RGB), run, compare.

The samples of a recurrent model are sequences: each has the key ``sequence``, a number. The samples of one sequence are
in order. The first starts from a state of zeros, each other one from the state that the one before it gave.

A model that sees JPEGs decoded smaller has the key ``jpeg`` too: a JPEG file and the SHA-256 of its pixels at each part
of its size (:mod:`edgecnn.runtime.golden.golden_jpeg`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.error_text import first_line
from edgecnn.errors import ImageError, ManifestError
from edgecnn.plain_json import UNFIT
from edgecnn.preprocess import MAX_PIXELS, Image, decode
from edgecnn.runtime.golden.golden_jpeg import GoldenJpeg

__all__ = ["GoldenSamples"]


@dataclass(frozen=True)
class GoldenSamples:
    """Images, uint8 ``[S, H, W, 3]`` RGB, with their expected probabilities ``[S, C]`` and unknown scores ``[S]``."""

    images: Image
    probabilities: NDArray[np.float32]
    # Largest difference that still passes, of a probability or of a score (relative where that is larger than 1)
    tolerance: float
    unknown_scores: NDArray[np.float32] | None = None  # None where the graph gives none
    sequences: tuple[int, ...] | None = None  # of each sample, the clip that it is a frame of; None: single images
    jpeg: GoldenJpeg | None = None  # of a model that sees JPEGs decoded smaller

    @property
    def chained(self) -> bool:
        """Whether a sample has one before it in its sequence, so that a replay proves the state."""
        return self.sequences is not None and len(set(self.sequences)) < len(self.sequences)

    def to_json(self) -> str:
        """Returns the JSON text for the model file."""
        samples: list[dict[str, object]] = [
            {"png": _png(image), "probabilities": [round(float(p), 7) for p in row]}
            for image, row in zip(self.images, self.probabilities, strict=True)
        ]
        for sample, score in zip(samples, () if self.unknown_scores is None else self.unknown_scores, strict=False):
            sample["unknown_score"] = round(float(score), 7)
        for sample, sequence in zip(samples, self.sequences or (), strict=False):
            sample["sequence"] = sequence
        jpeg = {} if self.jpeg is None else {"jpeg": self.jpeg.to_json()}
        return json.dumps({"tolerance": self.tolerance, "samples": samples, **jpeg})

    @classmethod
    def from_json(cls, text: str) -> GoldenSamples:
        """Reads the output of :meth:`to_json`. Raises :class:`ManifestError` for any other text."""
        try:
            found = json.loads(text)
            images = np.stack(_decoded(found["samples"]))
            probabilities = np.array([s["probabilities"] for s in found["samples"]], np.float32)
            scored = any("unknown_score" in s for s in found["samples"])
            unknown_scores = (
                np.array([float(s["unknown_score"]) for s in found["samples"]], np.float32) if scored else None
            )
            sequences = _sequences(found["samples"])
            tolerance = float(found["tolerance"])
            jpeg = GoldenJpeg.from_json(found["jpeg"]) if "jpeg" in found else None
        except (*UNFIT, ImageError) as error:
            raise ManifestError(
                f"the golden samples are invalid ({first_line(error)}); export the model again"
            ) from error
        if probabilities.ndim != 2 or not tolerance >= 0:
            raise ManifestError("the golden samples are invalid (probabilities or tolerance); export the model again")
        return cls(images, probabilities, tolerance, unknown_scores, sequences, jpeg)


def _sequences(samples: Sequence[Mapping[str, object]]) -> tuple[int, ...] | None:
    """The sequence of each sample, None where none has one. Raises :class:`ValueError` for anything else."""
    if not any("sequence" in sample for sample in samples):
        return None
    found = [sample.get("sequence") for sample in samples]
    numbers = tuple(number for number in found if isinstance(number, int) and not isinstance(number, bool))
    if len(numbers) < len(found):
        raise ValueError("sequence is not a whole number in every sample")
    return numbers


def _decoded(samples: Iterable[Mapping[str, str]]) -> list[Image]:
    """Decodes all images, with a limit on their total number of pixels.

    A small file can contain many large images, and they are decoded in the main process.
    """
    images: list[Image] = []
    left = MAX_PIXELS
    for sample in samples:
        images.append(decode(base64.b64decode(sample["png"]), name="golden sample", max_pixels=left))
        left -= images[-1].shape[0] * images[-1].shape[1]
    return images


def _png(image: Image) -> str:
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise ImageError("a golden sample cannot be written as PNG")
    return base64.b64encode(data.tobytes()).decode()
