#!/usr/bin/env bash
# onnxruntime 1.32.0: `quantize_static` in the QOperator format drops a Relu though the tensor before it is read elsewhere too. The other
# reader then gets the rectified values.
#
# A Relu after a convolution can be dropped where the int8 output begins at zero: the rounding cuts off what is negative. That holds for
# readers of the Relu alone. In a pre-activated residual block the shortcut reads the convolution itself. The QDQ format keeps the Relu
# there, and is right; QOperator renames the output and loses the negative half, with no word.
#
# Seen on x86-64 Linux, Python 3.11: the answer is x - relu(x) of a convolution's output x, which is what is negative in it:
#   float: least -9.7, largest 0.0
#   QDQ: least -9.7, largest 0.0, Relu kept
#   QOperator: least 0.0, largest 0.0, Relu dropped
#
# exporters/quantization writes QDQ. Exits 0 where that still holds, 1 where it changed.
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
nodes = [
    helper.make_node("Conv", ["pixels", "weight"], ["x"], name="convolution"),
    helper.make_node("Relu", ["x"], ["positive"], name="relu"),
    helper.make_node("Sub", ["x", "positive"], ["negative"], name="difference"),
]
graph = helper.make_graph(
    nodes,
    "two readers",
    [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 8, 10, 10])],
    [helper.make_tensor_value_info("negative", TensorProto.FLOAT, None)],
    [numpy_helper.from_array(weight, "weight")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), "float.onnx")
images = [random.normal(0, 1, (1, 8, 10, 10)).astype(np.float32) for _ in range(8)]


class Reader(CalibrationDataReader):
    def __init__(self):
        self.images = iter(images)

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"pixels": image}


def extremes(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answers = np.concatenate([session.run(None, {"pixels": image})[0] for image in images])
    return float(answers.min()), float(answers.max()) + 0.0


least, largest = extremes("float.onnx")
print(f"float: least {least:.1f}, largest {largest:.1f}")
found = {}
for form in (QuantFormat.QDQ, QuantFormat.QOperator):
    quantize_static(
        "float.onnx", "int8.onnx", Reader(), quant_format=form, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, per_channel=True,
    )
    kept = any(node.op_type == "Relu" for node in onnx.load("int8.onnx").graph.node)
    seen = extremes("int8.onnx")
    print(f"{form}: least {seen[0]:.1f}, largest {abs(seen[1]):.1f}, Relu {'kept' if kept else 'dropped'}")
    found[form] = (*seen, kept)
right, wrong = found[QuantFormat.QDQ], found[QuantFormat.QOperator]
holds = right[2] and abs(right[0] - least) < 0.3 and not wrong[2] and wrong[0] > -0.1
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
