#!/usr/bin/env bash
# onnxruntime 1.32.0: `quantize_static` (QDQ, uint8 activations) drops a Clip whose lower bound lies above zero. What lies between zero and
# the bound is then let through.
#
# A Clip may be dropped where the integers' range ends at its bounds. The quantizer stretches each range to hold zero, so a range of 0.5
# to 1 becomes one of 0 to 1: the rounding then cuts off at 0 and no longer at 0.5. The Clip goes all the same, with no word. A Clip from
# -1 to -0.5 goes likewise, and answers up to 0 come through.
#
# Seen on x86-64 Linux, Python 3.11, of a convolution with a Clip behind it:
#   Clip 0 to 1: float 0.00 to 1.00, int8 0.00 to 1.00, Clip dropped
#   Clip 0.5 to 1: float 0.50 to 1.00, int8 0.00 to 1.00, Clip dropped
#   Clip -1 to -0.5: float -1.00 to -0.50, int8 -1.00 to 0.00, Clip dropped
#
# exporters/graph/unquantizable.py therefore leaves such a Clip to float. Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import logging
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.WARNING)
random = np.random.default_rng(0)
weight = random.normal(0, 0.3, (8, 8, 3, 3)).astype(np.float32)
images = [random.normal(0, 1, (1, 8, 10, 10)).astype(np.float32) for _ in range(8)]


class Reader(CalibrationDataReader):
    def __init__(self):
        self.images = iter(images)

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"pixels": image}


def answers(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"pixels": image})[0] for image in images])


def quantized(lower, upper):
    bounds = [numpy_helper.from_array(np.float32(value), name) for value, name in ((lower, "lower"), (upper, "upper"))]
    nodes = [
        helper.make_node("Conv", ["pixels", "weight"], ["x"], name="convolution"),
        helper.make_node("Clip", ["x", "lower", "upper"], ["answer"], name="clip"),
    ]
    graph = helper.make_graph(
        nodes,
        "clip",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 8, 10, 10])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "weight"), *bounds],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), "float.onnx")
    quantize_static(
        "float.onnx", "int8.onnx", Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, per_channel=True,
    )
    kept = any(node.op_type == "Clip" for node in onnx.load("int8.onnx").graph.node)
    right, seen = answers("float.onnx"), answers("int8.onnx")
    print(
        f"Clip {lower:g} to {upper:g}: float {right.min():.2f} to {right.max():.2f}, "
        f"int8 {seen.min():.2f} to {abs(seen.max()):.2f}, Clip {'kept' if kept else 'dropped'}"
    )
    return kept, float(np.abs(right - seen).max())


usual, above, below = quantized(0, 1), quantized(0.5, 1), quantized(-1, -0.5)
holds = usual[1] < 0.1 and not above[0] and above[1] > 0.45 and not below[0] and below[1] > 0.45
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
