"""Class-activation maps (Zhou et al., 2016, arXiv 1512.04150) of a model file, on the device and without torch.

Where a network averages its last feature map and puts a linear classifier on the averages, the logit of a class is the
mean over the positions of what each position adds to it. The feature map becomes one more output of the graph, in
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelError
from edgecnn.features.linear_head import LinearHead
from edgecnn.preprocess import Image
from edgecnn.runtime.onnx_file.graph_parts import add_float_output, needed_nodes, part_of, tensor_info
from edgecnn.runtime.onnx_file.linear_part import read_linear_part
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.why.feature_map import FeatureMap, NoMapError, find_feature_map

__all__ = ["ActivationMaps", "ClassMap", "NoMapError"]

_OUTPUTS = ("why_map", "why_features", "why_logits")
_MOST_CHANNELS, _MOST_WEIGHTS, _MOST_NODES = 16_384, 30_000_000, 32  # EfficientNet-Lite0 has 1,280 x 1,000 weights
_LINEAR = frozenset(
    (
        *("Gemm", "MatMul", "Conv", "Add", "Sub", "Mul", "Div", "BatchNormalization", "Constant", "Pad", "Concat"),
        *("Identity", "Dropout", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
        *("QuantizeLinear", "DequantizeLinear"),
    )
)
_HIDDEN = "its classifier is not linear: there is a hidden layer between the averages and the logits"
_LARGEST_DIFFERENCE = 1e-3  # between the sum of a map and its logit, as a share of the largest logit


@dataclass(frozen=True, eq=False)
class ClassMap:
    """What each position of an image adds to the logit of a class."""

    index: int  # of the class
    values: NDArray[np.float32]  # [h, w]; their mean and the bias make the logit
    bias: float
    logit: float  # after the temperature. Of a network with one logit, the first class has the negative of it
    # [h, w]: what each position adds to the logit above that of the mean class, with its share of the bias
    support: NDArray[np.float32]

    @property
    def heat(self) -> NDArray[np.float32]:
        """``[h, w]``, 0 to 1: where the class is favoured; all 0 where it is nowhere.

        The bias makes up for features that are never below 0, so a position has the more of it the more active the
        network is there. Without it, a place that merely shows something seems to favour the class of the smaller bias;
        spread evenly, an empty place that of the larger one.
        """
        positive = np.maximum(self.support, 0)
        return np.asarray(positive / max(float(positive.max()), float(np.finfo(np.float32).tiny)), np.float32)


class ActivationMaps:
    """Computes maps with a model file, on the CPU provider with one thread.

    Args:
        file: a model file that was admitted already.

    Raises:
        NoMapError: the graph gives no map.
        ModelError, ProviderError: onnxruntime cannot open it with more outputs, or not run it.
    """

    def __init__(self, file: ModelFile) -> None:
        model = parse_model(file.content, file.path, with_data=True)
        found = find_feature_map(model)
        self._channels_last = found.channels_last
        self._session = _with_outputs(model, file, found)
        grey = np.full((1, *self._session.input_shape), 127, np.uint8)
        places, shape, answers = (values.shape[1:] for values in self._session.named(_OUTPUTS, grey))
        _check_shapes(places, shape, answers, self._session.classes, channels_last=self._channels_last)
        head = _classifier(model, file, found, shape, self._session.fixed_batch)
        self.one_logit = len(head.bias) == 1 or (len(head.bias) == 2 and not head.weight[0].any())
        """Whether the network has one logit, of the second of two classes."""

        self._weight, self._bias = head.weight.astype(np.float32), head.bias
        if self.one_logit:
            self._weight = np.stack([-self._weight[-1], self._weight[-1]])
            self._bias = np.array([-self._bias[-1], self._bias[-1]])

    def maps(self, image: Image, classes: Sequence[int]) -> list[ClassMap]:
        """The maps of some classes.

        Args:
            image: at the model's input size, uint8 ``[H, W, 3]`` RGB.
            classes: their indices.

        Raises:
            NoMapError: a map does not add up to its logit.
            ProviderError: the model failed.
        """
        values, averages, logits = (found[0] for found in self._session.named(_OUTPUTS, image[None]))
        channels = values.transpose(2, 0, 1) if self._channels_last else values  # [C, h, w]
        # What the averages were rounded by, in an int8 file, is spread evenly over the positions
        channels = channels + (averages.reshape(-1) - channels.mean((1, 2)))[:, None, None]
        answers = logits.reshape(-1)
        if self.one_logit:
            answers = np.array([-answers[-1], answers[-1]])
        activity = np.linalg.norm(channels, axis=0)
        activity /= max(float(activity.mean()), float(np.finfo(np.float32).tiny))
        return [self._map(channels, answers, activity, index) for index in classes]

    def _map(
        self, channels: NDArray[np.float32], logits: NDArray[np.float32], activity: NDArray[np.float32], index: int
    ) -> ClassMap:
        values = np.tensordot(self._weight[index], channels, 1)
        bias, logit = float(self._bias[index]), float(logits[index])
        difference = abs(float(values.mean()) + bias - logit)
        if not difference <= _LARGEST_DIFFERENCE * max(1.0, float(np.abs(logits).max())):
            raise NoMapError("its feature map does not add up to the logit")
        above = self._weight[index] - self._weight.mean(0), bias - float(self._bias.mean())
        support = np.tensordot(above[0], channels, 1) + above[1] * activity
        return ClassMap(index, np.asarray(values, np.float32), bias, logit, np.asarray(support, np.float32))


def _with_outputs(model: Any, file: ModelFile, found: FeatureMap) -> ModelSession:
    """The model, open with more outputs."""
    edited = type(model)()
    edited.CopyFrom(model)
    for name, tensor in zip(_OUTPUTS, (found.values, found.features, found.logits), strict=True):
        add_float_output(edited.graph, tensor, name)
    content = edited.SerializeToString()
    # Its memory is needed for a moment only
    options = RunOptions(threads=1, arena=False)
    return open_session(ModelFile(file.path, content, file.sha256), "cpu", trusted=True, options=options)


def _check_shapes(
    places: tuple[int, ...], averages: tuple[int, ...], logits: tuple[int, ...], classes: int, *, channels_last: bool
) -> None:
    """Compares what the outputs give per image. Raises :class:`NoMapError`."""
    if len(places) != 3:  # channels, height and width
        raise NoMapError(f"its feature map has {len(places)} axes, expected channels, height and width")
    channels = places[-1] if channels_last else places[0]
    if averages != (channels, *[1] * (len(averages) - 1)):
        raise NoMapError("its classifier does not take one average per channel")
    expected = (2, 1) if classes == 2 else (classes,)  # of two classes, one logit is enough
    if int(np.prod(logits)) not in expected:
        raise NoMapError(f"it has {int(np.prod(logits))} logits for {classes} classes")
    if channels > _MOST_CHANNELS or channels * classes > _MOST_WEIGHTS:
        raise NoMapError(f"its classifier has {channels} x {classes} weights, too many to be read")


def _classifier(
    model: Any, file: ModelFile, found: FeatureMap, shape: tuple[int, ...], batch: int | None
) -> LinearHead:
    """Reads the classifier, which takes averages ``[N, *shape]``. Raises :class:`NoMapError` where it is not linear."""
    nodes = needed_nodes(model.graph.node, found.logits, {found.features})
    # It runs once for every channel, so a hostile file could make it take hours
    others = [node.op_type for node in nodes if node.op_type not in _LINEAR]
    if others or len(nodes) > _MOST_NODES:
        raise NoMapError(_HIDDEN if others else f"its classifier has {len(nodes)} nodes, more than {_MOST_NODES}")
    start = tensor_info(model, found.features, (batch, *shape))
    try:
        head = read_linear_part(part_of(model, start, found.logits), shape[0], batch)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ModelError(f"{file.path}: its classifier cannot be run alone: {ort_reason(error)}") from error
    if head is None:
        raise NoMapError(_HIDDEN)
    return head
