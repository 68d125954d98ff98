"""What may come before the first epoch: the classifier fitted on frozen features, and a learning rate looked for."""

from __future__ import annotations

import math
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
from edgecnn.training.optim.linear_probe import FittedHead, LabelledFeatures, compute_features, features_of, fit_head
from edgecnn.training.optim.lr_finder import find_learning_rate
from edgecnn.training.setup import Setup, last_linear

__all__ = ["fit_classifier", "suggest_lr"]

# Of the validation images' NLL, where another view is computed: cats and dogs do without, solar cells gain by three
_WORTH_ANOTHER = 0.99
_LR_VIEW, _LR_BATCHES = -9, 100  # a separate epoch number, so that the run does not see these batches again


def fit_classifier(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> None:
    """Logistic regression on the frozen network's features: where fine-tuning begins.

    First of training images as the device sees them; the end of a run needs these features too. Then, as long as that
    helps on validation images, also of augmented variants.
    """
    probe, world, views = _Probe(network, setup, prepared), prepared.world, setup.recipe.head_views
    held_out = LabelledFeatures.together(world.gather(probe.validation(reporter.stage("features of val images"))))
    seen: list[LabelledFeatures] = []
    best: FittedHead | None = None
    for view in range(views):
        progress = reporter.stage(f"features, view {view + 1} of at most {views}")
        seen += world.gather(probe.augmented(view, progress) if view else probe.training(progress))
        fitted = fit_head(LabelledFeatures.together(seen), held_out, reporter.stage("fitting the classifier"))
        before, now = world.agree((best.nll if best else math.inf, fitted.nll))  # all go on, or none
        if best is None or now < before:
            best = fitted
        if not now < _WORTH_ANOTHER * before:  # NaN too: a network that diverged is reported by its validation
            break
    assert best is not None
    best.write_to(last_linear(network))


class _Probe:
    """Features of a network as it is, of this process's part of the images."""

    def __init__(self, network: ImageClassifier, setup: Setup, prepared: PreparedData) -> None:
        self._network, self._setup, self._prepared = network, setup, prepared
        self._answering = Answering(network, mixed=setup.recipe.mixed_precision)

    def training(self, progress: Progress) -> LabelledFeatures:
        """Of training images as the device sees them."""
        train, world = self._prepared.train, self._prepared.world
        order = train.order(np.random.default_rng(self._prepared.seed))
        places = np.sort(order[world.rank :: world.size])
        return self._exact("train", places, train.targets[places], train.weights[places], progress)

    def validation(self, progress: Progress) -> LabelledFeatures:
        """Of validation images."""
        places, truth = self._prepared.own_places("val"), self._prepared.truth("val")
        targets = np.eye(len(self._prepared.data.labels), dtype=np.float32)[truth[places]]
        return self._exact("val", places, targets, np.ones(len(places), np.float32), progress)

    def _exact(
        self,
        split: Split,
        places: NDArray[np.int64],  # [N], in the split
        targets: NDArray[np.float32],  # [N, C]
        weights: NDArray[np.float32],  # [N]
        progress: Progress,
    ) -> LabelledFeatures:
        rows = self._prepared.rows(split)
        compute = partial(features_of, answering=self._answering, rule=self._setup.normalization)
        features = self._prepared.features.of(
            self._network,
            [rows[i] for i in places],
            compute,
            mixed=self._answering.mixed,
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
        return compute_features(self._answering, self._setup.normalization, batches, count, progress)


def suggest_lr(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> float:
    """Tries learning rates on a copy of the network; the same answer in every process."""
    batches = list(islice(prepared.training_batches(_LR_VIEW), _LR_BATCHES))
    found = find_learning_rate(network, setup, batches, reporter.stage("learning rates"))
    lr = prepared.world.agree(found.suggestion)
    reporter.say(
        f"learning rate {lr:.2g}: the loss was least at {found.least_at:.2g}, the recipe's is {setup.recipe.lr:.2g}"
    )
    return lr
