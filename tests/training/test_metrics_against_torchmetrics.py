"""Every figure of our own against torchmetrics, on random answers of several shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)
from torchmetrics.functional.regression import kl_divergence

from edgecnn.evaluation.metrics import Metrics, compute_metrics, mean_kl

CASES = {
    "two classes": (2, 200, 1.0),
    "five, sharp": (5, 300, 6.0),
    "forty, some never shown": (40, 60, 3.0),
    "one image": (3, 1, 1.0),
}


@pytest.fixture(params=CASES, scope="module")
def case(request: pytest.FixtureRequest) -> tuple[Metrics, torch.Tensor, torch.Tensor]:
    """Our figures, the probabilities and the truth."""
    classes, count, sharpness = CASES[request.param]
    random = np.random.default_rng(classes)
    truth = random.integers(0, classes, count)
    logits = sharpness * random.standard_normal((count, classes)) + 2 * np.eye(classes)[truth]
    probabilities = torch.softmax(torch.from_numpy(logits), 1)
    found = compute_metrics(probabilities.numpy(), truth.tolist(), tuple(f"class {i}" for i in range(classes)))
    return found, probabilities, torch.from_numpy(truth)


def test_top1_top5_and_macro_f1_agree(case: tuple[Metrics, torch.Tensor, torch.Tensor]) -> None:
    found, p, y = case
    classes = p.shape[1]
    assert found.top1 == pytest.approx(float(multiclass_accuracy(p, y, classes, average="micro")), abs=1e-6)
    assert found.macro_f1 == pytest.approx(float(multiclass_f1_score(p, y, classes, average="macro")), abs=1e-6)
    if classes >= 5:
        assert found.top5 == pytest.approx(
            float(multiclass_accuracy(p, y, classes, average="micro", top_k=5)), abs=1e-6
        )
    else:
        assert found.top5 is None


def test_the_confusion_matrix_agrees(case: tuple[Metrics, torch.Tensor, torch.Tensor]) -> None:
    found, p, y = case
    assert np.array_equal(found.confusion, multiclass_confusion_matrix(p, y, p.shape[1]).numpy())


def test_the_figures_of_each_class_agree_where_they_mean_anything(
    case: tuple[Metrics, torch.Tensor, torch.Tensor],
) -> None:
    found, p, y = case
    theirs = {
        "precision": multiclass_precision(p, y, p.shape[1], average=None),
        "recall": multiclass_recall(p, y, p.shape[1], average=None),
        "f1": multiclass_f1_score(p, y, p.shape[1], average=None),
    }
    for name, values in theirs.items():
        ours = [getattr(c, name) for c in found.per_class]
        assert [0.0 if v is None else v for v in ours] == pytest.approx(values.tolist(), abs=1e-6), (
            name
        )  # torchmetrics gives 0 for what is undefined


def test_the_calibration_error_agrees(case: tuple[Metrics, torch.Tensor, torch.Tensor]) -> None:
    found, p, y = case
    assert found.ece == pytest.approx(
        float(multiclass_calibration_error(p, y, p.shape[1], n_bins=15, norm="l1")), abs=1e-5
    )


def test_the_negative_log_likelihood_agrees_with_torch(case: tuple[Metrics, torch.Tensor, torch.Tensor]) -> None:
    found, p, y = case
    assert found.nll == pytest.approx(float(torch.nn.functional.nll_loss(p.log(), y)), abs=1e-6)


def test_the_divergence_agrees() -> None:
    p, q = (torch.softmax(torch.from_numpy(np.random.default_rng(s).standard_normal((50, 7))), 1) for s in (1, 2))
    assert mean_kl(p.numpy(), q.numpy()) == pytest.approx(float(kl_divergence(p, q)), abs=1e-6)
