"""One step: what moves, what stays, what is averaged and what is taught."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.errors import CheckpointError
from edgecnn.training.data.augment import find_augmentation
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.learner import Learner, cpu_weights
from edgecnn.training.optim.distillation import load_teacher
from edgecnn.training.optim.lr_finder import find_learning_rate
from edgecnn.training.optim.progressive_size import EpochPlan
from edgecnn.training.optim.time_budget import plan_epochs
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.setup import Setup, build_network, resolve_options


def _setup(**recipe: object) -> Setup:
    setup = resolve_options(TrainOptions(data=Path(), model="resnet8", weights="none", device="cpu", precision="fp32"))
    return replace(setup, recipe=replace(setup.recipe, lr=0.01, **recipe))  # type: ignore[arg-type]


def _learner(setup: Setup, seed: int = 0) -> Learner:
    torch.manual_seed(3)
    return Learner(build_network(setup, ("a", "b", "c")), setup, seed)


def _batch(count: int = 8, weights: np.ndarray | None = None) -> TrainingBatch:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    targets = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    return TrainingBatch(
        images, targets, np.ones(count, np.float32) if weights is None else weights, np.arange(count), count
    )


def _apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[k].float() - b[k].float()).abs().max()) for k in a)


def test_steps_on_one_batch_make_its_loss_smaller() -> None:
    learner = _learner(_setup())
    losses = [learner.step(_batch(), at, 40) for at in range(20)]
    assert losses[-1] < losses[0] / 2


def test_an_images_weight_multiplies_its_part_of_the_gradient() -> None:
    setup = _setup(freeze_batch_norm=True)  # else each image's features depend on the others
    twice, shown_twice = _learner(setup), _learner(setup)
    weights = np.ones(8, np.float32)
    weights[0] = 2.0
    twice.backward(_batch(weights=weights))
    batch = _batch()
    again = [*range(8), 0]
    shown_twice.backward(
        TrainingBatch(batch.images[again], batch.targets[again], np.ones(9, np.float32), np.arange(9), 8)
    )
    for a, b in zip(twice.network.parameters(), shown_twice.network.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)


def test_frozen_statistics_stay_to_the_bit_and_free_ones_move() -> None:
    for freeze in (True, False):
        learner = _learner(_setup(freeze_batch_norm=freeze))
        before = {k: v.clone() for k, v in learner.network.named_buffers()}
        learner.step(_batch(), 0, 10)
        assert all(torch.equal(v, before[k]) for k, v in learner.network.named_buffers()) == freeze


def test_frozen_parts_stay_to_the_bit() -> None:
    setup = resolve_options(
        TrainOptions(data=Path(), model="efficientnet_lite0", weights="none", device="cpu", imgsz=32)
    )
    setup = replace(setup, recipe=replace(setup.recipe, lr=0.01, frozen_parts=4))
    torch.manual_seed(3)
    learner = Learner(build_network(setup, ("a", "b", "c")), setup, 0)
    before = cpu_weights(learner.network)
    learner.step(_batch(), 0, 10)
    after = cpu_weights(learner.network)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(("stem", "blocks.0.", "blocks.1.", "blocks.2.")) for name in moved)
    assert any(name.startswith("blocks.3.") for name in moved)


def test_parts_nearer_to_the_image_learn_more_slowly_and_the_classifier_fastest() -> None:
    setup = resolve_options(
        TrainOptions(data=Path(), model="efficientnet_lite0", weights="none", device="cpu", imgsz=32, layer_decay=0.8)
    )
    setup = replace(setup, recipe=replace(setup.recipe, backbone_lr=0.5))
    learner = Learner(build_network(setup, ("a", "b")), setup, 0)
    share = {id(p): group["share"] for group in learner.optimizer.param_groups for p in group["params"]}
    assert len(share) == len(list(learner.network.parameters()))
    parts = [*learner.network.early_parts(), learner.network.get_submodule("head")]
    found = [{share[id(p)] for p in part.parameters()} for part in parts]
    assert all(len(shares) == 1 for shares in found)
    rates = [shares.pop() for shares in found]
    assert rates == pytest.approx([0.5 * 0.8 ** (len(parts) - 1 - depth) for depth in range(len(parts))])
    assert {share[id(p)] for p in learner.network.classifier.parameters()} == {1.0}


def test_the_average_lies_between_the_start_and_the_trained_weights_and_is_what_is_evaluated() -> None:
    learner = _learner(_setup(average=0.5))
    learner.begin()
    start = cpu_weights(learner.evaluated)
    for at in range(30):
        learner.step(_batch(), at, 60)
    trained, average = cpu_weights(learner.network), cpu_weights(learner.evaluated)
    assert 0 < _apart(average, trained) < _apart(start, trained)
    assert learner.evaluated is not learner.network


def test_a_constant_network_is_its_own_average() -> None:
    learner = _learner(_setup(average=0.5, freeze_batch_norm=True))
    learner.use(replace(_setup(average=0.5, freeze_batch_norm=True).recipe, lr=0.0))
    before = cpu_weights(learner.network)
    for at in range(5):
        learner.step(_batch(), at, 10)
    assert _apart(cpu_weights(learner.evaluated), before) < 1e-6


def test_a_learner_resumed_from_its_state_steps_as_if_it_had_gone_on() -> None:
    setup = _setup(average=0.3)
    first, second = _learner(setup), _learner(setup)
    for at in range(4):
        first.step(_batch(), at, 20)
    second.resume(cpu_weights(first.evaluated), copy.deepcopy(first.state()))
    for at in range(4, 8):
        first.step(_batch(), at, 20)
        second.step(_batch(), at, 20)
    for a, b in ((first.network, second.network), (first.evaluated, second.evaluated)):
        assert _apart(cpu_weights(a), cpu_weights(b)) == 0


def test_timing_steps_changes_nothing() -> None:
    learner = _learner(_setup())
    before = cpu_weights(learner.network)
    plan = plan_epochs(learner, _batch(), 10, 0.1, 60, _setup().recipe, TrainOptions(data=Path(), time_budget_min=1.0))
    assert plan.epochs >= 1
    assert plan.step_s > 0
    assert _apart(cpu_weights(learner.network), before) == 0
    assert not learner.optimizer.state


@pytest.mark.parametrize(("own", "of_all"), [(9, 1), (1, 9)])
def test_all_processes_time_the_steps_that_the_leading_one_times(own: int, of_all: int) -> None:
    """However many epochs fit by a process's own clock: a step waits for all, so one that is left out stops a run."""
    learner, asked, told = _learner(_setup()), [], []

    def small() -> TrainingBatch:
        asked.append(1)
        return _batch()

    def agree(plan: EpochPlan) -> EpochPlan:
        told.append(plan.epochs)
        return EpochPlan(of_all)

    options = TrainOptions(data=Path(), time_budget_min=0.0)
    plan_epochs(learner, _batch(), 0, 1.0, own + 0.5, _setup().recipe, options, small, agree)  # an epoch takes 1 s
    assert told == [own]
    assert bool(asked) == (of_all < own)


