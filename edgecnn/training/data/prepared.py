"""The images of a run, decoded and split: training batches, validation batches, and what the end of a run needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.split_record import Split
from edgecnn.errors import DataError, UsageError
from edgecnn.image_size import ImageSize, pixel_limit
from edgecnn.progress import Reporter
from edgecnn.training.calibration.ood_score import spread
from edgecnn.training.data.augment import Augmentation
from edgecnn.training.data.exact_features import ExactFeatures
from edgecnn.training.data.load import Sample, TrainingData, load_training_data
from edgecnn.training.data.loader import TrainingBatch, steps_an_epoch, training_batches
from edgecnn.training.data.pixel_cache import CachedImages, PixelCache, PixelPlan
from edgecnn.training.data.soft_labels import TrainingSet, make_training_set
from edgecnn.training.data.split_carried_over import KnownSplit
from edgecnn.training.optim.distributed import World
from edgecnn.training.options import TrainOptions
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.setup import Setup
from edgecnn.training.strict import require_no_faults

__all__ = ["PreparedData", "prepare"]


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """What a run trains on, and what it is validated on."""

    data: TrainingData
    train: TrainingSet
    pixels: PixelCache
    features: ExactFeatures  # kept are those of validation images, and those of `for_features`
    setup: Setup
    seed: int
    batch: int  # images a step and process
    world: World

    @property
    def step_images(self) -> int:
        """Images a step, over all processes."""
        return self.batch * self.world.size

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return steps_an_epoch(len(self.train), self.step_images, self.world.size)

    @property
    def least_images(self) -> int:
        """Of one process in one step: the fewest."""
        return min(self.step_images, len(self.train)) // self.world.size

    def truth(self, split: Split) -> NDArray[np.int64]:
        """``[N]`` classes of a split's images."""
        return np.array([s.label for s in self.data.of(split)], np.int64)

    def exact(self, split: Split) -> CachedImages:
        """A split's images as the device sees them."""
        return self.pixels.exact(self.rows(split))

    def rows(self, split: Split) -> list[int]:
        """Of a split's images, in the order of the folder."""
        return [s.row for s in self.data.of(split)]

    def for_features(self) -> list[Sample]:
        """As many training images as the unknown score and the statistics of the classes are computed on."""
        return _for_features(self.data)

    def training_batches(
        self, epoch: int, rule: Augmentation | None = None, first: int = 0, size: ImageSize | None = None
    ) -> Iterator[TrainingBatch]:
        """This process's part of an epoch, from step ``first`` on; by another augmentation or size where one is given.

        ``size`` is in pixels.
        """
        return training_batches(
            self.train,
            size or self.setup.imgsz,
            self.step_images,
            rule or self.setup.augmentation,
            self.seed,
            epoch,
            first=first,
            workers=self.setup.loader_threads,
            world=self.world,
        )

    def own_places(self, split: Split) -> NDArray[np.int64]:
        """``[M]`` places in a split of the images that are this process's part, batch by batch."""
        places = np.arange(len(self.data.of(split)), dtype=np.int64)
        own: NDArray[np.bool_] = places // self.batch % self.world.size == self.world.rank
        return places[own]


def _for_features(data: TrainingData) -> list[Sample]:
    train = data.of("train")
    return [train[i] for i in spread(len(train))]


def known_splits(*checkpoints: Path | None) -> list[KnownSplit]:
    """How the images of the models that a run starts or learns from were split. Raises as :func:`load_checkpoint`."""
    return [KnownSplit(str(path), load_checkpoint(path).record) for path in checkpoints if path is not None]


def prepare(options: TrainOptions, setup: Setup, folder: Path, reporter: Reporter, world: World) -> PreparedData:
    """Reads every image of ``options.data`` once, and keeps its pixels in files in ``folder``.

    Raises:
        InputNotFoundError, DataError: the folder of images, or the soft labels, cannot be trained on.
        UsageError: shares that cannot be split off, or more processes than images.
        OutputError: the pixels cannot be kept.
        GateError: the images have faults, and ``options.strict``.
    """
    plan = PixelPlan(folder, setup.input, setup.cached, setup.preprocess)
    data = load_training_data(
        options.data,
        options.val_split,
        options.test_split,
        options.seed,
        reporter,
        options.workers,
        plan=plan,
        group=options.group,
        known=known_splits(setup.start_from, options.teacher),
        max_pixels=pixel_limit(options.max_megapixels),
    )
    require_no_faults(options, data.findings)
    train, val = data.of("train"), data.of("val")
    if len(train) < world.size:
        raise UsageError(f"{world.size} processes for {len(train)} training images; start fewer")
    if not train or not val:
        raise DataError(f"{data.root}: nothing to train on, or nothing to validate on; add images")
    assert data.pixels is not None  # asked for by the plan
    augmented = data.pixels.augmented([s.row for s in train])
    return PreparedData(
        data=data,
        train=make_training_set(augmented, data, options.balance, options.soft_labels),
        pixels=data.pixels,
        features=ExactFeatures(data.pixels, options.batch, [s.row for s in (*val, *_for_features(data))]),
        setup=setup,
        seed=options.seed,
        batch=options.batch,
        world=world,
    )
