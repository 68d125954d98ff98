#!/usr/bin/env bash
# torch 2.13.0 with onnxscript 0.7.2: `ONNXProgram.model_proto` is another model at each access. What a caller changes in it is lost
# without a word, and `ONNXProgram.save` does not write it.
#
# `torch.onnx.export(..., dynamo=True)` returns the program. Its `model_proto` reads like an attribute that holds the model, so it is
# natural to rename a node or to add metadata there and to save the program then. Seen:
#   same object twice: False
#   name after the change: the old one
#   saved file: the old one
# So take `model_proto` once, change that, and save it with `onnx.save`; or change the `model` of the program, which stays.
#
# Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import onnx
import torch

network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
program = torch.onnx.export(network, (torch.zeros(1, 3, 8, 8),), dynamo=True, verbose=False)
same = program.model_proto is program.model_proto
old = program.model_proto.graph.node[0].name
program.model_proto.graph.node[0].name = "renamed"
after = program.model_proto.graph.node[0].name
program.save("saved.onnx")
saved = onnx.load("saved.onnx").graph.node[0].name
print("same object twice:", same)
print("name after the change:", "the old one" if after == old else after)
print("saved file:", "the old one" if saved == old else saved)
program.model.graph.node(0).name = "renamed"
kept = program.model_proto.graph.node[0].name
print("changed in `model`:", kept)
sys.exit(0 if not same and after == old and saved == old and kept == "renamed" else 1)
PY
