#!/usr/bin/env python
"""Fits the constants of `edgecnn/training/pruning/layer_cost.py`: what an int8 convolution costs on this processor.

Each convolution is an onnxruntime session of its own, with one thread, and stands in it four times with different
weights, so that the start of a session counts little. All run in turn, and count processor time: other programs disturb
the lower quartile little. The shapes are those of EfficientNet-Lite0 at 224, 160 and 128 pixels, at its own number of
hidden channels and at half of it.

    python benchmarks/fit_layer_cost.py [--rounds 60]

Prints the fitted constants, and how far they and those in the package are from the measured times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecnn.runtime.system.cpu_features import cpu_name
from edgecnn.training.pruning.layer_cost import LayerCost, nanoseconds

COPIES = 4
BLOCK = 16  # channels that the kernels compute at once
LAYERS = {  # positions along a side, by narrow and wide number of channels
    (16, 96): (112, 80, 64),
    (24, 144): (56, 40, 32),
    (40, 240): (28, 20, 16),
    (112, 480): (14, 10),
    (112, 672): (8,),
    (192, 1152): (7, 5, 4),
}
REMAINDERS = (96, 104, 112)  # channels of a depthwise convolution; the second is no multiple of 16


@dataclass(eq=False)
class Convolution:
    """An int8 convolution of stride 1, and how long it took each time."""

    side: int  # positions along a side
    inputs: int
    outputs: int
    kernel: int
    depthwise: bool
    times_ns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(_model(self), options, providers=["CPUExecutionProvider"])
        shape = (1, self.side, self.side, self.inputs)
        self._ends = self._session.io_binding()
        self._ends.bind_cpu_input("x", np.random.default_rng(1).integers(0, 255, shape).astype(np.uint8))
        for i in range(COPIES):
            self._ends.bind_output(f"y{i}")

    def run(self) -> None:
        """Once to fill the caches, once to count."""
        self._session.run_with_iobinding(self._ends)
        begun = time.thread_time_ns()
        self._session.run_with_iobinding(self._ends)
        self.times_ns.append((time.thread_time_ns() - begun) // COPIES)

    @property
    def took_ns(self) -> float:
        """The lower quartile: what disturbs only adds time."""
        return float(np.percentile(self.times_ns, 25))

    @property
    def estimated_ns(self) -> float:
        """By the constants in the package."""
        cells, positions = self.kernel**2, self.side**2
        cost = LayerCost("", None, None, self.inputs, self.outputs, cells, positions, self.depthwise)
        return nanoseconds(cost, self.inputs, self.outputs)


def main() -> None:
    """Measures, fits and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    print(f"{cpu_name()}, onnxruntime {onnxruntime.__version__}")
    plain, depthwise = _plain(), _depthwise()
    remainders = [Convolution(28, count, count, 3, depthwise=True) for count in REMAINDERS]
    for _ in range(rounds):
        for convolution in (*plain, *depthwise, *remainders):
            convolution.run()
    _fit("_CALL_NS, _POSITION_NS, _OUTPUT_NS, _INPUT_NS, _MAC_NS", plain, [_plain_terms(each) for each in plain])
    _fit(
        "_CALL_NS, _TAP_NS, _DEPTHWISE_OUTPUT_NS, _DEPTHWISE_MAC_NS",
        depthwise,
        [_depthwise_terms(each) for each in depthwise],
    )
    took = ", ".join(f"{each.outputs} channels {each.took_ns / 1e3:.0f} us" for each in remainders)
    print(f"depthwise, 3 x 3, 28 pixels: {took}")


def _plain() -> list[Convolution]:
    found = []
    for (narrow, wide), sides in LAYERS.items():
        for hidden in (wide, wide // 2 // BLOCK * BLOCK):
            for side in sides:
                found += [
                    Convolution(side, narrow, hidden, 1, depthwise=False),
                    Convolution(side, hidden, narrow, 1, depthwise=False),
                ]
    return found


def _depthwise() -> list[Convolution]:
    return [
        Convolution(side, hidden, hidden, kernel, depthwise=True)
        for (_, wide), sides in LAYERS.items()
        for hidden in (wide, wide // 2 // BLOCK * BLOCK)
        for side in sides
        for kernel in (3, 5)
    ]


def _plain_terms(each: Convolution) -> list[float]:
    whole = -(-each.outputs // BLOCK) * BLOCK
    positions = each.side**2
    return [1.0, positions, positions * each.outputs, positions * each.inputs, positions * each.inputs * whole]


def _depthwise_terms(each: Convolution) -> list[float]:
    positions, cells = each.side**2, each.kernel**2
    return [1.0, positions * cells, positions * each.outputs, positions * cells * each.outputs]


def _fit(names: str, convolutions: Sequence[Convolution], terms: Sequence[Sequence[float]]) -> None:
    """Least squares of the relative error, without negative constants."""
    took = np.array([each.took_ns for each in convolutions])
    relative = np.array(terms) / took[:, None]
    constants = _not_negative(relative, np.ones(len(took)))
    print(f"{names} = {', '.join(f'{value:.3g}' for value in constants)}")
    print(f"    {len(took)} shapes, {_errors(relative @ constants)}")
    package = np.array([each.estimated_ns for each in convolutions]) / took
    print(f"    with the constants in the package: {_errors(package)}")


def _not_negative(columns: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leaves out the most negative term until none is."""
    used = list(range(columns.shape[1]))
    while True:
        found = np.linalg.lstsq(columns[:, used], wanted)[0]
        if (found >= 0).all():
            constants = np.zeros(columns.shape[1])
            constants[used] = found
            return constants
        used.pop(int(np.argmin(found)))


def _errors(estimated: NDArray[np.float64]) -> str:
    """Of times as a share of the measured ones."""
    median, most = np.percentile(np.abs(estimated - 1), [50, 90])
    return f"median error {median:.0%}, nine of ten within {most:.0%}"


def _model(each: Convolution) -> bytes:
    """A graph with the operator that onnxruntime fuses an int8 convolution into, ``COPIES`` times."""
    random = np.random.default_rng(0)
    shape = (each.outputs, 1 if each.depthwise else each.inputs, each.kernel, each.kernel)
    weights = {f"weights{i}": random.integers(-127, 127, shape).astype(np.int8) for i in range(COPIES)}
    constants = {
        "x_scale": np.float32(0.02),
        "zero": np.uint8(128),
        "w_scale": np.full(each.outputs, 0.01, np.float32),
        "w_zero": np.zeros(each.outputs, np.int8),
        "y_scale": np.float32(0.05),
        "bias": np.zeros(each.outputs, np.int32),
    }
    nodes = [
        helper.make_node(
            "QLinearConv",
            ["x", "x_scale", "zero", f"weights{i}", "w_scale", "w_zero", "y_scale", "zero", "bias"],
            [f"y{i}"],
            domain="com.microsoft",
            channels_last=1,
            group=each.inputs if each.depthwise else 1,
            kernel_shape=[each.kernel] * 2,
            pads=[each.kernel // 2] * 4,
        )
        for i in range(COPIES)
    ]
    read, *made = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, [1, each.side, each.side, channels])
        for name, channels in [("x", each.inputs), *((f"y{i}", each.outputs) for i in range(COPIES))]
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants | weights).items()]
    graph = helper.make_graph(nodes, "convolutions", [read], made, tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return content


if __name__ == "__main__":
    main()
