"""The unknown score on torch: what it measures, when it is taken, and that a checkpoint brings it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecnn.errors import CheckpointError
from edgecnn.evaluation.ood_threshold import rejected
from edgecnn.manifest import UnknownRule
from edgecnn.training.calibration.ood_score import Energy, FeatureDistance, build_score, fit_unknown, spread
from edgecnn.training.result import TrainResult
from edgecnn.training.run.checkpoint import load_checkpoint, save_checkpoint

WIDTH = 64


def features(count: int, seed: int, first: int = 0) -> torch.Tensor:
    """Non-negative features that live on ten directions, as those of one kind of image do, and a little noise."""
    directions = torch.rand(20, WIDTH, generator=torch.Generator().manual_seed(7))[first : first + 10]
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 10, generator=generator) @ directions + 0.02 * torch.rand(
        count, WIDTH, generator=generator
    )


def logits(count: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(5))


def test_features_of_another_kind_are_rejected_and_new_ones_of_the_same_kind_are_not() -> None:
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100))
    assert fit.rule.score == "feature_distance"
    score = build_score(fit.rule, fit.tensors)
    assert score is not None
    same, other = score(features(500, 2), logits(500)).numpy(), score(features(500, 3, first=10), logits(500)).numpy()
    assert rejected(fit.rule, same).mean() < 0.12
    assert rejected(fit.rule, other).mean() > 0.95


def test_the_distance_is_the_norm_of_the_residual_outside_the_subspace() -> None:
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100))
    mean, basis = (fit.tensors[k].double().numpy() for k in ("mean", "basis"))
    assert np.allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)
    f = features(20, 4).double().numpy()
    z = f / np.linalg.norm(f, axis=1, keepdims=True) - mean
    found = FeatureDistance(fit.tensors["mean"], fit.tensors["basis"])(torch.from_numpy(f).float(), logits(20)).numpy()
    assert np.allclose(found, np.linalg.norm(z - z @ basis @ basis.T, axis=1), atol=1e-4)


def test_the_distance_does_not_change_with_the_length_of_the_features() -> None:
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100))
    score = build_score(fit.rule, fit.tensors)
    assert score is not None
    assert torch.allclose(score(features(20, 4), logits(20)), score(7 * features(20, 4), logits(20)), atol=1e-4)


def test_features_of_zeros_have_a_finite_distance() -> None:
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100))
    score = build_score(fit.rule, fit.tensors)
    assert score is not None
    assert torch.isfinite(score(torch.zeros(2, WIDTH), logits(2))).all()


def test_the_energy_is_higher_where_all_logits_are_low() -> None:
    low, high = Energy()(torch.zeros(2, WIDTH), torch.tensor([[0.1, 0.2], [0.1, 9.0]])).tolist()
    assert low > high == pytest.approx(-9.0, abs=1e-3)


@pytest.mark.parametrize(
    ("train", "why"),
    [
        (features(19, 0), "too few images"),
        (features(100, 0)[:, :7], "too few features"),
        (torch.ones(100, WIDTH), "all alike"),
        (torch.full((100, WIDTH), float("nan")), "no numbers"),
    ],
)
def test_features_that_carry_no_distance_leave_the_largest_probability(train: torch.Tensor, why: str) -> None:
    fit = fit_unknown(train, features(100, 1)[:, : train.shape[1]], logits(100))
    assert fit.rule.score == "max_probability", why
    assert not fit.tensors
    assert 0 < fit.rule.false_reject_rate <= 0.05


def test_the_threshold_on_probabilities_is_for_those_after_temperature() -> None:
    hot, cold = (fit_unknown(features(9, 0), features(100, 1), logits(100), temperature=t).rule for t in (2.0, 0.5))
    for rule, t in ((hot, 2.0), (cold, 0.5)):
        assert rejected(rule, (logits(100) / t).softmax(1).amax(1).numpy()).mean() == pytest.approx(
            rule.false_reject_rate
        )
    assert hot.threshold < cold.threshold


@pytest.mark.parametrize(("train", "val"), [(32, 8), (50, 10), (200, 39)])
def test_with_few_validation_images_training_images_help_to_fit_the_threshold(train: int, val: int) -> None:
    fit = fit_unknown(features(train, 0), features(val, 1), logits(val))
    assert fit.rule.score == "feature_distance"
    assert not fit.rule.off
    score = build_score(fit.rule, fit.tensors)
    assert score is not None
    same, other = score(features(500, 2), logits(500)).numpy(), score(features(500, 3, first=10), logits(500)).numpy()
    assert rejected(fit.rule, same).mean() < 0.12
    assert rejected(fit.rule, other).mean() > 0.95


def test_fewer_than_40_images_in_all_give_a_rule_that_is_off() -> None:
    fit = fit_unknown(features(31, 0), features(8, 1), logits(8))
    assert fit.rule == UnknownRule()
    assert fit.rule.off


def test_probabilities_of_training_images_tell_nothing_of_others() -> None:
    flat = torch.ones(200, WIDTH)  # features that carry no distance
    assert fit_unknown(flat, torch.ones(39, WIDTH), logits(39)).rule.off
    assert not fit_unknown(flat, torch.ones(40, WIDTH), logits(40)).rule.off


@pytest.mark.parametrize("score", ["max_probability", "energy", "feature_distance"])
def test_a_score_can_be_asked_for_by_name(score: str) -> None:
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100), score=score)
    assert fit.rule.score == score
    assert bool(fit.tensors) is (score == "feature_distance")


def test_a_distance_without_its_tensors_is_refused() -> None:
    with pytest.raises(CheckpointError, match="basis"):
        build_score(UnknownRule("feature_distance", 0.5, 0.05), {})
    with pytest.raises(CheckpointError, match="basis"):
        fit_unknown(features(3, 0), features(100, 1), logits(100), score="feature_distance")


def test_the_images_it_is_fitted_on_are_spread_evenly() -> None:
    assert spread(5) == [0, 1, 2, 3, 4]
    assert spread(101, 3) == [0, 50, 100]
    assert len(set(spread(12345))) == 1000


def test_a_checkpoint_brings_the_score_back_and_one_without_is_read(trained: TrainResult, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(Path(trained.best_checkpoint))
    fit = fit_unknown(features(200, 0), features(100, 1), logits(100))
    save_checkpoint(
        tmp_path / "with.pt",
        replace(checkpoint, manifest=checkpoint.manifest.replace(unknown=fit.rule), unknown=fit.tensors),
    )
    found = load_checkpoint(tmp_path / "with.pt")
    assert found.manifest.unknown == fit.rule
    assert all(torch.equal(found.unknown[k], fit.tensors[k]) for k in ("mean", "basis"))
    content = torch.load(tmp_path / "with.pt", weights_only=True)
    for key in ("unknown", "unknown_sha256"):
        content.pop(key)
    torch.save(content, tmp_path / "older.pt")
    assert load_checkpoint(tmp_path / "older.pt").unknown == {}


def test_few_validation_images_and_features_from_scratch_give_no_threshold() -> None:
    assert fit_unknown(features(200, 0), features(39, 1), logits(39), cross_fit=False).rule.off
    assert not fit_unknown(features(200, 0), features(39, 1), logits(39)).rule.off
    assert not fit_unknown(features(200, 0), features(40, 1), logits(40), cross_fit=False).rule.off
