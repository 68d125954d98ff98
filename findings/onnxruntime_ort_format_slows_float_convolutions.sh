#!/usr/bin/env bash
# onnxruntime 1.32.0, CPU provider, x86: a float network of convolutions becomes slower when it is converted to the ORT format, in the
# Fixed style too, which optimizes before saving.
#
# `python -m onnxruntime.tools.convert_onnx_models_to_ort` is documented as a way to a smaller and quicker start. The blocked layout of
# convolutions (NCHWc) belongs to the processor, so the Fixed style does not save it, and an ORT file is not optimized for it when it
# is loaded. The Runtime style is no quicker. The answers stay equal but for rounding.
# So keep the .onnx file for float networks on x86.
#
# Exits 0 where that still holds, 1 where it changed, 77 on another processor.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "needs an x86 processor"; exit 77; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

channels, side, layers = 32, 56, 6
random = np.random.default_rng(0)
weights, nodes = [], []
for i in range(layers):
    weight = random.normal(0, 0.05, (channels, channels, 3, 3)).astype(np.float32)
    weights.append(numpy_helper.from_array(weight, f"w{i}"))
    nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", [f"c{i}"], [f"x{i + 1}"]))
shape = [1, channels, side, side]
graph = helper.make_graph(
    nodes,
    "convolutions",
    [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info(f"x{layers}", TensorProto.FLOAT, shape)],
    weights,
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "net.onnx")
files = {"onnx": Path("net.onnx")}
for style in ("Fixed", "Runtime"):
    Path(style).mkdir()
    command = [sys.executable, "-m", "onnxruntime.tools.convert_onnx_models_to_ort", "net.onnx"]
    subprocess.run([*command, "--optimization_style", style, "--output_dir", style], check=True, capture_output=True)
    files[style] = next(Path(style).rglob("*.ort"))
sessions = {}
for name, file in files.items():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions[name] = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
pixels = {"x0": random.normal(size=shape).astype(np.float32)}
answers = {name: session.run(None, pixels)[0] for name, session in sessions.items()}
equal = all(np.allclose(found, answers["onnx"], atol=1e-4) for found in answers.values())
times = {name: [] for name in sessions}
for _ in range(60):
    for name, session in sessions.items():
        begun = time.process_time()
        session.run(None, pixels)
        times[name].append((time.process_time() - begun) * 1e3)
median = {name: statistics.median(found) for name, found in times.items()}
print(f"equal answers: {equal}")
for name, value in median.items():
    print(f"{name}: {value:.2f} ms, {value / median['onnx']:.2f}x")
sys.exit(0 if equal and min(median["Fixed"], median["Runtime"]) > 1.2 * median["onnx"] else 1)
PY
