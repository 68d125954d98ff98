"""The peers: what each needs, how its model file is made, and the code that a user of it would write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["HERE", "PEERS", "PROJECT", "Converter", "Form", "Peer"]

Form = Literal["float", "int8"]
HERE = Path(__file__).resolve().parent
PROJECT = "edgecnn"  # in place of a requirement: the wheel of this working tree

_ONNXRUNTIME = "onnxruntime==1.32.0"  # as constraints.txt: EdgeCNN and onnxruntime by hand differ in their code alone
_NUMPY, _OPENCV, _PILLOW = "numpy==2.4.6", "opencv-python-headless==5.0.0.93", "pillow==13.0.0"
_TORCH = "torch==2.13.0"
_ULTRALYTICS = (
    "ultralytics==8.4.190",
    "torch==2.14.1",  # torchvision does not load beside a CPU build of torch: this one brings CUDA
    "torchvision==0.29.1",
    "onnx==1.23.2",
    "onnxslim==0.1.98",
    _ONNXRUNTIME,
)
_BOTH: tuple[Form, ...] = ("float", "int8")


@dataclass(frozen=True)
class Converter:
    """A script of converters/, called as ``script FORM FOLDER``, and what it needs."""

    script: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """One row, or two: float and int8.

    Args:
        name: in tables.
        requirements: pinned.
        way: a file of ways/.
        model: the file that the way opens, with the form in braces.
        forms: those that are tried; a form that cannot be made gets a row that says why.
        missing: forms that the peer has no way to make, and why.
        converter: makes the model file; None: prepare.py does.
        classes_of_its_own: another network with random weights, so that its answers mean nothing.
        one_thread: whether it can be told to compute on one thread.
        note: what a reader of its row must know.
    """

    name: str
    requirements: tuple[str, ...]
    way: str
    model: str
    forms: tuple[Form, ...] = _BOTH
    missing: Mapping[Form, str] | None = None
    converter: Converter | None = None
    classes_of_its_own: bool = False
    one_thread: bool = True
    note: str = ""


PEERS = (
    Peer("edgecnn", (PROJECT,), "edgecnn_way.py", "edgecnn.{}.onnx", note="its wheel, without torch"),
    Peer("plain", (_ONNXRUNTIME, _NUMPY, _PILLOW), "plain.py", "plain.{}.onnx", note="onnxruntime, Pillow, NumPy"),
    Peer(
        "tuned",
        (_ONNXRUNTIME, _NUMPY, _PILLOW, _OPENCV),
        "tuned.py",
        "plain.{}.onnx",
        note="the same by an expert: JPEGs decoded smaller, in threads ahead of the network",
    ),
    Peer(
        "ultralytics",
        _ULTRALYTICS,
        "ultralytics_way.py",
        "ultralytics.{}.onnx",
        missing={"int8": "its exporter has no int8 for ONNX"},
        converter=Converter("ultralytics_onnx.py", _ULTRALYTICS),
        classes_of_its_own=True,
        one_thread=False,
        note="its own network, yolo11n-cls, half the multiply-accumulates; threads cannot be set; torch with CUDA",
    ),
    Peer(
        "openvino",
        ("openvino==2026.4.1", _NUMPY, _OPENCV),
        "openvino_way.py",
        "openvino.{}.xml",
        converter=Converter("openvino_ir.py", ("openvino==2026.4.1", "nncf==3.4.0", "onnx==1.23.2")),
        note="computes float models in bfloat16 where the processor has it, its default",
    ),
    Peer(
        "opencv",
        (_OPENCV, _NUMPY),
        "opencv_dnn.py",
        "plain.{}.onnx",
        note="cv2.dnn",
    ),
    Peer(
        "litert",
        ("ai-edge-litert==2.3.0", _NUMPY, _PILLOW),
        "litert.py",
        "litert.{}.tflite",
        converter=Converter("litert_file.py", ("litert-torch==0.10.0", "ai-edge-quantizer==0.10.0", _TORCH)),
    ),
    Peer(
        "executorch",
        ("executorch==1.5.1", _TORCH, _NUMPY, _PILLOW),
        "executorch_way.py",
        "executorch.{}.pte",
        converter=Converter("executorch_program.py", ("executorch==1.5.1", _TORCH, _NUMPY, _PILLOW)),
        note="XNNPACK; its Python runtime needs torch",
    ),
    Peer(
        "ncnn",
        ("ncnn==1.0.20261020", _NUMPY, _PILLOW),
        "ncnn_way.py",
        "ncnn.{}.param",
        missing={"int8": "neither its wheel nor pnnx's holds ncnn2table and ncnn2int8"},
        converter=Converter("ncnn_param.py", ("pnnx==20261020", _TORCH)),
        note="computes in lower precision where the processor has it, its default",
    ),
    Peer(
        "mnn",
        ("MNN==3.6.1", _NUMPY, _PILLOW),
        "mnn_way.py",
        "mnn.{}.mnn",
        converter=Converter("mnn_file.py", ("MNN==3.6.1", _NUMPY, _PILLOW)),
    ),
    Peer(
        "tract",
        ("tract==0.23.9", _NUMPY, _PILLOW),
        "tract_way.py",
        "plain.{}.onnx",
        note="one thread: its Python has no setting",
    ),
    Peer(
        "torch eager",
        (_TORCH, _NUMPY, _PILLOW),
        "torch_eager.py",
        "torch.pt2",
        forms=("float",),
        note="the answers that others are compared with",
    ),
    Peer(
        "torch compiled",
        (_TORCH, _NUMPY, _PILLOW),
        "torch_compiled.py",
        "torch.pt2",
        forms=("float",),
        note="needs a C++ compiler on the device; its cache is warm",
    ),
)