def test_the_learning_rate_search_leaves_the_network_alone_and_stops_where_the_loss_breaks_out() -> None:
    setup = _setup()
    learner = _learner(setup)
    before = cpu_weights(learner.network)
    found = find_learning_rate(learner.network, setup, [_batch()], lambda *_: None)
    assert _apart(cpu_weights(learner.network), before) == 0
    assert found.suggestion == pytest.approx(found.least_at / 10, rel=0.1)
    assert 1e-6 < found.suggestion <= 0.1
    assert min(found.losses) < found.losses[0]


def test_a_student_of_a_teacher_comes_to_answer_as_the_teacher_does(trained: TrainResult) -> None:
    setup = resolve_options(TrainOptions(data=Path(), model="threeconv", weights="none", device="cpu", imgsz=32))
    setup = replace(setup, recipe=replace(setup.recipe, lr=1e-3))
    teacher = load_teacher(Path(trained.best_checkpoint), ("circle", "square"), torch.device("cpu"))
    batch = replace(_batch(), targets=np.full((8, 2), 0.5, np.float32))  # the labels say nothing

    def distance(learner: Learner) -> float:
        """Between the student's and the teacher's logit differences."""
        with torch.no_grad():
            inputs = torch.from_numpy(batch.images).permute(0, 3, 1, 2).float()
            student = learner.network.eval()(inputs / 255)[:, 0]
            shown, _ = teacher._answers(batch.images)
        return float((student - (shown[:, 1] - shown[:, 0])).abs().mean())

    torch.manual_seed(0)
    learner = Learner(build_network(setup, ("circle", "square")), setup, 0, teacher=teacher)
    before = distance(learner)
    for at in range(60):
        learner.step(batch, at, 100)
    assert distance(learner) < before / 3


def test_a_teacher_of_other_classes_is_refused_with_both_lists(trained: TrainResult) -> None:
    with pytest.raises(CheckpointError, match=r"circle, square.*cat, dog"):
        load_teacher(Path(trained.best_checkpoint), ("cat", "dog"), torch.device("cpu"))


def test_a_teacher_never_learns(trained: TrainResult) -> None:
    teacher = load_teacher(Path(trained.best_checkpoint), ("circle", "square"), torch.device("cpu"))
    assert not any(p.requires_grad for p in teacher._network.parameters())
    assert not any(m.training for m in teacher._network.modules() if isinstance(m, nn.BatchNorm2d))


def test_tiny_images_are_shifted_instead_of_cropped_unless_told_otherwise() -> None:
    tiny = TrainOptions(data=Path(), model="resnet8", weights="none", device="cpu")
    assert resolve_options(tiny).augmentation == find_augmentation("tiny")
    assert resolve_options(replace(tiny, imgsz=96)).augmentation == find_augmentation("light")
    assert resolve_options(replace(tiny, augment="light")).augmentation == find_augmentation("light")
    assert resolve_options(replace(tiny, preset="classic", imgsz=32)).augmentation == find_augmentation("none")
