"""What a run trains: a classifier of images, or one of clips. The loop knows no more of it than this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgecnn.evaluation.metrics import Metrics
from edgecnn.manifest import Manifest, TemporalSpec
from edgecnn.progress import Reporter
from edgecnn.training.data.examples import Examples
from edgecnn.training.learner import BatchLearner
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.nouns import IMAGES, Nouns
from edgecnn.training.optim.distributed import World
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import Checkpoint
from edgecnn.training.run.history import EpochRow
from edgecnn.training.run.run_folder import RunFolder
from edgecnn.training.setup import Setup

__all__ = ["FinishedRun", "TrainingTask"]


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run whose last epoch is over."""

    options: TrainOptions
    setup: Setup
    run: RunFolder
    manifest: Manifest
    history: tuple[EpochRow, ...]
    reporter: Reporter


class TrainingTask(ABC):
    """Prepared data, and what is done with them."""

    world: World

    @property
    @abstractmethod
    def examples(self) -> Examples:
        """What is trained on, and what it is validated on."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Training steps per epoch."""

    @property
    @abstractmethod
    def step_examples(self) -> int:
        """Images or clips per training step, over all processes."""

    @property
    @abstractmethod
    def least_images(self) -> int:
        """Fewest images or frames that the network gets in one training step of one process."""

    @property
    def nouns(self) -> Nouns:
        """What reports call the data."""
        return IMAGES

    @property
    def temporal(self) -> TemporalSpec | None:
        """The recurrent head for the manifest; None for images."""
        return None

    @abstractmethod
    def build_network(self, setup: Setup) -> ImageClassifier:
        """The network with its starting weights. Raises as :func:`edgecnn.training.setup.build_network`."""

    def prune(
        self, network: ImageClassifier, share: float, setup: Setup, reporter: Reporter
    ) -> tuple[ImageClassifier, Setup]:
        """The network with a share of its multiply-accumulates, and the setup with its widths; the same in every
        process.

        Args:
            network: with its starting weights; if its classifier is new, it is fitted, else the network is left
                as it is.
            share: of the multiply-accumulates, above 0, below 1.
            setup: of the run.
            reporter: told of stages.

        Raises:
            UsageError: the network cannot become so small.
        """
        raise NotImplementedError

    def learn_from(self, unpruned: Checkpoint) -> None:
        """Makes a network the teacher of learners made from now on, if the options name none."""
        raise NotImplementedError

    @abstractmethod
    def learner(self, network: ImageClassifier, options: TrainOptions, setup: Setup) -> BatchLearner[Any]:
        """The learner of the network."""

    @abstractmethod
    def training_batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        """This process's part of an epoch, from step ``first`` on, as the learner takes it."""

    def small_batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        """The same of smaller images, ``Setup.small_imgsz``."""
        raise NotImplementedError

    def fit_classifier(self, network: ImageClassifier, setup: Setup, reporter: Reporter) -> None:
        """Fits the last layer on features of the network as it is: where fine-tuning begins."""
        raise NotImplementedError

    def suggest_lr(self, network: ImageClassifier, setup: Setup, reporter: Reporter) -> float:
        """Tries learning rates on a copy of the network; the same answer in every process."""
        raise NotImplementedError

    @abstractmethod
    def validate(self, network: ImageClassifier, manifest: Manifest) -> Metrics | None:
        """Metrics on the validation data; None where the network answers with NaN or infinity."""

    @abstractmethod
    def finalize(self, done: FinishedRun, network: ImageClassifier, seconds: Callable[[], float]) -> TrainResult:
        """Writes the calibrated best.pt, results.csv, summary.json and report.html.

        Args:
            done: the run.
            network: of the run; it gets the best weights.
            seconds: how long the run took so far.

        Raises:
            OutputError: a file cannot be written.
        """
