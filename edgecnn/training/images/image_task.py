"""Training on images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from edgecnn.errors import CheckpointError
from edgecnn.evaluation.metrics import Metrics
from edgecnn.manifest import Manifest
from edgecnn.progress import Reporter
from edgecnn.training.data.load import TrainingData
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.data.prepared import PreparedData, prepare
from edgecnn.training.images.beginning import fit_classifier, suggest_lr
from edgecnn.training.images.pruned_start import pruned_start
from edgecnn.training.images.validation import validate
from edgecnn.training.learner import Learner
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.distillation import Teacher, checkpoint_teacher, load_teacher
from edgecnn.training.optim.distributed import World
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint
from edgecnn.training.run.finalize import finalize
from edgecnn.training.setup import Setup, build_network
from edgecnn.training.task import FinishedRun, TrainingTask

__all__ = ["ImageTask"]


class ImageTask(TrainingTask):
    """A classifier of images."""

    def __init__(self, prepared: PreparedData) -> None:
        self._prepared, self.world = prepared, prepared.world
        self._unpruned: Checkpoint | None = None

    @classmethod
    def prepare(cls, options: TrainOptions, setup: Setup, folder: Path, reporter: Reporter, world: World) -> ImageTask:
        """Reads the images.

        Raises as :func:`edgecnn.training.data.prepared.prepare`, and :class:`CheckpointError` for a recurrent model to
        start or learn from.
        """
        for given in (setup.start_from, options.teacher):
            if given is not None and load_checkpoint(given).manifest.temporal is not None:
                raise CheckpointError(
                    f"{given}: is a recurrent model of clips, and this run trains on images; give a checkpoint of "
                    "images, or --temporal and clips"
                )
        return cls(prepare(options, setup, folder, reporter, world))

    @property
    def examples(self) -> TrainingData:
        """The images."""
        return self._prepared.data

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._prepared.steps

    @property
    def step_examples(self) -> int:
        """Images a step, over all processes."""
        return self._prepared.step_images

    @property
    def least_images(self) -> int:
        """Of one process in one step: the fewest."""
        return self._prepared.least_images

    def build_network(self, setup: Setup) -> ImageClassifier:
        """The network with its starting weights. Raises as :func:`edgecnn.training.setup.build_network`."""
        return build_network(setup, self.examples.labels)

    def prune(
        self, network: ImageClassifier, share: float, setup: Setup, reporter: Reporter
    ) -> tuple[ImageClassifier, Setup]:
        """The network with a share of its multiply-accumulates, and the setup with its widths.

        Raises as :func:`edgecnn.training.images.pruned_start.pruned_start`.
        """
        return pruned_start(network, share, setup, self._prepared, reporter)

    def learn_from(self, unpruned: Checkpoint) -> None:
        """Makes a network the teacher of learners made from now on, if the options name none."""
        self._unpruned = unpruned

    def learner(self, network: ImageClassifier, options: TrainOptions, setup: Setup) -> Learner:
        """The learner of the network, with the teacher if there is one."""
        return Learner(network, setup, options.seed, self.world, self._teacher(options, setup))

    def _teacher(self, options: TrainOptions, setup: Setup) -> Teacher | None:
        if options.teacher is not None:
            return load_teacher(options.teacher, self.examples.labels, setup.device)
        return None if self._unpruned is None else checkpoint_teacher(self._unpruned, setup.device)

    def training_batches(self, epoch: int, first: int = 0) -> Iterator[TrainingBatch]:
        """This process's part of an epoch, from step ``first`` on."""
        return self._prepared.training_batches(epoch, first=first)

    def small_batches(self, epoch: int, first: int = 0) -> Iterator[TrainingBatch]:
        """The same of smaller images, ``Setup.small_imgsz``."""
        return self._prepared.training_batches(epoch, first=first, size=self._prepared.setup.small_imgsz)

    def fit_classifier(self, network: ImageClassifier, setup: Setup, reporter: Reporter) -> None:
        """Fits the last layer on features of the network as it is: where fine-tuning begins."""
        fit_classifier(network, setup, self._prepared, reporter)

    def suggest_lr(self, network: ImageClassifier, setup: Setup, reporter: Reporter) -> float:
        """Tries learning rates on a copy of the network; the same answer in every process."""
        return suggest_lr(network, setup, self._prepared, reporter)

    def validate(self, network: ImageClassifier, manifest: Manifest) -> Metrics | None:
        """Metrics on the validation images; None where the network answers with NaN or infinity."""
        return validate(network, manifest, self._prepared)

    def finalize(self, done: FinishedRun, network: ImageClassifier, seconds: Callable[[], float]) -> TrainResult:
        """Writes the calibrated best.pt, results.csv, summary.json and report.html. Raises :class:`OutputError`."""
        return finalize(done, self._prepared, network, seconds)
