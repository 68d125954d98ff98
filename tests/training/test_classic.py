"""The classic recipe: the lecture's network trained as Keras trains it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.manifest import InputSpec
from edgecnn.preprocess import fit
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.learner import Learner
from edgecnn.training.loop import train
from edgecnn.training.models.threeconv import ThreeConv
from edgecnn.training.options import TrainOptions
from edgecnn.training.recipe import find_recipe
from edgecnn.training.setup import build_network, resolve_options


@pytest.fixture
def classic() -> Learner:
    """A network of the recipe, for images of 32 pixels, before its first step."""
    setup = resolve_options(TrainOptions(data=Path(), preset="classic", imgsz=32, device="cpu"))
    torch.manual_seed(0)
    return Learner(build_network(setup, ("cat", "dog")), setup, seed=0)


def _batch(count: int = 6) -> TrainingBatch:
    random = np.random.default_rng(4)
    images = random.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    targets = np.eye(2, dtype=np.float32)[random.integers(0, 2, count)]
    return TrainingBatch(images, targets, np.ones(count, np.float32), np.arange(count), count)


def test_the_recipe_without_options_is_the_lectures() -> None:
    options = TrainOptions(data=Path("cats-dogs"), preset="classic")
    setup = resolve_options(options)
    assert (setup.spec.name, setup.imgsz, setup.recipe.epochs, setup.recipe.lr) == ("threeconv", 150, 20, 1e-5)
    assert (options.batch, options.val_split, options.test_split) == (32, 0.2, 0.0)
    assert (setup.recipe.schedule, setup.recipe.warmup, setup.recipe.augmentation, setup.recipe.head_first) == (
        "constant",
        0.0,
        "none",
        False,
    )
    assert not setup.pretrained
    assert setup.start_from is None


def test_the_optimizer_is_adam_with_the_epsilon_of_keras_and_no_decay(classic: Learner) -> None:
    assert type(classic.optimizer) is torch.optim.Adam
    assert {(g["eps"], g["lr"], g["betas"], g["weight_decay"], g["share"]) for g in classic.optimizer.param_groups} == {
        (1e-7, 1e-5, (0.9, 0.999), 0.0, 1.0)
    }
    assert sum(len(g["params"]) for g in classic.optimizer.param_groups) == len(list(classic.network.parameters()))


def test_the_first_step_moves_each_weight_by_the_learning_rate_against_its_gradient(classic: Learner) -> None:
    """Adam's first step as Keras takes it.

    Lr * g / (|g| + epsilon / sqrt(1 - 0.999)), whatever the size of the gradient.
    """
    before = [p.detach().clone() for p in classic.network.parameters()]
    classic.step(_batch(), 0, 100)
    for old, new in zip(before, classic.network.parameters(), strict=True):
        assert new.grad is not None
        torch.testing.assert_close(
            new.detach() - old, -1e-5 * new.grad / (new.grad.abs() + 1e-7 / math.sqrt(1 - 0.999)), rtol=1e-3, atol=2e-8
        )


def test_each_parameters_gradient_is_clipped_to_norm_one_on_its_own(classic: Learner) -> None:
    with torch.no_grad():
        classic.network.classifier.weight.mul_(300)  # large gradients below it, while its own bias's stays below 1
    gradients: dict[str, list[torch.Tensor]] = {}
    for name, clip in (("raw", None), ("clipped", find_recipe("classic").clip_each_norm)):
        classic.use(replace(find_recipe("classic"), clip_each_norm=clip))
        classic.backward(_batch())
        gradients[name] = [p.grad.clone() for p in classic.network.parameters() if p.grad is not None]
    norms = [float(g.norm()) for g in gradients["raw"]]
    assert max(norms) > 2
    assert 0 < min(norms) < 1
    for raw, clipped, norm in zip(gradients["raw"], gradients["clipped"], norms, strict=True):
        torch.testing.assert_close(clipped, raw / max(norm, 1.0), rtol=1e-4, atol=1e-7)


def test_weights_are_glorot_uniform_and_biases_zero() -> None:
    torch.manual_seed(0)
    for module in ThreeConv(2, 32).modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            receptive = math.prod(module.weight.shape[2:])
            bound = math.sqrt(6 / (receptive * (module.weight.shape[0] + module.weight.shape[1])))
            assert float(module.weight.detach().abs().max()) <= bound * (1 + 1e-6)
            assert float(module.weight.detach().abs().max()) > 0.97 * bound
            assert float(module.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.06)
            assert not module.bias.detach().any()


def test_images_are_resized_to_the_nearest_pixel() -> None:
    """Half-pixel centres, as in TensorFlow and Pillow.

    Of six pixels in three, the second, fourth and sixth; of five in two, 1.25 and 3.75.
    """
    spec = resolve_options(TrainOptions(data=Path(), preset="classic")).recipe.preprocess
    ramp = np.arange(36, dtype=np.uint8).reshape(6, 6, 1).repeat(3, 2)
    assert fit(ramp, InputSpec(3, 3), spec)[..., 0].tolist() == [[7, 9, 11], [19, 21, 23], [31, 33, 35]]
    assert fit(ramp[:5, :5], InputSpec(2, 2), spec)[..., 0].tolist() == [[7, 9], [19, 21]]


def test_pixels_are_divided_by_255(classic: Learner) -> None:
    seen: list[torch.Tensor] = []
    hook = classic.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    batch = _batch()
    classic.backward(batch)
    hook.remove()
    np.testing.assert_allclose(seen[0].permute(0, 2, 3, 1).numpy(), batch.images / 255, rtol=1e-6)


def test_one_logit_is_trained_with_binary_cross_entropy(classic: Learner) -> None:
    batch = _batch()
    with torch.no_grad():
        logit = classic.network(torch.from_numpy(batch.images / np.float32(255)).permute(0, 3, 1, 2)).double().numpy()
    assert logit.shape == (6, 1)
    p = 1 / (1 + np.exp(-logit[:, 0]))
    labels = batch.targets[:, 1]
    by_hand = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    assert classic.backward(batch) == pytest.approx(by_hand, rel=1e-4)


def test_the_recipe_trains_end_to_end_with_a_constant_rate_on_four_fifths(images: Path, tmp_path: Path) -> None:
    result = train(
        TrainOptions(data=images, out=tmp_path / "run", preset="classic", imgsz=32, epochs=2, device="cpu", workers=2)
    )
    assert (result.model, result.train_images, result.val_images, result.epochs) == ("threeconv", 32, 8, 2)
    rows = (tmp_path / "run" / "results.csv").read_text().splitlines()[1:]
    assert [float(row.split(",")[5]) for row in rows] == [1e-5, 1e-5]
