"""Resolves the options of a training run before the first image is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import nn

from edgecnn.data.loading import default_workers
from edgecnn.errors import CheckpointError, InputNotFoundError, UsageError
from edgecnn.image_size import MAX_SIDE, MIN_SIDE, ImageSize, height_width, pixel_limit, show_image_size
from edgecnn.manifest import InputSpec, Normalization, PreprocessSpec
from edgecnn.training.data.augment import Augmentation, find_augmentation
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import OWN, own_spec
from edgecnn.training.models.registry import ModelSpec, find_model
from edgecnn.training.models.weights import load_pretrained
from edgecnn.training.optim.progressive_size import smaller_size
from edgecnn.training.options import TrainOptions
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.recipe import RECIPES, Recipe, find_recipe
from edgecnn.training.run.checkpoint import load_checkpoint

__all__ = ["RECIPE_OPTIONS", "Setup", "build_network", "last_linear", "resolve_options"]

_DEFAULT_MODEL = "efficientnet_lite0"
_OWN_IMGSZ = 224  # pixels, of a network of the caller's own
_TINY_IMGSZ = 64

# Options that replace the recipe's value of the same name; the repeat command has the resulting values
RECIPE_OPTIONS = ("epochs", "lr", "layer_decay")


_CLIP_OPTIONS = ("supervision", "per_frame", "backbone", "steps_per_s", "fps")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The resolved setup of a run: network, recipe, image size, device and starting weights."""

    recipe: Recipe  # with the options' changes
    augmentation: Augmentation
    spec: ModelSpec
    normalization: Normalization
    imgsz: ImageSize
    device: torch.device
    pretrained: bool  # from the registry package
    start_from: Path | None  # a checkpoint whose weights the run starts from
    loader_threads: int
    compiled: bool  # by torch.compile
    small_imgsz: ImageSize | None = None  # of the epochs that come first; None: there are none of smaller images
    frozen_backbone: bool = False  # a recurrent head learns on a CNN that does not

    @property
    def preprocess(self) -> PreprocessSpec:
        """How an image becomes the network's input."""
        return replace(self.recipe.preprocess, pad_value=self.normalization.zero_point)

    @property
    def input(self) -> InputSpec:
        """The network's input."""
        return InputSpec(*height_width(self.imgsz))

    @property
    def cached(self) -> InputSpec:
        """Size of the images that augmentation takes its crops from."""
        height, width = (round(side * self.augmentation.margin) for side in height_width(self.imgsz))
        return InputSpec(height, width)


def resolve_options(options: TrainOptions, network: nn.Module | ModelSpec | None = None) -> Setup:
    """Resolves all options without a value. ``network`` is a custom network of the caller.

    Raises:
        UsageError: an option has an invalid value.
        InputNotFoundError, CheckpointError: the checkpoint to start from does not exist, or cannot be read.
    """
    _refuse_clip_options(options)
    preset = find_recipe(options.preset) if options.preset else None
    if options.qat is not None:
        return _as_in_eight_bits(options, options.qat, network)
    return _resolved(options, preset, network)


def _resolved(options: TrainOptions, preset: Recipe | None, network: nn.Module | ModelSpec | None) -> Setup:
    start_from = _start(options.weights)
    spec = _as_pruned(_spec(options, preset, network), start_from)
    pretrained = options.weights == "auto" and spec.weights is not None and not (preset and preset.model)
    known = pretrained or start_from is not None
    frozen = _freezes_backbone(options, known=known)
    _check_prune(options, spec, known=known)
    recipe = preset or RECIPES[_usual_recipe(options, known=known, frozen=frozen)]
    imgsz = options.imgsz or recipe.imgsz or spec.imgsz
    _require(
        all(MIN_SIDE <= side <= MAX_SIDE for side in height_width(imgsz)),
        f"--imgsz {show_image_size(imgsz)}: expected {MIN_SIDE} to {MAX_SIDE} pixels",
    )
    recipe = replace(
        recipe,
        **{name: value for name in RECIPE_OPTIONS if (value := getattr(options, name)) is not None},
        augmentation=options.augment or _augmentation(recipe, imgsz),
        preprocess=replace(recipe.preprocess, decode=options.decode or recipe.preprocess.decode),
        mixed_precision=recipe.mixed_precision and options.precision != "fp32",
    )
    augmentation = find_augmentation(recipe.augmentation)
    _require(options.batch >= 1, f"--batch {options.batch}: expected a batch size of at least 1")
    _require(recipe.lr > 0, f"--lr {recipe.lr:g}: expected above 0")
    _require(0 < recipe.layer_decay <= 1, f"--layer-decay {recipe.layer_decay:g}: expected above 0, at most 1")
    _require(
        recipe.epochs >= (0 if recipe.head_first or options.prune is not None else 1),
        f"--epochs {recipe.epochs}: expected at least 1 (0: the classifier alone, with pretrained weights, or pruning "
        "alone)",
    )
    _require(
        options.time_budget_min is None or options.time_budget_min > 0,
        f"--time-budget {options.time_budget_min}: expected minutes above 0",
    )
    _require(
        options.patience is None or options.patience >= 1, f"--patience {options.patience}: expected epochs, at least 1"
    )
    pixel_limit(options.max_megapixels)
    small = _small_imgsz(options, recipe, spec, imgsz)
    device = _device(options.device)
    return Setup(
        recipe=recipe,
        augmentation=augmentation if options.flip else augmentation.without_flips(),
        spec=spec,
        normalization=recipe.normalization or spec.normalization,
        imgsz=imgsz,
        device=device,
        pretrained=pretrained,
        start_from=start_from,
        # one thread keeps two cores busy with the network; a GPU is fed by as many as read images
        loader_threads=(options.workers or default_workers()) if device.type == "cuda" else 1,
        compiled=options.compile,
        small_imgsz=small,
        frozen_backbone=frozen,
    )


