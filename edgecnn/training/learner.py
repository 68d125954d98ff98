"""Trains a network step by step, with optimizer, exponential moving average (EMA) and optional teacher."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecnn.errors import UsageError
from edgecnn.image_size import height_width, show_image_size
from edgecnn.training.data.loader import TrainingBatch
from edgecnn.training.layers.batch_norm import BATCH_NORMS, fewest_values
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.optim.distillation import Answers, AnswersWithFeatures, Teacher
from edgecnn.training.optim.distributed import ALONE, World
from edgecnn.training.optim.fake_quantization import fake_quantized, ranges, set_ranges
from edgecnn.training.optim.precision import mixed_precision
from edgecnn.training.optim.schedule import learning_rate
from edgecnn.training.recipe import Recipe
from edgecnn.training.setup import Setup
from edgecnn.training.tensors import loss, normalize

__all__ = ["Batch", "BatchLearner", "Learner", "StepBatch", "cpu_weights"]

_DRAWS_PER_RUN = (
    1_000_003  # a prime above any run's steps: seeds of dropout do not repeat from one run's seed to the next
)


class StepBatch(Protocol):
    """What a step needs to know of its batch."""

    @property
    def weights(self) -> NDArray[np.float32]:
        """``[N]``, of each example's loss."""
        ...

    @property
    def indices(self) -> NDArray[np.int64]:
        """``[N]``, places in the training set."""
        ...

    @property
    def whole(self) -> int:
        """Examples of the step over all processes."""
        ...


Batch = TypeVar("Batch", bound=StepBatch)


class BatchLearner(Generic[Batch]):
    """The state that a training step changes: network, optimizer and EMA. Subclasses say what is learned."""

    def __init__(
        self,
        network: ImageClassifier,
        setup: Setup,
        seed: int,
        world: World = ALONE,
    ) -> None:
        self.network, self._setup, self._seed, self._world = network, setup, seed, world
        self._frozen = _freeze(network, setup.recipe)
        self.optimizer = _optimizer(network, setup.recipe)
        self.ema: ImageClassifier | None = None
        self._shared: nn.Module | None = None
        self._rounding: nn.Module | None = None  # the network as if in eight bits, where the recipe trains so
        self._ranges: dict[str, Tensor] = {}  # that a resumed run rounds in

    @property
    def evaluated(self) -> ImageClassifier:
        """The network that is validated and exported: the EMA if there is one."""
        return self.network if self.ema is None else self.ema

    def use(self, recipe: Recipe) -> None:
        """Continues with another recipe: its learning rates and its loss, not its optimizer."""
        self._setup = replace(self._setup, recipe=recipe)

    def check_batch(self, images: int) -> None:
        """Checks that batch normalization can estimate statistics from a step.

        Args:
            images: of this process in the smallest step.

        Raises:
            UsageError: a layer would get one value per channel.
        """
        if images > 1:
            return
        self._train()
        size = self._setup.imgsz
        image = torch.zeros(1, 3, *height_width(size), device=self._setup.device)
        if fewest_values(self.network, image) == 1:
            raise UsageError(
                f"--batch {images}: at --imgsz {show_image_size(size)} batch normalization of {self._setup.spec.name} "
                "gets one value per channel from a step of one image, which has no variance; give --batch 2 or larger"
                + (", or start fewer processes" if self._world.size > 1 else "")
            )

    def begin(self) -> None:
        """Starts the EMA and the sharing of gradients. Call this before the first step."""
        if self._setup.recipe.fake_quantized:
            self._rounding = fake_quantized(self.network, self._setup.imgsz)
            set_ranges(self._rounding, self._ranges)
        if self._setup.recipe.average and self.ema is None:
            self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self._shared = self._world.share(self._rounding or self.trained())
        if self._setup.compiled:
            self._shared = torch.compile(self._shared)  # type: ignore[assignment]

    def trained(self) -> nn.Module:
        """The module that :meth:`losses` gets, where nothing is rounded: the network, or one that returns more."""
        return self.network

    def step(self, batch: Batch, at: int, steps: int, rate_at: float | None = None) -> float:
        """Runs one of ``steps`` steps; returns the mean loss of this process's examples, in nats.

        ``rate_at`` is the step whose learning rate it has; None: its own.
        """
        torch.manual_seed(self._seed * _DRAWS_PER_RUN + at)  # dropout: a resumed run draws what it would have drawn
        rate = learning_rate(self._setup.recipe, at if rate_at is None else rate_at, steps)
        self._set_rates(at, rate)
        value = self.backward(batch)
        self.optimizer.step()
        self._update_ema(at, steps)
        return value

    def backward(self, batch: Batch) -> float:
        """Computes the gradients. Changes nothing else, except batch-norm statistics that are not frozen."""
        recipe = self._setup.recipe
        if self._shared is None:
            self.begin()
        assert self._shared is not None
        self._train()
        each = self.losses(batch, self._shared)
        total = (each * torch.from_numpy(batch.weights).to(each.device)).sum()
        self.optimizer.zero_grad(set_to_none=True)
        # the processes' gradients are averaged, so each one's part is weighed by how many processes there are
        (total * self._world.size / batch.whole).backward()  # type: ignore[no-untyped-call]
        if recipe.clip_each_norm is not None:
            for parameter in self.network.parameters():
                nn.utils.clip_grad_norm_([parameter], recipe.clip_each_norm)
        return float(total.detach()) / len(batch.indices)

    @abstractmethod
    def losses(self, batch: Batch, network: nn.Module) -> Tensor:
        """The loss of each example of the batch ``[N]``, in nats, by the network as it is trained."""

    def state(self) -> dict[str, Any]:
        """Returns what a resumed run needs besides the evaluated weights."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "network": cpu_weights(self.network) if self.ema is not None else None,
            "ranges": ranges(self._rounding) if self._rounding is not None else {},
        }

    def resume(self, evaluated: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Restores :meth:`state` and the weights of the evaluated network."""
        raw = state["network"]
        self.network.load_state_dict(evaluated if raw is None else raw)
        self.optimizer.load_state_dict(state["optimizer"])
        self._ranges = state.get("ranges", {})  # a run begun by an earlier version has none
        if raw is not None:
            self.ema = copy.deepcopy(self.network).requires_grad_(False)
            self.ema.load_state_dict(evaluated)

    def _set_rates(self, at: int, rate: float) -> None:
        recipe = self._setup.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
            if recipe.keras_epsilon:
                group["eps"] = recipe.adam_epsilon / math.sqrt(1 - group["betas"][1] ** (at + 1))

    def _update_ema(self, at: int, steps: int) -> None:
        """Updates the EMA with the new weights. The first steps have more weight, so that it does not lag behind."""
        if self.ema is None:
            return
        horizon = max(1.0, self._setup.recipe.average * steps)
        share = max(1 / horizon, 9 / (10 + at))
        with torch.no_grad():
            for kept, new in zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(new, share)
                else:
                    kept.copy_(new)

    def _train(self) -> None:
        self.network.train()
        for module in self.network.modules():
            if isinstance(module, BATCH_NORMS) and self._setup.recipe.freeze_batch_norm:
                module.eval()
        for module in self._frozen:
            module.eval()


