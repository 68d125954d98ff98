"""Quantization targets: the int8 form for a processor or a provider.

`x86`: uint8 activations with a zero point, so that Relu and Clip vanish, and int8 weights, as VNNI multiplies them;
pixels enter as they are. `x86-avx2`: the same with pairs of weights whose sum stays within the 16 bits that processors
without VNNI add in (:mod:`exporters.quantization.rounding.pair_limit`). `arm64`: int8 activations, since its dot
products multiply signed by signed; with a zero point, which costs nothing there (the kernels take it out through the
sums of the weights), keeps the eighth bit of what Relu gives, and lets Relu and Clip vanish again. `tensorrt`: zero
points are 0, biases and weights float, each reader has its own pair (:mod:`exporters.quantization.tensorrt`).
`openvino`: zero points are 0, uint8 where nothing is negative and int8 elsewhere: 2.1 times its float speed, where it
runs `x86` at 1.9, and at 1.6 with the stem folded (docs/benchmarks.md).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from onnxruntime.quantization import QuantType

from edgecnn.runtime.system.cpu_features import has_vnni
from exporters.options import TargetName

__all__ = ["TARGETS", "Target"]

_X86, _ARM = ("x86_64", "amd64"), ("aarch64", "arm64")


@dataclass(frozen=True)
class Target:
    """Types of an int8 form, and where its speed can be measured."""

    name: TargetName
    activations: QuantType  # uint8 with `symmetric`: where nothing is negative
    symmetric: bool  # zero points are 0
    pixels_enter: bool  # the uint8 image is the first quantized tensor
    machines: tuple[str, ...]  # on which onnxruntime's CPU provider is what the file is for

    @property
    def here(self) -> bool:
        """Whether the CPU provider of this machine is what the file is for."""
        return platform.machine().lower() in self.machines

    @property
    def paired(self) -> bool:
        """Whether sums of pairs of weights stay within 16 bits: with `x86` where this processor has no VNNI."""
        return self.name == "x86-avx2" or (self.name == "x86" and self.here and not has_vnni())


TARGETS: dict[str, Target] = {
    "x86": Target("x86", QuantType.QUInt8, symmetric=False, pixels_enter=True, machines=_X86),
    "x86-avx2": Target("x86-avx2", QuantType.QUInt8, symmetric=False, pixels_enter=True, machines=_X86),
    "arm64": Target("arm64", QuantType.QInt8, symmetric=False, pixels_enter=False, machines=_ARM),
    "tensorrt": Target("tensorrt", QuantType.QInt8, symmetric=True, pixels_enter=False, machines=()),
    "openvino": Target("openvino", QuantType.QUInt8, symmetric=True, pixels_enter=False, machines=()),
}