def _refuse_clip_options(options: TrainOptions) -> None:
    """Refuses options of clips without ``--temporal``, which nothing would read. A resumed run has its own options."""
    if options.temporal is not None or options.resume:
        return
    usual = {field.name: field.default for field in fields(options)}
    given = next((name for name in _CLIP_OPTIONS if getattr(options, name) != usual[name]), None)
    if given is not None:
        raise UsageError(f"--{given.replace('_', '-')}: is for clips; add --temporal gru, or leave it out")


def _freezes_backbone(options: TrainOptions, *, known: bool) -> bool:
    """Whether only a recurrent head learns. ``known``: the network has trained weights."""
    return options.temporal is not None and (options.backbone == "frozen" or (options.backbone == "auto" and known))


def _usual_recipe(options: TrainOptions, *, known: bool, frozen: bool) -> str:
    """The recipe where none is chosen. ``known``: the network has trained weights; ``frozen``: and they stay."""
    if options.prune is not None:
        return "pruned"
    if options.temporal is None:
        return "transfer" if known else "scratch"
    return "recurrent-head" if frozen else "recurrent"


def _as_pruned(spec: ModelSpec, start_from: Path | None) -> ModelSpec:
    """The network with the widths of the checkpoint to start from. Another network's checkpoint is refused later."""
    if start_from is None:
        return spec
    checkpoint = load_checkpoint(start_from)
    return narrowed(spec, checkpoint.widths) if checkpoint.model == spec.name else spec


def _check_prune(options: TrainOptions, spec: ModelSpec, *, known: bool) -> None:
    """``known``: the network has trained weights."""
    if options.prune is None:
        return
    _require(
        0 < options.prune < 1,
        f"--prune {options.prune:g}: expected a share of the multiply-accumulates above 0, below 1",
    )
    _require(spec.name != OWN, "--prune: is for built-in networks; leave it out, or prune your network before training")
    _require(known, "--prune: needs trained weights to choose from; give a checkpoint by --weights FILE")


def _start(weights: str) -> Path | None:
    """The checkpoint that ``--weights`` names, if it names one."""
    if weights in ("auto", "none"):
        return None
    if not Path(weights).exists():
        raise InputNotFoundError(f"--weights {weights}: no such checkpoint; give auto, none, or a checkpoint file")
    return Path(weights)


def _as_in_eight_bits(options: TrainOptions, checkpoint: Path, network: nn.Module | ModelSpec | None) -> Setup:
    """Sets up quantization-aware training; the checkpoint defines the network and its preprocessing."""
    given = {
        "--model": options.model,
        "--preset": options.preset,
        "--imgsz": options.imgsz,
        "--weights": options.weights != "auto" or None,
        "--prune": options.prune,
    }
    for name, value in given.items():
        _require(value is None, f"--qat {checkpoint}: the checkpoint defines this; omit {name}")
    found = load_checkpoint(checkpoint)
    manifest, model = found.manifest, found.model if network is None else None
    _require(
        options.decode in (None, manifest.preprocess.decode),
        f"--qat {checkpoint}: the checkpoint defines this; omit --decode",
    )
    begun = replace(
        options, qat=None, model=model, weights=str(checkpoint), imgsz=(manifest.input.height, manifest.input.width)
    )
    setup = _resolved(begun, RECIPES["qat"], network)
    recipe = replace(setup.recipe, preprocess=manifest.preprocess, normalization=manifest.normalization)
    return replace(setup, recipe=recipe, normalization=manifest.normalization)