class Learner(BatchLearner[TrainingBatch]):
    """Learns from images, and from a teacher if there is one."""

    def __init__(
        self, network: ImageClassifier, setup: Setup, seed: int, world: World = ALONE, teacher: Teacher | None = None
    ) -> None:
        super().__init__(network, setup, seed, world)
        self._teacher = teacher

    def trained(self) -> nn.Module:
        """A teacher compares features too."""
        return self.network if self._teacher is None else AnswersWithFeatures(self.network)

    def losses(self, batch: TrainingBatch, network: nn.Module) -> Tensor:
        """The loss of each image ``[N]``, in nats."""
        setup = self._setup
        inputs = normalize(batch.images, setup.normalization, setup.device)
        targets = torch.from_numpy(batch.targets).to(setup.device)
        with mixed_precision(setup.device, wanted=setup.recipe.mixed_precision):
            found = network(inputs)
        logits, features = (found, None) if isinstance(found, Tensor) else found
        each = loss(logits.float(), targets, setup.recipe.label_smoothing)  # [N]
        return each if self._teacher is None else self._teacher.blend(each, Answers(logits, features), batch.images)


def cpu_weights(network: nn.Module) -> dict[str, Tensor]:
    """Returns a copy of the weights on the CPU."""
    return {k: v.detach().cpu().clone().contiguous() for k, v in network.state_dict().items()}


def _freeze(network: ImageClassifier, recipe: Recipe) -> list[nn.Module]:
    """Freezes the first parts of the network if the recipe says so.

    They detect general features such as edges, and take the most time to train.
    """
    parts = network.early_parts()[: recipe.frozen_parts]
    for part in parts:
        part.requires_grad_(False)
    return parts


def _optimizer(network: ImageClassifier, recipe: Recipe) -> torch.optim.Optimizer:
    """Creates the optimizer with parameter groups by learning rate and weight decay; biases and norms have no decay."""
    shares = _shares(network, recipe)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault((shares[id(parameter)], parameter.ndim > 1), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": found, "share": share, "weight_decay": recipe.weight_decay if decays else 0.0}
        for (share, decays), found in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=recipe.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(settings, lr=recipe.lr, eps=recipe.adam_epsilon)


def _shares(network: ImageClassifier, recipe: Recipe) -> dict[int, float]:
    """Returns the factor of the learning rate for each parameter, by its id.

    It is 1 for the classifier and smaller for the backbone, the smaller the earlier the layer: discriminative
    fine-tuning (Howard and Ruder, arXiv 1801.06146).
    """
    shares = {id(p): recipe.backbone_lr for p in network.parameters()}
    parts = network.early_parts()
    for depth, part in enumerate(parts):
        shares |= {id(p): recipe.backbone_lr * recipe.layer_decay ** (len(parts) - depth) for p in part.parameters()}
    return shares | {id(p): 1.0 for p in network.head_parameters()}
