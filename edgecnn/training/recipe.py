"""Recipes: the training hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from edgecnn.errors import UsageError
from edgecnn.manifest import Normalization, PreprocessSpec

__all__ = ["RECIPES", "Recipe", "find_recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Training hyperparameters. Stored in the checkpoint, so that a run can be resumed."""

    name: str
    epochs: int
    lr: float
    optimizer: Literal["adam", "adamw", "sgd"]
    weight_decay: float
    schedule: Literal["constant", "cosine"]
    augmentation: str
    preprocess: PreprocessSpec
    warmup: float = 0.0  # share of all steps over which the learning rate rises
    adam_epsilon: float = 1e-8
    keras_epsilon: bool = False  # Keras adds epsilon before the second moment's bias is corrected, torch afterwards
    head_first: bool = False  # fit the classifier on frozen features before the epochs begin
    head_views: int = 3  # on the images as they are and, while that helps, augmented up to so many times less one
    freeze_batch_norm: bool = False  # keep the pretrained running statistics
    backbone_lr: float = 1.0  # the backbone's learning rate, as a share of the classifier's
    layer_decay: float = 1.0  # each part nearer to the image learns so much slower than the next
    label_smoothing: float = 0.0
    average: float = (
        0.0  # horizon of the weights' moving average, which is validated and shipped, as a share of all steps; 0: none
    )
    frozen_parts: int = 0  # so many of the network's first parts learn nothing
    fake_quantized: bool = False  # computes as if in eight bits
    of_clips: bool = False  # for recurrent heads, which `--temporal` asks for
    of_pruned: bool = False  # for networks that `--prune` made smaller; a repeated command names it
    mixed_precision: bool = False  # bfloat16 where the processor computes in it
    grows: bool = False  # the first epochs may have smaller images, where a time budget does not suffice for all
    dropout: float | None = None  # None: the network's own
    clip_each_norm: float | None = None  # each parameter's gradient norm (Keras's clipnorm)
    model: str | None = None  # the network that the recipe is for, where it is for one
    imgsz: int | None = None
    normalization: Normalization | None = None


# What all recipes but the lecture's have in common; the values that are nothing here differ in each
_ADAMW = Recipe(
    name="",
    epochs=0,
    lr=0.0,
    optimizer="adamw",
    weight_decay=0.02,
    schedule="cosine",
    warmup=0.1,
    augmentation="light",
    preprocess=PreprocessSpec(decode="scaled"),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        # From pretrained weights: the classifier first, on cached features, then everything with the running statistics
        # left alone, which small data sets cannot estimate. Nothing renormalises then, so single steps throw the
        # answers about; the average of the weights does not follow them (docs/benchmarks.md has what each choice gave).
        replace(
            _ADAMW,
            name="transfer",
            epochs=6,
            lr=3e-4,
            head_first=True,
            average=0.1,
            freeze_batch_norm=True,
            dropout=0.0,  # on a fitted classifier it doubled the loss, and fine-tuning first had to repair that
            mixed_precision=True,
            grows=True,
        ),
        # For images unlike those the weights come from: everything moves, the running statistics too, and the weights'
        # average is kept.
        replace(
            _ADAMW,
            name="adapt",
            epochs=12,
            lr=1e-3,
            head_first=True,
            dropout=0.0,
            average=0.07,
            mixed_precision=True,
        ),
        # For a network that --prune made smaller: it keeps the classifier, and learns from the network before. A
        # learning rate of 3e-4 gave more than 1e-4 (docs/pruning.md).
        replace(
            _ADAMW,
            name="pruned",
            of_pruned=True,
            epochs=6,
            lr=3e-4,
            dropout=0.0,
            average=0.1,
            freeze_batch_norm=True,
            mixed_precision=True,
        ),
        replace(
            _ADAMW,
            name="scratch",
            epochs=30,
            lr=2e-3,
            label_smoothing=0.02,
            average=0.03,
            mixed_precision=True,
        ),
        # Clips, on the embeddings of a frozen CNN: the recurrent head alone.
        replace(
            _ADAMW,
            name="recurrent-head",
            of_clips=True,
            epochs=40,
            lr=2e-3,
            augmentation="none",
            average=0.03,
        ),
        # Clips, the CNN and its recurrent head together.
        replace(
            _ADAMW,
            name="recurrent",
            of_clips=True,
            epochs=30,
            lr=2e-3,
            average=0.03,
            mixed_precision=True,
        ),
        # From a trained checkpoint, for a network that eight bits harm: small steps, the statistics as they are, 32-bit
        # floats between the roundings.
        replace(
            _ADAMW,
            name="qat",
            epochs=4,
            lr=3e-4,
            weight_decay=0.0,
            average=0.1,
            freeze_batch_norm=True,
            fake_quantized=True,
        ),
        # The lecture's, as Keras runs it: Adam's epsilon is 1e-7 there, clipnorm holds for each parameter alone, its
        # image loader resizes to nearest neighbour.
        Recipe(
            name="classic",
            epochs=20,
            lr=1e-5,
            optimizer="adam",
            weight_decay=0.0,
            schedule="constant",
            augmentation="none",
            preprocess=PreprocessSpec(interpolation="nearest"),
            adam_epsilon=1e-7,
            keras_epsilon=True,
            clip_each_norm=1.0,
            model="threeconv",
            imgsz=150,
            normalization=Normalization(0, 255.0),
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Returns the recipe that a user can choose by this name. Raises :class:`UsageError` if there is none."""
    if name not in RECIPES or RECIPES[name].of_clips:
        known = [r.name for r in RECIPES.values() if not (r.fake_quantized or r.of_clips or r.of_pruned)]
        raise UsageError(f"--preset {name}: unknown recipe; choose one of {', '.join(known)}")
    if RECIPES[name].fake_quantized:
        raise UsageError(f"--preset {name}: trains on from a checkpoint; give --qat CHECKPOINT, without --preset")
    return RECIPES[name]
