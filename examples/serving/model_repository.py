"""Puts a model file into a folder that NVIDIA Triton and OpenVINO Model Server serve.

python examples/serving/model_repository.py model.onnx repository --name animals

The names, types and sizes in Triton's configuration are read from the model file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecnn import Classifier, EdgeCNNError
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.onnx_file.tensor_info import TensorInfo, tensor_infos

TYPES = {"uint8": "TYPE_UINT8", "int64": "TYPE_INT64", "float": "TYPE_FP32", "float16": "TYPE_FP16"}


def main() -> None:
    """Writes the folder, which may hold other models already."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model file (.onnx)")
    parser.add_argument("repository", type=Path, help="folder of the models that the server serves")
    parser.add_argument("--name", default="edgecnn", help="of the model in requests (edgecnn)")
    parser.add_argument("--max-batch", type=int, default=8, help="images that Triton may put into one batch (8)")
    given = parser.parse_args()
    folder = given.repository / given.name
    if folder.exists():
        parser.error(f"{folder}: is there already; give another --name")
    try:  # tries the file out, and replays its golden samples
        labels = Classifier(given.model, ep="cpu", prove=True).labels
    except EdgeCNNError as error:
        sys.exit(str(error))
    graph = parse_model(given.model.read_bytes(), given.model).graph
    (folder / "1").mkdir(parents=True)
    shutil.copyfile(given.model, folder / "1" / "model.onnx")
    (folder / "labels.txt").write_text("".join(f"{' '.join(label.split())}\n" for label in labels), encoding="utf-8")
    inputs, outputs = tensor_infos(graph.input), tensor_infos(graph.output)
    (folder / "config.pbtxt").write_text(triton(given.name, inputs, outputs, given.max_batch), encoding="utf-8")
    served = sorted(found.parent.name for found in given.repository.glob("*/config.pbtxt"))
    (given.repository / "config.json").write_text(openvino(served), encoding="utf-8")


def triton(name: str, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], max_batch: int) -> str:
    """The text of ``config.pbtxt``. Sizes leave the batch out, as Triton wants them where it makes the batches."""
    parts = [
        f"name: {json.dumps(name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {max_batch}",
        *(f"input [ {{ {tensor(info)} }} ]" for info in inputs),
        *(f"output [ {{ {tensor(info)}{label_file(info)} }} ]" for info in outputs),
        "dynamic_batching { }",
    ]
    return "\n".join(parts) + "\n"


def tensor(info: TensorInfo) -> str:
    """Name, type and sizes of an input or output; a size that the file leaves open is -1.

    Triton refuses a tensor without sizes. One number per image, such as the unknown score, is a list of one there.
    """
    sizes = ", ".join(str(size) if isinstance(size, int) else "-1" for size in info.shape[1:])
    dims = f"dims: [ {sizes} ]" if sizes else "dims: [ 1 ], reshape: { shape: [ ] }"
    return f"name: {json.dumps(info.name)}, data_type: {TYPES[info.type]}, {dims}"


def label_file(info: TensorInfo) -> str:
    """Triton answers with labels where a request asks for classes of this output."""
    return ', label_filename: "labels.txt"' if info.name == "probabilities" else ""


def openvino(names: Sequence[str]) -> str:
    """The text of ``config.json``, for a server that sees the repository as ``/models``."""
    models = [{"config": {"name": name, "base_path": f"/models/{name}"}} for name in names]
    return json.dumps({"model_config_list": models}, indent=2) + "\n"


if __name__ == "__main__":
    main()
