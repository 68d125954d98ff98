"""Features of images as the device sees them are computed once for one state of a network."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import write_shapes
from torch import Tensor, nn

from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import Decoded, Image
from edgecnn.training.answers import answering
from edgecnn.training.data.exact_features import ExactFeatures
from edgecnn.training.data.pixel_cache import PixelCache, PixelPlan
from edgecnn.training.loop import train
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import find_model
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult

SIDE, IMAGES = 8, 6


@pytest.fixture
def pixels(tmp_path: Path) -> PixelCache:
    """Image ``i`` is all ``i``."""
    plan = PixelPlan(tmp_path, InputSpec(SIDE, SIDE), InputSpec(SIDE, SIDE), PreprocessSpec())
    cache = PixelCache(plan, IMAGES)
    with cache.writing():
        for i in range(IMAGES):
            cache.write(i, Decoded.whole(np.full((SIDE, SIDE, 3), i, np.uint8)))
    return cache


class Asked:
    """Stands for a network: the feature of an image is its grey level; remembers which it was asked for."""

    def __init__(self) -> None:
        self.levels: list[int] = []

    def __call__(self, images: Image) -> Tensor:
        levels = [int(image[0, 0, 0]) for image in images]
        self.levels += levels
        return torch.tensor(levels, dtype=torch.float32)[:, None]


@pytest.fixture
def network() -> ImageClassifier:
    return find_model("resnet8").build(2, 32)


def test_features_are_computed_once_while_only_the_classifier_changes(
    pixels: PixelCache, network: ImageClassifier
) -> None:
    features, asked = ExactFeatures(pixels, 2, range(IMAGES)), Asked()
    assert features.of(network, [4, 1, 4, 0], asked).flatten().tolist() == [4, 1, 4, 0]
    assert asked.levels == [4, 1, 0]
    nn.init.ones_(network.head_parameters()[0])
    assert features.of(network, [0, 2, 1], asked).flatten().tolist() == [0, 2, 1]
    assert asked.levels == [4, 1, 0, 2]


@pytest.mark.parametrize("what", ["weight", "statistic"])
def test_a_network_that_learned_is_asked_again(pixels: PixelCache, network: ImageClassifier, what: str) -> None:
    features, asked = ExactFeatures(pixels, 2, range(IMAGES)), Asked()
    features.of(network, [1, 2], asked)
    below = network.parameters() if what == "weight" else network.buffers()
    next(iter(below)).data += 1e-3
    features.of(network, [1, 2], asked)
    assert asked.levels == [1, 2, 1, 2]


def test_other_precision_is_asked_for_again(pixels: PixelCache, network: ImageClassifier) -> None:
    features, asked = ExactFeatures(pixels, 2, range(IMAGES)), Asked()
    features.of(network, [1, 2], asked, mixed=True)
    features.of(network, [1, 2], asked)
    assert asked.levels == [1, 2, 1, 2]


def test_only_what_is_to_be_kept_is_and_nothing_of_very_many(
    pixels: PixelCache, network: ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, asked = ExactFeatures(pixels, 2, [1]), Asked()
    for _ in range(2):
        assert some.of(network, [1, 2], asked).flatten().tolist() == [1, 2]
    assert asked.levels == [1, 2, 2]
    monkeypatch.setattr("edgecnn.training.data.exact_features._MOST_KEPT", 5)
    none, asked = ExactFeatures(pixels, 2, range(IMAGES)), Asked()
    for _ in range(2):
        none.of(network, [1], asked)
    assert asked.levels == [1, 1]


def test_progress_counts_what_was_known(pixels: PixelCache, network: ImageClassifier) -> None:
    features, told = ExactFeatures(pixels, 2, range(IMAGES)), list[tuple[int, int]]()
    features.of(network, [5], Asked())
    features.of(network, range(IMAGES), Asked(), progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 6), (5, 6), (6, 6)]


@pytest.mark.parametrize(("worth", "views"), [(0.99, 2), (math.inf, 3)])
def test_a_run_without_epochs_computes_each_image_once_a_view(
    worth: float,
    views: int,
    trained: TrainResult,
    small_options: Callable[..., TrainOptions],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Validation images once, training images once a view, of which three are where they help; nothing at the end."""
    monkeypatch.setattr("edgecnn.training.images.beginning._WORTH_ANOTHER", worth)
    computed, features = [0], answering.Answering.features

    def counted(self: answering.Answering, inputs: Tensor) -> Tensor:
        computed[0] += len(inputs)
        return features(self, inputs)

    monkeypatch.setattr(answering.Answering, "features", counted)
    three = write_shapes(tmp_path / "data", 20, side=40, first_seed=900)
    shutil.copytree(three / "circle", three / "another")  # a new class: the classifier is fitted anew
    done = train(small_options(tmp_path / "run", data=three, weights=trained.best_checkpoint, epochs=0))
    assert computed[0] == views * done.train_images + done.val_images
