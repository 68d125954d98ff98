"""The acceptance test of a candidate: an accuracy gate on held-out images, and a speed gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.evaluate import DatasetPredictions
from edgecnn.evaluation.metrics import mean_kl
from edgecnn.manifest import Precision
from edgecnn.progress import Reporter
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters.quantization.eval_images import QuantizationImages
from exporters.quantization.speed import one_thread, race

__all__ = ["AcceptanceTest", "Attempt", "Gates", "Measured"]


@dataclass(frozen=True)
class Measured:
    """One model's accuracy on the evaluated images and its latency at one thread."""

    top1: float | None  # None without labels
    latency_ms: float | None  # None where the file is for another machine


@dataclass(frozen=True)
class Gates:
    """The limits that a candidate must meet."""

    max_drop: float  # of top-1, as a fraction
    min_speedup: float

    @property
    def min_agreement(self) -> float:
        """Smallest agreement without labels; 0.98 by default, as in `verify`: a changed answer may be right."""
        return max(0.0, 1 - 4 * self.max_drop)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A candidate that was evaluated."""

    precision: Precision
    float_blocks: tuple[str, ...]  # first and last layer of each
    float_: Measured
    quantized: Measured
    top1_drop: float | None
    interval: float  # half of the 95 % interval of the drop, or of the disagreement without labels
    agreement: float
    kl: float
    images: int
    speedup: float | None
    accurate: bool
    fast: bool

    @property
    def holds(self) -> bool:
        """Whether the candidate passes both gates."""
        return self.accurate and self.fast


@dataclass(frozen=True)
class AcceptanceTest:
    """Compares candidates with the float model, whose file is opened once and which runs once."""

    file: ModelFile  # the float model
    chosen: QuantizationImages
    expected: DatasetPredictions
    truth: NDArray[np.intp] | None
    gates: Gates
    reporter: Reporter
    here: bool = True  # whether speed can be measured on this machine

    @classmethod
    def from_float(
        cls, session: ModelSession, file: ModelFile, chosen: QuantizationImages, gates: Gates, reporter: Reporter
    ) -> AcceptanceTest:
        """Creates the test: runs the float model on the evaluation images.

        Args:
            session: the float model, opened.
            file: the same, for the race at one thread.
            chosen: the images or clips to evaluate on.
            gates: what a candidate must hold.
            reporter: receives stages and progress.
        """
        expected = chosen.read(session, reporter.stage("evaluating float"))
        truth = None if chosen.truth is None else np.array([chosen.truth[i] for i in expected.indices])
        return cls(file=file, chosen=chosen, expected=expected, truth=truth, gates=gates, reporter=reporter)

    @cached_property
    def _racer(self) -> ModelSession:
        """Opens the float model with one thread, once for all races."""
        return one_thread(self.file)

    def evaluate(
        self, candidate: Path, precision: Precision, float_blocks: Sequence[str] = ()
    ) -> tuple[Attempt, DatasetPredictions]:
        """Measures accuracy and speed of a candidate."""
        session = open_session(candidate, "cpu", trusted=True)
        found = self.chosen.read(session, self.reporter.stage(f"evaluating {precision}"))
        raced = race(self._racer, one_thread(candidate)) if self.here else None
        a, b = self.expected.probabilities.argmax(1), found.probabilities.argmax(1)
        agreement, count = float((a == b).mean()), len(a)
        drop, lost, won, right_float, right_int8 = None, 0, 0, None, None
        if self.truth is not None:
            right_a, right_b = a == self.truth, b == self.truth
            right_float, right_int8 = float(right_a.mean()), float(right_b.mean())
            drop, lost, won = right_float - right_int8, int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        changed = lost + won if drop is not None else round((1 - agreement) * count)
        attempt = Attempt(
            precision=precision,
            float_blocks=tuple(float_blocks),
            float_=Measured(right_float, raced.first_ms if raced else None),
            quantized=Measured(right_int8, raced.second_ms if raced else None),
            top1_drop=drop,
            interval=_interval(changed, lost - won, count),
            agreement=agreement,
            kl=mean_kl(self.expected.probabilities, found.probabilities),
            images=count,
            speedup=raced.speedup if raced else None,
            accurate=agreement >= self.gates.min_agreement if drop is None else drop <= self.gates.max_drop + 1e-12,
            fast=raced is None or raced.speedup >= self.gates.min_speedup,
        )
        return attempt, found

    def explain(self, attempt: Attempt) -> str:
        """Describes the figures and the gates; if a gate failed, only the failed ones.

        Says too if there are too few images to resolve the accuracy gate.
        """
        speed = "the speed cannot be measured on this machine"
        if attempt.speedup is not None:
            speed = f"{attempt.speedup:.2f}x the speed (at least {self.gates.min_speedup:g}x required)"
        accuracy = f"agrees with float on {attempt.agreement:.2%} (at least {self.gates.min_agreement:.2%} required)"
        if attempt.top1_drop is not None:
            accuracy = f"top-1 drop {attempt.top1_drop:.4f} (at most {self.gates.max_drop:g} allowed)"
        both = ((accuracy, attempt.accurate), (speed, attempt.fast))
        told = (
            ", ".join(text for text, _ in both)
            if attempt.holds
            else " and ".join(text for text, holds in both if not holds)
        )
        if attempt.interval <= self.gates.max_drop:
            return told
        return (
            f"{told}; {attempt.images} {self.chosen.noun} are too few to resolve {self.gates.max_drop:g}: the interval "
            f"is ±{attempt.interval:.4f}"
        )


def _interval(changed: int, balance: int, count: int) -> float:
    """Half of the 95 % interval of a paired accuracy drop (McNemar's variance).

    At least one changed answer is assumed: none in a sample does not prove that there is none.
    """
    return float(1.96 * max(changed - balance**2 / count, 1.0) ** 0.5 / count)
