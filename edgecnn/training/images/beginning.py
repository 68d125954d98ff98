"""What may come before the first epoch: the classifier fitted on frozen features, and a learning rate looked for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.split_record import Split
from edgecnn.progress import Progress, Reporter
from edgecnn.training.answers.answering import Answering
from edgecnn.training.data.prepared import PreparedData
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.linear_probe import LabelledFeatures, compute_features, features_of, fit_head
from edgecnn.training.optim.lr_finder import find_learning_rate
from edgecnn.training.optim.precision import has_bfloat16
from edgecnn.training.setup import Setup, last_linear

__all__ = ["fit_classifier", "suggest_lr"]

_LR_VIEW, _LR_BATCHES = -9, 100  # a separate epoch number, so that the run does not see these batches again


def fit_classifier(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> None:
    """Logistic regression on the frozen network's features: where fine-tuning begins."""
    train, world, views = prepared.train, prepared.world, setup.recipe.head_views
    probe = _Probe(network, setup, prepared)
    order = train.order(np.random.default_rng(prepared.seed))
    mine = np.sort(order[world.rank :: world.size])
    # The first view shows images as the device sees them: the end of a run needs their features too
    progress = reporter.stage(f"features, view 1 of {views}")
    found = [probe.exact("train", mine, train.targets[mine], train.weights[mine], progress)]
    found += (probe.augmented(v, reporter.stage(f"features, view {v + 1} of {views}")) for v in range(1, views))
    own, truth = prepared.own_places("val"), prepared.truth("val")
    targets = np.eye(len(prepared.data.labels), dtype=np.float32)[truth[own]]
    progress = reporter.stage("features of val images")
    held_out = probe.exact("val", own, targets, np.ones(len(own), np.float32), progress)
    fit_head(
        last_linear(network),
        LabelledFeatures.together([part for view in found for part in world.gather(view)]),
        LabelledFeatures.together(world.gather(held_out)),
        reporter.stage("fitting the classifier"),
    )


class _Probe:
    """Features of a network as it is, of this process's part of the images."""

    def __init__(self, network: ImageClassifier, setup: Setup, prepared: PreparedData) -> None:
        self._network, self._setup, self._prepared = network, setup, prepared
        self._mixed = setup.recipe.mixed_precision
        self._answering = Answering(network, mixed=self._mixed)

    def exact(
        self,
        split: Split,
        places: NDArray[np.int64],  # [N], in the split
        targets: NDArray[np.float32],  # [N, C]
        weights: NDArray[np.float32],  # [N]
        progress: Progress,
    ) -> LabelledFeatures:
        """Of images as the device sees them."""
        rows = self._prepared.rows(split)
        compute = partial(features_of, answering=self._answering, rule=self._setup.normalization, mixed=self._mixed)
        features = self._prepared.features.of(
            self._network,
            [rows[i] for i in places],
            compute,
            mixed=self._mixed and has_bfloat16(self._answering.device),
            progress=progress,
        )
        return LabelledFeatures(
            features, torch.from_numpy(targets), torch.from_numpy(weights), torch.from_numpy(places)
        )

    def augmented(self, view: int, progress: Progress) -> LabelledFeatures:
        """Of training images, each in an own variant, but not mixed with others."""
        rule = replace(self._setup.augmentation, mixup=0.0, cutmix=0.0)
        batches = self._prepared.training_batches(-1 - view, rule)
        count = len(self._prepared.train)
        return compute_features(self._answering, self._setup.normalization, batches, count, progress, mixed=self._mixed)


def suggest_lr(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> float:
    """Tries learning rates on a copy of the network; the same answer in every process."""
    batches = list(islice(prepared.training_batches(_LR_VIEW), _LR_BATCHES))
    found = find_learning_rate(network, setup, batches, reporter.stage("learning rates"))
    lr = prepared.world.agree(found.suggestion)
    reporter.say(
        f"learning rate {lr:.2g}: the loss was least at {found.least_at:.2g}, the recipe's is {setup.recipe.lr:.2g}"
    )
    return lr