def _augmentation(recipe: Recipe, imgsz: ImageSize) -> str:
    """Returns the augmentation. Small images get none of the recipes' crops, which would leave too little."""
    return "tiny" if recipe.augmentation == "light" and min(height_width(imgsz)) <= _TINY_IMGSZ else recipe.augmentation


def _small_imgsz(options: TrainOptions, recipe: Recipe, spec: ModelSpec, imgsz: ImageSize) -> ImageSize | None:
    """Size of the images of epochs that come first; None: no epoch may have smaller ones."""
    given, smaller = options.small_epochs, smaller_size(imgsz)
    # torch.compile takes minutes for each size; a teacher enlarges images again, and takes as long for them as before
    slow = (options.compile and not options.resume) or options.teacher is not None
    if slow or spec.one_size or spec.name == OWN or not recipe.grows:
        smaller = None
    if given and not options.resume:
        _require(0 < given <= recipe.epochs, f"--small-epochs {given}: expected 0 to {recipe.epochs}, the epochs")
        _require(
            smaller is not None,
            f"--small-epochs {given}: is for --preset transfer, a built-in network of any size and --imgsz 150 or "
            "larger, without --teacher and --compile; leave it out",
        )
        _require(
            options.time_budget_min is None,
            f"--small-epochs {given}: --time-budget plans them; leave one of the two out",
        )
    return None if given == 0 else smaller


def _spec(options: TrainOptions, preset: Recipe | None, network: nn.Module | ModelSpec | None) -> ModelSpec:
    if network is None:
        return find_model(options.model or (preset.model if preset and preset.model else _DEFAULT_MODEL))
    _require(
        options.model is None, f"model={options.model!r} and a custom network cannot be combined; give only one of them"
    )
    return network if isinstance(network, ModelSpec) else own_spec(network, options.imgsz or _OWN_IMGSZ)


def build_network(setup: Setup, labels: tuple[str, ...]) -> ImageClassifier:
    """Builds the network with its starting weights. The classifier is new if the classes differ.

    Raises:
        MissingExtraError, CheckpointError, InputNotFoundError: the weights are not available.
    """
    network = _from_checkpoint(setup, labels) if setup.start_from else _fresh(setup, labels)
    if setup.recipe.dropout is not None:
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = setup.recipe.dropout
    return network


def _fresh(setup: Setup, labels: tuple[str, ...]) -> ImageClassifier:
    if not setup.pretrained or setup.spec.weights is None:
        return setup.spec.build(len(labels), setup.imgsz)
    network = setup.spec.build(setup.spec.weights.classes, setup.imgsz)
    load_pretrained(network, setup.spec.weights)
    _replace_classifier(network, setup, len(labels))
    return network


def _from_checkpoint(setup: Setup, labels: tuple[str, ...]) -> ImageClassifier:
    assert setup.start_from is not None
    checkpoint = load_checkpoint(setup.start_from)
    if checkpoint.model != setup.spec.name:
        raise CheckpointError(
            f"{setup.start_from}: is a checkpoint of {checkpoint.model}, but the run trains "
            f"{setup.spec.name}; add --model "
            f"{checkpoint.model}"
        )
    before = checkpoint.manifest.input
    if setup.spec.one_size and before != setup.input:
        size = show_image_size((before.height, before.width))
        raise CheckpointError(f"{setup.start_from}: was trained at {size} pixels; add --imgsz {size}")
    network = checkpoint.build()
    if checkpoint.manifest.labels != labels:
        if setup.recipe.fake_quantized:
            known, found = (", ".join(names[:6]) for names in (checkpoint.manifest.labels, labels))
            raise CheckpointError(
                f"{setup.start_from}: knows {known}, the data holds {found}; --qat goes on with its own classes"
            )
        _replace_classifier(network, setup, len(labels))
    return network


def _replace_classifier(network: ImageClassifier, setup: Setup, classes: int) -> None:
    network.classifier = setup.spec.build(classes, setup.imgsz).classifier


def last_linear(network: ImageClassifier) -> nn.Linear:
    """Returns the last linear layer of the classifier."""
    layers = [m for m in network.classifier.modules() if isinstance(m, nn.Linear)]
    if not layers:
        raise UsageError("this network has no final linear layer to fit before fine-tuning; use --preset scratch")
    return layers[-1]


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no CUDA device; install a CUDA build of torch and the driver, or use "
            "--device cpu"
        )
    # each process that torchrun starts has a GPU of its own
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if name == "cuda" else torch.device(name)


def _require(holds: bool, message: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not holds:
        raise UsageError(message)
