#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU provider: an average pool with `ceil_mode` and `count_include_pad` between DequantizeLinear and QuantizeLinear has
# too small values at the edge, with the default optimizations. The fused int8 pool divides by the whole window where that reaches past the padding.
#
# `torch.nn.AvgPool2d(2, 2, ceil_mode=True)` is exported so: counting the padding is torch's default. ONNX and torch leave out of the
# divisor what `ceil_mode` adds beyond the padding; onnxruntime's float pool, and its own answer without optimizations, do too. Its
# optimizer makes QLinearAveragePool of the three nodes, and that counts all of the window: the last row and column of each such pool are wrong.
#
# Seen on x86-64 Linux, Python 3.11, of an image of ones, 7 x 7:
#   without optimizations: corner 1.00, edge 1.00, inside 1.00
#   default optimizations: corner 0.25, edge 0.50, inside 1.00
#
# So exporters/graph/average_pools.py clears `count_include_pad` where there are no pads, and other pools that hang over stay float.
# Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

side = 7
pool = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1}
nodes = [
    helper.make_node("QuantizeLinear", ["pixels", "scale", "zero"], ["quantized"]),
    helper.make_node("DequantizeLinear", ["quantized", "scale", "zero"], ["input"]),
    helper.make_node("AveragePool", ["input"], ["mean"], **pool),
    helper.make_node("QuantizeLinear", ["mean", "scale", "zero"], ["quantized_mean"]),
    helper.make_node("DequantizeLinear", ["quantized_mean", "scale", "zero"], ["answer"]),
]
graph = helper.make_graph(
    nodes,
    "pool",
    [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 1, side, side])],
    [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
    [numpy_helper.from_array(np.float32(1 / 64), "scale"), numpy_helper.from_array(np.uint8(128), "zero")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9).SerializeToString()
levels = {
    "without optimizations": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "default optimizations": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
found = []
for name, level in levels.items():
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"pixels": np.ones((1, 1, side, side), np.float32)})
    seen = [float(answer[0, 0, row, column]) for row, column in ((-1, -1), (0, -1), (0, 0))]
    print(f"{name}: corner {seen[0]:.2f}, edge {seen[1]:.2f}, inside {seen[2]:.2f}")
    found.append(seen)
holds = np.allclose(found, [[1, 1, 1], [0.25, 0.5, 1]], atol=0.02)
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
