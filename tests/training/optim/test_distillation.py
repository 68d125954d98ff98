"""Learning from a larger network: its answers, and which images it finds alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgecnn.manifest import Normalization
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.distillation import Answers, AnswersWithFeatures, Teacher

_RULE = Normalization(0, 255.0)


class _Pooled(ImageClassifier):
    """Features: the mean of each colour."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, 2)

    def features(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


@pytest.fixture
def network() -> _Pooled:
    torch.manual_seed(0)
    return _Pooled()


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (6, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def _own(network: _Pooled, images: Tensor) -> Answers:
    logits, features = AnswersWithFeatures(network)(images.permute(0, 3, 1, 2) / 255)
    return Answers(logits.detach(), features)


@pytest.fixture
def teacher(network: _Pooled) -> Teacher:
    return Teacher(network, (8, 8), _RULE, torch.device("cpu"))


def test_a_student_that_answers_as_the_teacher_has_the_loss_of_the_labels_alone(
    network: _Pooled, teacher: Teacher, images: Tensor
) -> None:
    labels = torch.arange(6.0)
    found = teacher.blend(labels, _own(network, images), images.numpy())
    torch.testing.assert_close(found, 0.3 * labels, atol=1e-4, rtol=0)


def test_features_may_be_turned_scaled_shifted_and_wider_for_only_likeness_counts(
    network: _Pooled, teacher: Teacher, images: Tensor
) -> None:
    own = _own(network, images)
    assert own.features is not None
    turned = torch.linalg.qr(torch.randn(5, 3, generator=torch.Generator().manual_seed(2))).Q  # [5, 3]
    wider = 7 * own.features @ turned.T + 2  # [6, 5]
    labels = torch.zeros(6)
    found = teacher.blend(labels, Answers(own.logits, wider), images.numpy())
    torch.testing.assert_close(found, labels, atol=1e-4, rtol=0)


def test_other_likeness_costs_and_the_gradient_lessens_it(network: _Pooled, teacher: Teacher, images: Tensor) -> None:
    own = _own(network, images)
    student = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    labels = torch.zeros(6)
    losses = []
    for _ in range(50):
        total = teacher.blend(labels, Answers(own.logits, student), images.numpy()).sum()
        (gradient,) = torch.autograd.grad(total, student)
        student = (student - 0.005 * gradient).detach().requires_grad_()
        losses.append(float(total.detach()))
    assert losses[0] > 1
    assert losses[-1] < losses[0] / 4


def test_one_image_has_nothing_to_be_compared_with(network: _Pooled, teacher: Teacher, images: Tensor) -> None:
    labels = torch.ones(1)
    found = teacher.blend(labels, _own(network, images[:1]), images[:1].numpy())
    torch.testing.assert_close(found, 0.3 * labels, atol=1e-4, rtol=0)


def test_equal_images_have_a_finite_loss_and_gradient(network: _Pooled, teacher: Teacher) -> None:
    same = torch.full((2, 8, 8, 3), 9, dtype=torch.uint8)  # features without any spread
    own = _own(network, same)
    assert own.features is not None
    student = own.features.clone().requires_grad_()
    found = teacher.blend(torch.zeros(2), Answers(own.logits, student), same.numpy())
    (gradient,) = torch.autograd.grad(found.sum(), student)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()


def test_without_features_the_answers_alone_are_learned(network: _Pooled, teacher: Teacher, images: Tensor) -> None:
    own = Answers(_own(network, images).logits, None)
    labels = torch.ones(6)
    torch.testing.assert_close(teacher.blend(labels, own, images.numpy()), 0.3 * labels, atol=1e-4, rtol=0)
