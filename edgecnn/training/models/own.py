"""Custom networks: splits a network into features and classifier, like the built-in ones.

Its last linear layer becomes the classifier, and what goes into that layer the features, so that features can be
cached, the classifier fitted on them, and both exported. Which layer that is, one forward pass tells.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from edgecnn._version import __version__
from edgecnn.error_text import first_line
from edgecnn.errors import UsageError
from edgecnn.image_size import ImageSize, height_width
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import ModelSpec

__all__ = ["OWN", "OwnNetwork", "own_manifest", "own_network", "own_spec"]

OWN = "custom"
"""What a checkpoint says in place of a built-in network's name."""

_EXAMPLES = 4  # images of noise that a network is tried on
_TOLERANCE = 1e-4


class OwnNetwork(ImageClassifier):
    """A custom network in two parts; ``classifier`` passes everything through where there is no last linear layer."""

    memory_format: ClassVar[torch.memory_format] = (
        torch.contiguous_format
    )  # user code may flatten activations with `view`

    def __init__(self, body: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.classifier = classifier

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> what goes into the last linear layer, ``[N, D]``.

        The logits where there is none.
        """
        features: Tensor = self.body(images.contiguous())
        return features


def own_network(network: nn.Module, classes: int, imgsz: ImageSize, classifier: str | None = None) -> OwnNetwork:
    """A copy of a network as an :class:`ImageClassifier`, on the CPU; the network itself is left as it is.

    Args:
        network: normalised images, float ``[N, 3, H, W]``, to logits ``[N, classes]``, or ``[N, 1]`` for
            two classes.
        classes: how many there are to tell apart.
        imgsz: size of the images, in pixels.
        classifier: name of the last linear layer, as ``network.named_modules()`` gives it; None: found by a forward
            pass.

    Raises:
        UsageError: the network does not take such images, gives something else than logits for so many classes, or
            ``classifier`` is not its last layer.
    """
    if isinstance(network, OwnNetwork):  # split already
        same = copy.deepcopy(network).cpu().eval()
        _check_logits(same, _run(same, _examples(imgsz))[0], classes)
        return same.train()
    name = type(network).__name__
    body = copy.deepcopy(network).cpu().eval()
    if next(body.parameters(), None) is None:
        raise UsageError(f"{name}: the network has no parameters to train; give a network with layers")
    examples = _examples(imgsz)
    expected, last = _run(body, examples)
    _check_logits(network, expected, classes)
    whole = copy.deepcopy(body)
    wanted = last if classifier is None else classifier
    made = None if wanted is None else _split(body, wanted)
    if made is not None and _agree(made, examples, expected):
        return made.train()
    if classifier is not None:
        raise UsageError(
            f"{name}: '{classifier}' is not the linear layer that gives its logits; leave classifier out, or name "
            "that layer"
        )
    return OwnNetwork(whole, nn.Identity()).train()


def own_spec(
    network: nn.Module,
    imgsz: ImageSize = 224,
    normalization: Normalization | None = None,
    classifier: str | None = None,
) -> ModelSpec:
    """A network of your own as training takes it.

    Args:
        network: as :func:`own_network` takes it; its weights are where training begins.
        imgsz: size of the images that it is made for, in pixels.
        normalization: of the pixels that it takes; None: ``(pixel - 127) / 128``.
        classifier: name of its last linear layer; None: found.
    """
    return ModelSpec(
        OWN,
        lambda classes, size: own_network(network, classes, size, classifier),
        imgsz,
        normalization or Normalization(),
    )


def own_manifest(
    labels: Sequence[str],
    imgsz: ImageSize,
    normalization: Normalization | None = None,
    preprocess: PreprocessSpec | None = None,
) -> Manifest:
    """The manifest of a network that was trained elsewhere: what its file has to say of it.

    Args:
        labels: of its logits, in order.
        imgsz: size of the images that it takes, in pixels.
        normalization: of the pixels that it takes; None: ``(pixel - 127) / 128``.
        preprocess: how its images were resized in training; None: stretched, by area.
    """
    return Manifest(
        labels=tuple(labels),
        input=InputSpec(*height_width(imgsz)),
        preprocess=preprocess or PreprocessSpec(),
        normalization=normalization or Normalization(),
        unknown=UnknownRule(),
        training=TrainingRecord(model=OWN, run="", data_sha256="", val_top1=None, seed=None),
        created_by=f"edgecnn {__version__}",
    )


def _examples(imgsz: ImageSize) -> Tensor:
    return torch.randn(_EXAMPLES, 3, *height_width(imgsz), generator=torch.Generator().manual_seed(0))


def _run(network: nn.Module, images: Tensor) -> tuple[Tensor, str | None]:
    """What the network gives, and the name of the linear layer whose output that is."""
    calls: list[tuple[str, object]] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: calls.append((name, output)))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        with torch.no_grad():
            found = network(images)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:  # the user's code, on images that it may not be made for
        raise UsageError(
            f"{type(network).__name__}: does not take images [N, 3, {images.shape[2]}, {images.shape[3]}]: "
            f"{first_line(error)}; "
            "correct the network, or give the imgsz that it was built for"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return found, next((name for name, output in calls if output is found), None)


def _check_logits(network: nn.Module, found: object, classes: int) -> None:
    name = type(network).__name__
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != _EXAMPLES or not found.is_floating_point():
        shape = f"[{', '.join(map(str, found.shape))}]" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise UsageError(
            f"{name}: gave {shape} for {_EXAMPLES} images, expected logits [{_EXAMPLES}, {classes}]; "
            "return only the logits"
        )
    if found.shape[1] != classes and not (found.shape[1] == 1 and classes == 2):
        raise UsageError(
            f"{name}: gives {found.shape[1]} logits, there are {classes} classes; give it a last layer with "
            f"{classes} outputs"
        )
    if found.shape[1] > 1 and bool((found >= 0).all()) and bool(((found.sum(1) - 1).abs() < 1e-5).all()):
        raise UsageError(f"{name}: gives probabilities, expected logits; remove its softmax; the export adds one")


def _split(body: nn.Module, classifier: str) -> OwnNetwork | None:
    """Takes a linear layer out of a network; None where it has no such layer."""
    linear = dict(body.named_modules()).get(classifier)
    if not isinstance(linear, nn.Linear):
        return None
    if linear is body:
        return OwnNetwork(nn.Identity(), linear)
    body.set_submodule(classifier, nn.Identity())
    return OwnNetwork(body, linear)


def _agree(made: OwnNetwork, images: Tensor, expected: Tensor) -> bool:
    """Whether the two parts are the whole: a layer may be used twice, or something may follow it."""
    try:
        with torch.no_grad():
            features = made.features(images)
            return features.ndim == 2 and torch.allclose(
                made.classifier(features), expected, rtol=_TOLERANCE, atol=_TOLERANCE
            )
    except (
        RuntimeError,
        TypeError,
        AttributeError,
    ):  # the user's code may access the layer that was removed
        return False
