"""What may come before the first epoch: the classifier fitted on frozen features, and a learning rate looked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from edgecnn.progress import Reporter
from edgecnn.training.answers.answering import Answering
from edgecnn.training.data.augment import Augmentation
from edgecnn.training.data.prepared import PreparedData
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.linear_probe import LabelledFeatures, compute_features, fit_head
from edgecnn.training.optim.lr_finder import find_learning_rate
from edgecnn.training.setup import Setup, last_linear

__all__ = ["fit_classifier", "suggest_lr"]

_LR_VIEW, _LR_BATCHES = -9, 100  # a separate epoch number, so that the run does not see these batches again


def fit_classifier(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> None:
    """Logistic regression on the frozen network's features: where fine-tuning begins."""
    normalization, mixed, world = setup.normalization, setup.recipe.mixed_precision, prepared.world
    answering = Answering(network, mixed=mixed)
    found = []
    for view in range(setup.recipe.head_views):
        # The first as they are
        rule = replace(setup.augmentation, mixup=0.0, cutmix=0.0) if view else Augmentation()
        batches = prepared.training_batches(-1 - view, rule)
        progress = reporter.stage(f"features, view {view + 1} of {setup.recipe.head_views}")
        found.append(compute_features(answering, normalization, batches, len(prepared.train), progress, mixed=mixed))
    progress = reporter.stage("features of val images")
    held_out = compute_features(
        answering, normalization, prepared.val_batches(), len(prepared.val), progress, mixed=mixed
    )
    fit_head(
        last_linear(network),
        LabelledFeatures.together([part for view in found for part in world.gather(view)]),
        LabelledFeatures.together(world.gather(held_out)),
        reporter.stage("fitting the classifier"),
    )


def suggest_lr(network: ImageClassifier, setup: Setup, prepared: PreparedData, reporter: Reporter) -> float:
    """Tries learning rates on a copy of the network; the same answer in every process."""
    batches = list(islice(prepared.training_batches(_LR_VIEW), _LR_BATCHES))
    found = find_learning_rate(network, setup, batches, reporter.stage("learning rates"))
    lr = prepared.world.agree(found.suggestion)
    reporter.say(
        f"learning rate {lr:.2g}: the loss was least at {found.least_at:.2g}, the recipe's is {setup.recipe.lr:.2g}"
    )
    return lr
