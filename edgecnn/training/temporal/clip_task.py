"""Training on clips: a recurrent head on a CNN, which is frozen or trained too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.clips.clip_folder import ClipFolder, scan_clips
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.frame_rate import require_rate
from edgecnn.data.clips.step_rate import choose_step_rate
from edgecnn.errors import UsageError
from edgecnn.evaluation.metrics import Metrics, compute_metrics
from edgecnn.image_size import pixel_limit
from edgecnn.manifest import LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S, Manifest, TemporalSpec
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter
from edgecnn.training.data.prepared import known_splits
from edgecnn.training.data.split import SplitShares
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.nouns import Nouns
from edgecnn.training.optim.distributed import World
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.setup import Setup, build_network
from edgecnn.training.strict import require_no_faults
from edgecnn.training.task import FinishedRun, TrainingTask
from edgecnn.training.temporal.clip_batches import ClipBatch, training_clip_batches
from edgecnn.training.temporal.clip_data import ClipData, ClipPlan, load_clip_data
from edgecnn.training.temporal.clip_evaluation import answer_clips
from edgecnn.training.temporal.clip_finalize import clip_nouns, finalize_clips
from edgecnn.training.temporal.clip_learner import ClipLearner
from edgecnn.training.temporal.frame_labels import FrameLabels
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape
from edgecnn.training.temporal.step_store import StepStore
from edgecnn.training.tensors import normalize

__all__ = ["ClipTask"]


@dataclass(frozen=True, kw_only=True)
class _Clips:
    """The clips of a run and the network, which embedded them if the CNN is frozen."""

    data: ClipData
    network: ClipClassifier
    options: TrainOptions
    frozen: bool


class ClipTask(TrainingTask):
    """A classifier of clips."""

    def __init__(self, clips: _Clips, world: World) -> None:
        self._clips, self.world = clips, world

    @classmethod
    def prepare(cls, options: TrainOptions, setup: Setup, folder: Path, reporter: Reporter, world: World) -> ClipTask:
        """Builds the network and reads the clips: as embeddings where the CNN is frozen, else as pixels.

        Raises:
            UsageError: an option that does not go with ``--temporal``.
            InputNotFoundError, DataError: the folder of clips cannot be trained on.
            CheckpointError, MissingExtraError: the weights to start from cannot be loaded.
            OutputError: the steps cannot be stored.
            GateError: the clips have faults, and ``options.strict`` is set.
        """
        _require_options(options, setup, world)
        spans = None if options.per_frame is None else FrameLabels.read(options.per_frame, options.data)
        found = scan_clips(options.data, folder) if spans is None else spans.folder(options.data)
        torch.manual_seed(options.seed)
        network = _network(options, setup, found).to(setup.device)
        frozen = setup.frozen_backbone
        if frozen:
            network.backbone.requires_grad_(False)
        size = setup.input
        embedded = (network.embedding.size,)
        rate = choose_step_rate(found, options.fps, options.steps_per_s)
        plan = ClipPlan(
            reader=ClipReader(
                size, setup.preprocess, rate.interval_s, options.fps, pixel_limit(options.max_megapixels)
            ),
            rate=rate,
            store=StepStore(folder, embedded if frozen else (size.height, size.width, 3), "f4" if frozen else "u1"),
            convert=_embedder(network, setup) if frozen else _as_they_are,
            shares=SplitShares(options.val_split, options.test_split, options.seed),
            group=options.group,
            every_step=options.supervision == "all",
            spans=spans,
            known=tuple(known_splits(setup.start_from)),
        )
        data = load_clip_data(found, plan, reporter, options.workers)
        require_no_faults(options, data.findings)
        return cls(_Clips(data=data, network=network, options=options, frozen=frozen), world)

    @property
    def examples(self) -> ClipData:
        """The clips."""
        return self._clips.data

    @property
    def steps(self) -> int:
        """Training steps per epoch."""
        return -(-len(self.examples.of("train")) // self.step_examples)

    @property
    def step_examples(self) -> int:
        """Clips per training step."""
        return self._clips.options.batch

    @property
    def least_images(self) -> int:
        """Fewest frames that the CNN gets in one training step, for its batch normalization.

        2 if the CNN is frozen, whose statistics are fixed.
        """
        return 2 if self._clips.frozen else min(sample.steps for sample in self.examples.of("train"))

    @property
    def nouns(self) -> Nouns:
        """Clips; with labels of time spans, metrics count their steps."""
        return clip_nouns(self._clips.options)

    @property
    def temporal(self) -> TemporalSpec:
        """The recurrent head for the manifest."""
        data, network = self.examples, self._clips.network
        return TemporalSpec(
            network.kind, network.state_size, data.rate.stride, data.rate.interval_s, data.trained_lengths
        )

    def build_network(self, _setup: Setup) -> ImageClassifier:
        """The network of :meth:`prepare`."""
        return self._clips.network

    def learner(self, network: ImageClassifier, options: TrainOptions, setup: Setup) -> ClipLearner:
        """The learner of the network."""
        return ClipLearner(network, setup, options.seed, self.world)

    def training_batches(self, epoch: int, first: int = 0) -> Iterator[ClipBatch]:
        """The batches of an epoch, from training step ``first`` on."""
        data, options = self._clips.data, self._clips.options
        return training_clip_batches(
            data.store,
            data.of("train"),
            self.step_examples,
            options.seed,
            epoch,
            first,
            windows=options.supervision == "all" or options.per_frame is not None,
        )

    def validate(self, network: ImageClassifier, manifest: Manifest) -> Metrics | None:
        """Metrics on the validation clips; None where the network answers with NaN or infinity."""
        options, data = self._clips.options, self.examples
        found = answer_clips(
            cast("ClipClassifier", network),
            manifest,
            data.store,
            data.of("val"),
            options.batch,
            every_step=options.per_frame is not None,
        )
        probabilities = torch.from_numpy(found.logits).softmax(1).numpy()
        if not np.isfinite(probabilities).all():
            return None
        return compute_metrics(probabilities, found.truth.tolist(), data.labels)

    def finalize(self, done: FinishedRun, network: ImageClassifier, seconds: Callable[[], float]) -> TrainResult:
        """Writes the calibrated best.pt, results.csv, summary.json and report.html. Raises :class:`OutputError`."""
        return finalize_clips(done, self.examples, cast("ClipClassifier", network), seconds)


def _require_options(options: TrainOptions, setup: Setup, world: World) -> None:
    """Raises :class:`UsageError` for options that do not apply to clips."""
    given = {
        "--teacher": options.teacher,
        "--qat": options.qat,
        "--prune": options.prune,
        "--soft-labels": options.soft_labels,
        "--balance": None if options.balance == "none" else options.balance,
        "--find-lr": options.find_lr or None,
        "--compile": options.compile or None,
        f"--preset {options.preset}": setup.recipe.head_first or None,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--temporal: {name} is for images; leave it out")
    if world.size > 1:
        raise UsageError("--temporal: trains in one process; start it without torchrun")
    require_rate(options.fps)
    least, most = 1 / LONGEST_INTERVAL_S, 1 / SHORTEST_INTERVAL_S
    if options.steps_per_s is not None and not least <= options.steps_per_s <= most:
        raise UsageError(f"--steps-per-s {options.steps_per_s:g}: expected {least:g} to {most:g}")


def _network(options: TrainOptions, setup: Setup, folder: ClipFolder) -> ClipClassifier:
    """A new recurrent head on the CNN whose weights the options name."""
    labels = folder.class_names
    built = build_network(setup, labels)
    if isinstance(built, ClipClassifier):
        built = built.backbone
    assert options.temporal is not None
    dropout = 0.2 if setup.recipe.dropout is None else setup.recipe.dropout
    return ClipClassifier(
        built,
        embedding_shape(built, (setup.input.height, setup.input.width)),
        options.temporal,
        len(labels),
        dropout=dropout,
    )


def _embedder(network: ClipClassifier, setup: Setup) -> Callable[[Image], NDArray[Any]]:
    """Returns a function from pixels, uint8 ``[K, H, W, 3]`` RGB, to embeddings, float32 ``[K, D]``."""
    network.eval()

    def embed(images: Image) -> NDArray[Any]:
        with torch.inference_mode():
            return network.embed(normalize(images, setup.normalization, setup.device)).float().cpu().numpy()

    return embed


def _as_they_are(images: Image) -> NDArray[Any]:
    return images
