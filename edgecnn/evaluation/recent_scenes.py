"""What a model's answers to the newest frames tell together, in bounded memory. Frames of one scene count as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.expected_accuracy import AccuracyReference, Evidence
from edgecnn.evaluation.ood_threshold import rejected
from edgecnn.image.scene_signature import SIGNATURE_LENGTH, Signature, same_scene
from edgecnn.manifest import UnknownRule

__all__ = ["MOST_SCENES", "RecentScenes"]

MOST_SCENES = 300
"""Scenes that are remembered: an accuracy near 1 is then known to two points, and after a drift the newest 20 tell."""

_MOST_REPEATS = 100  # of a scene: later ones weigh as much as the hundredth, so that its light may change


class RecentScenes:
    """The newest scenes that a model has answered. One thread adds, and it alone reads.

    Args:
        rule: says which answers are unknown.
        reference: of the model.
        most: number of scenes; of more, the one that was seen longest ago goes.
    """

    def __init__(self, rule: UnknownRule, reference: AccuracyReference, most: int = MOST_SCENES) -> None:
        self._rule = rule
        self._shift = reference.shift
        self._most = most
        self._used = 0
        self._tick = 0
        classes, directions = (0, 0) if self._shift is None else self._shift.means.shape
        self._signatures = np.empty((most, SIGNATURE_LENGTH), np.uint8)
        self._levels = np.empty(most, np.float32)
        self._frames = np.zeros(most, np.int64)
        self._seen = np.zeros(most, np.int64)
        self._values = np.zeros((most, 2 + directions + classes), np.float32)  # confidence, unknown, residual, shares
        self._directions = directions
        self._measured = directions > 0  # until an answer comes without features

    def add(
        self,
        signature: Signature,
        probabilities: NDArray[np.float32],
        unknown_score: float | None,
        features: NDArray[np.float32] | None,
    ) -> None:
        """Adds a frame.

        Args:
            signature: of the frame.
            probabilities: of the classes, ``[C]``.
            unknown_score: where the rule needs one that the graph gives.
            features: the embedding ``[D]``; None: the model gives none.
        """
        values = self._values_of(probabilities, unknown_score, features)
        row = same_scene(self._signatures[: self._used], self._levels[: self._used], signature)
        if row is None:
            row = self._free_row()
            self._signatures[row], self._levels[row] = signature, signature.mean()
            self._frames[row], self._values[row] = 0, 0
        self._tick += 1
        self._frames[row] += 1
        self._seen[row] = self._tick
        self._values[row] += (values - self._values[row]) / min(int(self._frames[row]), _MOST_REPEATS)

    @property
    def evidence(self) -> Evidence:
        """What the scenes tell."""
        if not self._used:
            return Evidence(0, 0, 0.0, None)
        mean = self._values[: self._used].mean(0, dtype=np.float64)
        end = 2 + self._directions
        return Evidence(
            frames=int(self._frames[: self._used].sum()),
            scenes=self._used,
            confidence=float(mean[0]),
            unknown_share=None if self._rule.off else float(mean[1]),
            residual=mean[2:end] if self._measured else None,
            residual_variance=float(self._values[: self._used, 2:end].var(0).mean()) if self._measured else 1.0,
            shares=mean[end:] if self._measured else None,
        )

    def _values_of(
        self, probabilities: NDArray[np.float32], unknown_score: float | None, features: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        values = np.zeros(self._values.shape[1], np.float32)
        values[0] = probabilities.max()
        score = unknown_score if self._rule.in_graph else float(values[0])
        values[1] = score is not None and bool(rejected(self._rule, np.array([score]))[0])
        if features is None:
            self._measured = False
        elif self._shift is not None:
            end = 2 + self._directions
            values[2:end] = self._shift.residuals(features, probabilities)
            values[end:] = probabilities
        return values

    def _free_row(self) -> int:
        if self._used < self._most:
            self._used += 1
            return self._used - 1
        return int(self._seen.argmin())
