"""The features of a network as an ONNX graph, for the training machine itself: written without torch's exporter.

``exporters`` writes the files of devices with torch's exporter, which takes any network and several seconds. This takes
the layers of the built-in networks alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, fx, nn

from edgecnn.training.answers.folded import FoldedConvolution
from edgecnn.training.layers.convolution import Convolution, SameConv
from edgecnn.training.models.base import ImageClassifier

__all__ = ["UnknownLayerError", "features_graph"]

_OPSET, _IR_VERSION = 17, 8
_SIMPLE: dict[type[nn.Module], str] = {
    nn.Dropout: "Identity",  # in evaluation mode
    nn.Hardswish: "HardSwish",
    nn.Identity: "Identity",
    nn.ReLU: "Relu",
}


class UnknownLayerError(Exception):
    """The network has a layer that this module does not know, or decides by values."""


def features_graph(network: ImageClassifier) -> bytes:
    """A model file of :meth:`~edgecnn.training.models.base.ImageClassifier.features`.

    ``image`` float ``[N, 3, H, W]`` -> ``features`` ``[N, D]``, in 32-bit floats, for any image size.

    Raises:
        UnknownLayerError: the network cannot be written so.
    """
    root = _Features(network)
    try:
        traced = _Tracer().trace(root)
    except Exception as error:  # whatever a network of the user's own does with what is no tensor
        raise UnknownLayerError(str(error)) from error
    graph = _Graph(root)
    for node in traced.nodes:
        graph.add(node)
    return graph.model()


class _Features(nn.Module):
    def __init__(self, network: ImageClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.features(images)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, FoldedConvolution | Convolution) or super().is_leaf_module(m, module_qualified_name)


class _Graph:
    """The nodes and weights that were written so far. Tensors have the names of the traced nodes."""

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []

    def add(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._write("Identity", ["image"], node.name)
        elif node.op == "output":
            self._write("Identity", [_name(node.args[0])], "features")
        elif node.op == "call_module":
            self._layer(self._root.get_submodule(str(node.target)), _name(node.args[0]), node.name)
        elif node.op == "call_function" and node.target in _FUNCTIONS and not node.kwargs:
            _FUNCTIONS[node.target](self, node)
        else:
            raise UnknownLayerError(f"{node.op} {node.target}")

    def model(self) -> bytes:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "d"])
        graph = helper.make_graph(self._nodes, "features", [image], [features], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        found: bytes = model.SerializeToString()
        return found

    def both(self, kind: str, node: fx.Node) -> None:
        """Of two tensors."""
        self._write(kind, [_name(node.args[0]), _name(node.args[1])], node.name)

    def flatten(self, node: fx.Node) -> None:
        if node.args[1:] != (1,):
            raise UnknownLayerError("flatten")
        self._write("Flatten", [_name(node.args[0])], node.name, axis=1)

    def _layer(self, layer: nn.Module, given: str, made: str) -> None:
        simple = _SIMPLE.get(type(layer))
        if simple is not None:
            self._write(simple, [given], made)
        elif isinstance(layer, FoldedConvolution):
            self._convolution(layer.plain, layer.weight, layer.bias, given, made)
        elif isinstance(layer, nn.Conv2d):
            self._convolution(layer, layer.weight, layer.bias, given, made)
        elif type(layer) is nn.Linear:
            weights = [self._weight(f"{made}.weight", layer.weight), *self._bias(made, layer.bias)]
            self._write("Gemm", [given, *weights], made, transB=1)
        elif type(layer) is nn.ReLU6:
            limits = [self._weight(f"{made}.{limit}", torch.tensor(float(limit))) for limit in (0, 6)]
            self._write("Clip", [given, *limits], made)
        elif type(layer) is nn.Hardsigmoid:
            self._write("HardSigmoid", [given], made, alpha=1 / 6, beta=0.5)
        elif type(layer) is nn.AdaptiveAvgPool2d and layer.output_size in (1, (1, 1)):
            self._write("GlobalAveragePool", [given], made)
        else:
            raise UnknownLayerError(type(layer).__name__)

    def _convolution(self, layer: nn.Conv2d, weight: Tensor, bias: Tensor | None, given: str, made: str) -> None:
        if isinstance(layer, SameConv):
            padding: dict[str, Any] = {"auto_pad": "SAME_UPPER"}  # TensorFlow's
        elif layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            padding = {"pads": [*layer.padding, *layer.padding]}
        else:
            raise UnknownLayerError("padding")
        self._write(
            "Conv",
            [given, self._weight(f"{made}.weight", weight), *self._bias(made, bias)],
            made,
            strides=list(layer.stride),
            dilations=list(layer.dilation),
            group=layer.groups,
            **padding,
        )

    def _bias(self, made: str, bias: Tensor | None) -> list[str]:
        return [] if bias is None else [self._weight(f"{made}.bias", bias)]

    def _weight(self, name: str, value: Tensor) -> str:
        found = np.ascontiguousarray(value.detach().numpy(), np.float32)
        self._weights.append(numpy_helper.from_array(found, name))
        return name

    def _write(self, kind: str, given: list[str], made: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, given, [made], **attributes))


_FUNCTIONS: dict[Any, Callable[[_Graph, fx.Node], None]] = {
    operator.add: lambda graph, node: graph.both("Add", node),
    operator.mul: lambda graph, node: graph.both("Mul", node),
    torch.flatten: _Graph.flatten,
}


def _name(argument: Any) -> str:
    if not isinstance(argument, fx.Node):
        raise UnknownLayerError("a number in place of a tensor")
    return argument.name
