"""Grey levels of RGB images, the same in numpy and in a graph, and the same as Pillow's mode L."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, numpy_helper

from edgecnn.preprocess import Image

__all__ = ["GREY", "grey_levels", "grey_nodes"]

GREY = "edgecnn_pixels_grey"
"""The tensor of grey levels in an adopted graph."""

_WEIGHTS = (19595, 38470, 7471)  # of red, green and blue, in 65536ths; ITU-R 601, as Pillow and OpenCV weigh them
_HALF, _UNIT = 32768, 65536


def grey_levels(images: Image) -> NDArray[np.uint8]:
    """uint8 ``[..., 3]`` RGB -> uint8 ``[...]``; equal channels keep their level."""
    return ((images.astype(np.int32) @ np.array(_WEIGHTS, np.int32) + _HALF) >> 16).astype(np.uint8)


def grey_nodes(graph: GraphProto, source: str, target: str) -> list[NodeProto]:
    """The nodes that turn float pixels ``[N, H, W, 3]`` into their grey levels ``[N, H, W, 1]``.

    Every number on the way is a whole number below 2^24, so that float32 holds it exactly.
    """
    constants = {
        "edgecnn_grey_weights": np.array(_WEIGHTS, np.float32).reshape(3, 1),
        "edgecnn_grey_half": np.array(_HALF, np.float32),
        "edgecnn_grey_unit": np.array(_UNIT, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    make = onnx.helper.make_node
    return [
        make("MatMul", [source, "edgecnn_grey_weights"], ["edgecnn_grey_sum"]),
        make("Add", ["edgecnn_grey_sum", "edgecnn_grey_half"], ["edgecnn_grey_rounded"]),
        make("Div", ["edgecnn_grey_rounded", "edgecnn_grey_unit"], ["edgecnn_grey_level"]),
        make("Floor", ["edgecnn_grey_level"], [target]),
    ]
