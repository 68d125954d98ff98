"""The CNN of a recurrent model by itself: taken out of a step or clip graph, and put back in another form (int8).

It lies between the tensors ``image`` (uint8 ``[N, H, W, 3]``) and ``features`` (its embeddings, ``[N, D]``). The head
behind it does not change.
"""

from __future__ import annotations

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from exporters.graph.passes import producers, remove_dead_nodes

__all__ = ["FEATURES", "IMAGE", "cut_cnn", "with_cnn"]

IMAGE, FEATURES = "image", "features"
"""Input and output of the CNN: frames, and the embedding of each frame."""


def cut_cnn(model: ModelProto) -> ModelProto:
    """The CNN of a step graph as a model of its own: ``image`` -> ``features``."""
    cnn = ModelProto()
    cnn.CopyFrom(model)
    graph = cnn.graph
    known = next((value for value in graph.value_info if value.name == FEATURES), None)
    output = known or helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, None)
    images = [value for value in graph.input if value.name == IMAGE]
    del graph.output[:], graph.input[:]
    graph.output.append(output)
    graph.input.extend(images)
    remove_dead_nodes(cnn)
    others = [value for value in graph.value_info if value.name != FEATURES]
    del graph.value_info[:]
    graph.value_info.extend(others)
    return cnn


def with_cnn(model: ModelProto, cnn: ModelProto) -> ModelProto:
    """A step or clip graph with another form of its CNN, such as int8.

    Args:
        model: the step or clip graph; not changed. The result has its metadata.
        cnn: the CNN's new form, as :func:`cut_cnn` returns it.
    """
    joined = ModelProto()
    joined.CopyFrom(model)
    graph = joined.graph
    before = _behind(graph, IMAGE)
    old = _behind(graph, FEATURES)
    first = [node for node in graph.node if node.output[0] in before]
    last = [node for node in graph.node if node.output[0] not in old]
    theirs = {tensor.name for tensor in cnn.graph.initializer}
    ours = {name for node in (*first, *last) for name in node.input} - theirs
    nodes = [*first, *cnn.graph.node, *last]
    constants = [*cnn.graph.initializer, *(tensor for tensor in graph.initializer if tensor.name in ours)]
    assembled = helper.make_graph(nodes, graph.name, graph.input, graph.output, constants)
    graph.CopyFrom(assembled)
    joined.ir_version = max(model.ir_version, cnn.ir_version)
    return onnx.shape_inference.infer_shapes(joined, data_prop=True)


def _behind(graph: GraphProto, name: str) -> set[str]:
    """The first output of every node that contributes to a tensor."""
    made = producers(graph)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        node: NodeProto | None = made.get(waiting.pop())
        if node is not None and node.output[0] not in found:
            found.add(node.output[0])
            waiting += node.input
    return found
