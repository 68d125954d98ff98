"""Model files that no exporter writes, byte by byte in protobuf's wire format.

A device has no onnx package to make them with. None of them ends or stalls onnxruntime where it is opened without a
check: a loop has a few steps, and what takes long is long only by a test's limit of time. Crashes are tried with
children that end themselves (`test_admission.py`).
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from edgecnn.runtime.session.model_file import ModelFile

SIDE = 8
FLOAT, UINT8, INT32, STRING, INT64 = 1, 2, 6, 8, 7
HUGE = 2**40
_ONE_BYTE = [bytes([number]) for number in range(128)]  # most numbers here, and there are half a million


def varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    number &= 2**64 - 1  # as protobuf writes what is below zero
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes | int | str) -> bytes:
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def joined(number: int, payloads) -> bytes:
    return b"".join(field(number, p) for p in payloads)


def attribute(name: str, value) -> bytes:
    head = field(1, name)
    if isinstance(value, int):
        return head + field(3, value) + field(20, 2)
    if isinstance(value, float):
        return head + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, str):
        return head + field(4, value) + field(20, 3)
    if isinstance(value, list):
        return head + joined(8, value) + field(20, 7)
    number, payload, kind = value  # a tensor (5, .., 4), a graph (6, .., 5)
    return head + field(number, payload) + field(20, kind)


def node(op: str, inputs, outputs, *, domain: str = "", name: str = "", **attributes) -> bytes:
    done = joined(1, inputs) + joined(2, outputs) + field(3, name) + field(4, op)
    return done + joined(5, (attribute(k, v) for k, v in attributes.items())) + (field(7, domain) if domain else b"")


def chain(op: str, count: int) -> list[bytes]:
    """The image in float, and nodes of one input from `t000000` to `t{count}`, written a hundred times sooner than by `node`."""
    first = node("Cast", ["image"], ["t000000"], to=FLOAT)
    before, between, after = node(op, ["t000000"], ["t000000"]).split(b"t000000")
    names = [b"t%06d" % i for i in range(count + 1)]
    return [first, *(before + a + between + b + after for a, b in pairwise(names))]


def tensor(name: str, dims, kind: int = FLOAT, raw: bytes | None = b"", more: bytes = b"") -> bytes:
    return joined(1, dims) + field(2, kind) + field(8, name) + (field(9, raw) if raw is not None else b"") + more


def floats(name: str, dims, value: float = 0.5) -> bytes:
    count = 1
    for d in dims:
        count *= d
    return tensor(name, dims, FLOAT, struct.pack("<f", value) * count)


def longs(name: str, *values: int, dims=None) -> bytes:
    return tensor(name, [len(values)] if dims is None else dims, INT64, struct.pack(f"<{len(values)}q", *values))


def value(name: str, kind: int, dims) -> bytes:
    sides = joined(1, (field(2, d) if isinstance(d, str) else field(1, d) for d in dims))
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sides)))


IMAGE = value("image", UINT8, ["batch", SIDE, SIDE, 3])
OUT = value("probabilities", FLOAT, ["batch", "c"])


def model(
    nodes,
    weights=(),
    *,
    inputs=(IMAGE,),
    outputs=(OUT,),
    opset: int = 17,
    ir: int = 8,
    graph_more: bytes = b"",
    more: bytes = b"",
) -> bytes:
    graph = (
        joined(1, nodes) + field(2, "g") + joined(5, weights) + joined(11, inputs) + joined(12, outputs) + graph_more
    )
    imports = field(8, field(1, "") + field(2, opset))
    for domain in ("com.microsoft", "custom", "ai.onnx.ml"):
        imports += field(8, field(1, domain) + field(2, 1))
    return field(1, ir) + imports + field(7, graph) + more


def with_pixels(nodes, weights=(), **more) -> bytes:
    """``x`` is the image in float, ``[N, 3, H, W]``."""
    head = [node("Cast", ["image"], ["float"], to=FLOAT), node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2])]
    return model([*head, *nodes], weights, **more)


def one(op: str, *inputs: str, weights=(), out: str = "probabilities", **attributes) -> bytes:
    """One operator on the image."""
    return with_pixels([node(op, ["x", *inputs], [out], **attributes)], weights, outputs=[field(1, out)])


def harmless() -> bytes:
    """A classifier, to be let in."""
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]), node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]), node("Softmax", ["f"], ["probabilities"], axis=1),
    ]  # fmt: skip
    return with_pixels(nodes, [floats("w", [4, 3, 3, 3])])


def _functions(depth: int) -> bytes:
    bodies = [
        field(1, f"f{i}") + field(4, "a") + field(5, "b") + field(10, "custom")
        + field(7, node(f"f{i + 1}" if i + 1 < depth else "Relu", ["a"], ["b"], domain="custom" if i + 1 < depth else ""))
        + field(9, field(1, "") + field(2, 17)) + field(9, field(1, "custom") + field(2, 1))
        for i in range(depth)
    ]  # fmt: skip
    return with_pixels([node("f0", ["x"], ["probabilities"], domain="custom")], more=joined(25, bodies))


def _nested_graphs(depth: int) -> bytes:
    graph = field(1, node("Relu", ["x"], ["y"])) + field(2, "g")
    for _ in range(depth):
        graph = field(1, node("Relu", ["x"], ["y"], deeper=(6, graph, 5))) + field(2, "g")
    return with_pixels([node("Relu", ["x"], ["probabilities"], body=(6, graph, 5))])


def _loop(steps: int) -> bytes:
    body = field(1, node("Identity", ["c"], ["c2"])) + field(1, node("Mul", ["a", "a"], ["b"])) + field(2, "b")
    body += field(11, value("i", INT64, [])) + field(11, value("c", 9, [])) + field(11, value("a", FLOAT, []))
    body += field(12, value("c2", 9, [])) + field(12, value("b", FLOAT, []))
    weights = [longs("many", steps, dims=[]), tensor("yes", [], 9, b"\1"), floats("one", [], 1.0)]
    return with_pixels([node("Loop", ["many", "yes", "one"], ["probabilities"], body=(6, body, 5))], weights)


def external(location: str, *, said: bool = True) -> bytes:
    """The weight of a convolution in another file."""
    entry = joined(
        13,
        (field(1, key) + field(2, text) for key, text in (("location", location), ("offset", "0"), ("length", "432"))),
    )
    weight = tensor("w", [4, 3, 3, 3], FLOAT, None, entry + (field(14, 1) if said else b""))
    return one("Conv", "w", weights=[weight])


def _doubling(times: int) -> bytes:
    nodes = [node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=0) for i in range(times)]
    return with_pixels([node("Relu", ["x"], ["t0"]), *nodes], outputs=[field(1, f"t{times}")])


def slow(operator: str = "MatMul", *, times: int = 24, excused: bool = False) -> bytes:
    """Arithmetic on what fits into memory: seconds of it, no loop, nothing to be computed before."""
    nodes = [
        node("ReduceMax", ["x"], ["top"], keepdims=0),
        node("ConstantOfShape", ["side"], ["null"]),
        node("Add", ["null", "top"], ["m0"]),
    ]
    nodes += [node(operator, [f"m{i}"] * (1 + (operator == "MatMul")), [f"m{i + 1}"]) for i in range(times)]
    weights, shapes = [longs("side", 3072, 3072)], []
    if excused:  # by a convolution that would take longer still, if its result had the shape that the file declares
        nodes += [node("Conv", ["x", "w"], ["c"])]
        weights += [floats("w", [4, 3, 1, 1])]
        shapes = [value("c", FLOAT, ["batch", 4, 2**20, 2**20])]
    return with_pixels(nodes, weights, outputs=[field(1, f"m{times}")], graph_more=joined(13, shapes))


def _range(start: int, end: int, step: int) -> bytes:
    weights = [longs(name, number, dims=[]) for name, number in (("a", start), ("b", end), ("c", step))]
    return with_pixels([node("Range", ["a", "b", "c"], ["numbers"])], weights, outputs=[field(1, "numbers")])


def _by_pixels(op: str) -> bytes:
    """A whole number is divided by pixels, to each of which one is added: another file might leave that out."""
    nodes = [node("Cast", ["x"], ["i"], to=INT64), node("Add", ["i", "one"], ["j"]), node(op, ["a", "j"], ["number"])]
    return with_pixels(nodes, [longs("a", 5), longs("one", 1)], outputs=[field(1, "number")])


def mutated(content: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Bytes of a good file changed, cut out and repeated."""
    chance = random.Random(seed)
    for i in range(count):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 4, 16, 64))):
            at = chance.randrange(len(changed))
            kind = chance.randrange(4)
            if kind == 0:
                changed[at] = chance.randrange(256)
            elif kind == 1:
                changed[at] ^= 1 << chance.randrange(8)
            elif kind == 2:
                del changed[at : at + chance.randrange(1, 9)]
            else:
                changed[at:at] = changed[at : at + chance.randrange(1, 33)]
        yield f"mutated-{i}", bytes(changed)


def _graphs_in_graphs() -> dict[str, bytes]:
    """Functions, and graphs inside of nodes."""
    return {
        "functions-30-deep": _functions(30),
        "function": _functions(1),
        "graphs-40-deep": _nested_graphs(40),
        "graphs-3000-deep": _nested_graphs(3000),
        "loop": _loop(3),
        "if": one("If", then_branch=(6, field(2, "g"), 5)),
        "scan": one("Scan", body=(6, field(2, "g"), 5), num_scan_inputs=1),
    }  # fmt: skip


def _from_elsewhere() -> dict[str, bytes]:
    """Weights in other files, and operators that onnxruntime does not have."""
    return {
        "external-data": external("weights.bin"),
        "external-data-above": external("../weights.bin"),
        "external-data-absolute": external("/etc/hostname"),
        "external-data-unsaid": external("weights.bin", said=False),
        "external-data-in-an-attribute": with_pixels(
            [node("Constant", [], ["c"], value=(5, tensor("c", [4], FLOAT, None, field(14, 1) + field(13, field(1, "location") + field(2, "weights.bin"))), 4)),
             node("Add", ["x", "c"], ["probabilities"])]),
        "custom-domain": one("Relu", domain="custom"),
        "machine-learning-domain": one("Normalizer", domain="ai.onnx.ml"),
        "unknown-operator": one("Wonder"),
        "unknown-operator-of-microsoft": one("Wonder", domain="com.microsoft"),
        "operator-of-control-characters": one("\x1b[2J\r\nRelu" * 1000),
    }  # fmt: skip


def _giant_results() -> dict[str, bytes]:
    """Operators whose result is far larger than the image, or takes long."""
    return {
        "depth-to-space-2^17": one("DepthToSpace", blocksize=2**17),
        "depth-to-space-0": one("DepthToSpace", blocksize=0),
        "depth-to-space-negative": one("DepthToSpace", blocksize=-1),
        "space-to-depth-0": one("SpaceToDepth", blocksize=0),
        "constant-of-shape-2^40": with_pixels([node("ConstantOfShape", ["s"], ["c"])], [longs("s", HUGE)], outputs=[field(1, "c")]),
        "constant-of-shape-2^34": with_pixels([node("ConstantOfShape", ["s"], ["c"])], [longs("s", 2**34)], outputs=[field(1, "c")]),
        "constant-of-shape-negative": with_pixels([node("ConstantOfShape", ["s"], ["c"])], [longs("s", -HUGE)], outputs=[field(1, "c")]),
        "constant-of-shape-overflow": with_pixels([node("ConstantOfShape", ["s"], ["probabilities"])], [longs("s", 2**32, 2**32, 4)]),
        "a-pixel-decides-a-shape": with_pixels(
            [node("ReduceMax", ["x"], ["m"], keepdims=0), node("Cast", ["m"], ["i"], to=INT64), node("Unsqueeze", ["i", "zero"], ["s"]),
             node("ConstantOfShape", ["s"], ["probabilities"])], [longs("zero", 0)]),
        "expand-2^40": one("Expand", "s", weights=[longs("s", HUGE, 1, 1, 1, 1)]),
        "tile-2^40": one("Tile", "s", weights=[longs("s", 1, 1, 1, HUGE)]),
        "tile-negative": one("Tile", "s", weights=[longs("s", 1, 1, 1, -5)]),
        "resize-scales-2^20": one("Resize", "", "s", weights=[floats("s", [4], 2.0**20)]),
        "resize-sizes-2^40": one("Resize", "", "", "s", weights=[longs("s", 1, 3, 2**20, 2**20)]),
        "resize-not-a-number": one("Resize", "", "s", weights=[floats("s", [4], float("nan"))]),
        "pad-2^40": one("Pad", "s", weights=[longs("s", 0, 0, 0, HUGE, 0, 0, 0, 0)]),
        "pad-negative": one("Pad", "s", weights=[longs("s", 0, 0, -9, -9, 0, 0, -9, -9)]),
        "range-2^40": _range(0, HUGE, 1),
        "range-step-0": _range(0, 9, 0),
        "top-k-2^40": with_pixels([node("TopK", ["x", "k"], ["probabilities", "i"])], [longs("k", HUGE)]),
        "doubling-21": _doubling(21),  # 1.6 GB
        "slow": slow(),
        "slow-and-excused": slow("Sin", times=100, excused=True),
    }  # fmt: skip


def _windows() -> dict[str, bytes]:
    """Convolutions and pools."""
    conv = {"weights": [floats("w", [4, 3, 3, 3])]}
    return {
        "conv-pads-2^40": one("Conv", "w", pads=[HUGE] * 4, **conv),
        "conv-pads-65000": one("Conv", "w", pads=[65_000] * 4, **conv),
        "conv-pads-negative": one("Conv", "w", pads=[-65_000] * 4, **conv),
        "conv-strides-70000": one("Conv", "w", strides=[70_000, 70_000], **conv),
        "conv-dilations-0": one("Conv", "w", dilations=[0, 0], **conv),
        "conv-group-0": one("Conv", "w", group=0, **conv),
        "conv-group-negative": one("Conv", "w", group=-3, **conv),
        "conv-kernel-of-another-size": one("Conv", "w", kernel_shape=[7, 7], **conv),
        "conv-weight-of-rank-1": one("Conv", "w", weights=[floats("w", [4])]),
        "conv-weight-empty": one("Conv", "w", weights=[floats("w", [0, 3, 0, 0])]),
        "conv-transpose-output-2^31": one("ConvTranspose", "w", weights=[floats("w", [3, 4, 3, 3])], output_shape=[2**31, 2**31]),
        "max-pool-kernel-2^40": one("MaxPool", kernel_shape=[HUGE, HUGE]),
        "max-pool-kernel-0": one("MaxPool", kernel_shape=[0, 0]),
        "max-pool-strides-70000": one("MaxPool", kernel_shape=[2, 2], strides=[70_000, 70_000]),
        "average-pool-dilations": one("AveragePool", kernel_shape=[2, 2], dilations=[60_000, 60_000]),
        "local-response-of-size-0": one("LRN", size=0),
    }  # fmt: skip


def _axes_and_shapes() -> dict[str, bytes]:
    """Operators whose axes, indices or shapes do not fit, and divisions by what pixels say."""
    return {
        "transpose-out-of-range": one("Transpose", perm=[0, 1, 2, 77]),
        "gather-out-of-range": one("Gather", "i", weights=[longs("i", HUGE)]),
        "gather-nd-out-of-range": one("GatherND", "i", weights=[longs("i", -9, -9, dims=[1, 2])]),
        "squeeze-axis-2^40": one("Squeeze", "a", weights=[longs("a", HUGE)]),
        "concat-axis-2^40": one("Concat", axis=HUGE),
        "split-sizes-2^40": with_pixels([node("Split", ["x", "s"], ["probabilities", "b"], axis=1)], [longs("s", HUGE, 3 - HUGE)]),
        "slice-step-0": one("Slice", "a", "b", "c", "d", weights=[longs(n, 0) for n in "abcd"]),
        "one-hot-2^40": with_pixels([node("OneHot", ["i", "d", "v"], ["probabilities"])], [longs("i", 1), longs("d", HUGE, dims=[]), floats("v", [2])]),
        "einsum-of-a-giant-equation": one("Einsum", equation="a" * 100_000),
        "gemm-of-other-shapes": one("Gemm", "w", weights=[floats("w", [7, 7])]),
        "batch-norm-of-other-shapes": one("BatchNormalization", "w", "w", "w", "w", weights=[floats("w", [77])]),
        "reshape-to-2^40": one("Reshape", "s", weights=[longs("s", HUGE, HUGE)]),
        "mod-by-pixels": _by_pixels("Mod"),
        "div-by-pixels": _by_pixels("Div"),
    }  # fmt: skip


def _quantized() -> dict[str, bytes]:
    """Operators of int8 models, and fused ones."""
    conv = {"weights": [floats("w", [4, 3, 3, 3])]}
    return {
        "dequantize-axis-99": model([node("DequantizeLinear", ["image", "s", "z"], ["probabilities"], axis=99)], [floats("s", [3]), tensor("z", [3], UINT8, bytes(3))]),
        "qlinear-conv-of-no-weight": model(
            [node("QLinearConv", ["image", "s", "z", "w", "s", "z", "s", "z"], ["probabilities"])],
            [floats("s", []), tensor("z", [], UINT8, b"\0"), tensor("w", [4, 3, 3, 3], UINT8, bytes(5))]),
        "fused-conv-of-an-unknown-activation": one("FusedConv", "w", domain="com.microsoft", activation="Wonder", **conv),
        "qgemm-of-other-shapes": model(
            [node("QGemm", ["image", "s", "z", "w", "s", "z"], ["probabilities"], domain="com.microsoft")],
            [floats("s", []), tensor("z", [], UINT8, b"\0"), tensor("w", [4], UINT8, bytes(4))]),
        "nhwc-max-pool-0": model([node("NhwcMaxPool", ["image"], ["probabilities"], domain="com.microsoft", kernel_shape=[0, 0])]),
    }  # fmt: skip


def _graphs() -> dict[str, bytes]:
    """Graphs that are too large, or not of one piece."""
    relu = node("Relu", ["x"], ["probabilities"])
    return {
        "100000-nodes": model(chain("Relu", 100_000), outputs=[field(1, "t100000")]),
        "19000-nodes": model(chain("Sin", 19_000), outputs=[field(1, "t019000")]),
        "5-million-empty-nodes": field(1, 8) + field(7, b"\x0a\x00" * 5_000_000),
        "5-million-empty-values": field(1, 8) + field(7, field(1, relu) + b"\x6a\x00" * 5_000_000),
        "duplicate-outputs": with_pixels([relu, node("Sin", ["x"], ["probabilities"])]),
        "duplicate-names": with_pixels([node("Relu", ["x"], ["y"], name="n"), node("Sin", ["y"], ["probabilities"], name="n")]),
        "duplicate-weights": one("Conv", "w", weights=[floats("w", [4, 3, 3, 3]), floats("w", [9])]),
        "weight-named-as-an-output": with_pixels([relu], [floats("probabilities", [1])]),
        "cycle": with_pixels([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["probabilities"])]),
        "self-loop": with_pixels([node("Add", ["x", "probabilities"], ["probabilities"])]),
        "missing-input": with_pixels([node("Add", ["x", "nowhere"], ["probabilities"])]),
        "no-inputs-of-a-node": with_pixels([node("Relu", [], ["probabilities"])]),
        "9000-inputs-of-a-node": with_pixels([node("Relu", ["x"] * 9000, ["probabilities"])]),
        "no-outputs": with_pixels([relu], outputs=()),
        "no-inputs": model([node("Relu", ["w"], ["probabilities"])], [floats("w", [3])], inputs=()),
    }  # fmt: skip


def _texts_and_versions() -> dict[str, bytes]:
    """Giant names and metadata, rare parts of a file, and versions that there are not."""
    relu = node("Relu", ["x"], ["probabilities"])
    return {
        "giant-metadata": with_pixels([relu], more=field(14, field(1, "edgecnn.manifest") + field(2, b"[" * (70 << 20)))),
        "giant-node-name": with_pixels([node("Relu", ["x"], ["probabilities"], name="n" * 10_000_000)]),
        "giant-tensor-name": with_pixels([node("Relu", ["x"], ["n" * 10_000_000])], outputs=[field(1, "n" * 10_000_000)]),
        "giant-domain": one("Relu", domain="d" * 10_000_000),
        "sparse-weights": with_pixels([relu], graph_more=field(15, field(1, floats("w", [1])))),
        "training-inside": with_pixels([relu], more=field(20, field(1, b""))),
        "operator-set-2^62": with_pixels([relu], opset=2**62),
        "operator-set-negative": with_pixels([relu], opset=-1),
        "format-2^62": with_pixels([relu], ir=2**62),
    }  # fmt: skip


def _inputs() -> dict[str, bytes]:
    """Inputs that are no image."""
    return {
        "input-of-2^31-columns": model([node("Cast", ["image"], ["probabilities"], to=FLOAT)], inputs=[value("image", UINT8, ["n", 8, 2**31, 3])]),
        "input-of-64-gigapixels": model([node("Cast", ["image"], ["probabilities"], to=FLOAT)], inputs=[value("image", UINT8, ["n", 2**18, 2**18, 3])]),
        "input-of-negative-size": model([node("Cast", ["image"], ["probabilities"], to=FLOAT)], inputs=[value("image", UINT8, ["n", -8, 8, 3])]),
        "input-of-1000-dimensions": model([node("Cast", ["image"], ["probabilities"], to=FLOAT)], inputs=[value("image", UINT8, [1] * 1000)]),
        "input-of-texts": model([node("Identity", ["image"], ["probabilities"])], inputs=[value("image", STRING, ["n"])]),
        "input-of-an-unknown-type": model([node("Cast", ["image"], ["probabilities"], to=FLOAT)], inputs=[value("image", 999, ["n"])]),
        "input-that-is-a-sequence": model([node("Identity", ["image"], ["probabilities"])],
                                          inputs=[field(1, "image") + field(2, field(4, field(1, field(1, field(1, FLOAT)))))]),
        "input-of-types-in-types": model([node("Identity", ["image"], ["probabilities"])], inputs=[field(1, "image") + field(2, _optional(5_000))]),
    }  # fmt: skip


def _weights() -> dict[str, bytes]:
    """Weights whose data do not fit their shape or type."""
    return {
        "weight-of-2^40-without-data": one("Conv", "w", weights=[tensor("w", [HUGE, 3, 3, 3], FLOAT, b"")]),
        "weight-of-too-little-data": one("Conv", "w", weights=[tensor("w", [4, 3, 3, 3], FLOAT, bytes(8))]),
        "weight-of-too-much-data": one("Conv", "w", weights=[tensor("w", [4, 3, 3, 3], FLOAT, bytes(80_000))]),
        "weight-of-negative-size": one("Conv", "w", weights=[tensor("w", [-4, 3, 3, 3], FLOAT, b"")]),
        "weight-whose-size-overflows": one("Conv", "w", weights=[tensor("w", [2**31, 2**31, 4], FLOAT, b"")]),
        "weight-of-an-unknown-type": one("Conv", "w", weights=[tensor("w", [4, 3, 3, 3], 999, bytes(432))]),
        "weight-of-texts": one("Conv", "w", weights=[tensor("w", [4, 3, 3, 3], STRING, bytes(432))]),
    }  # fmt: skip


def _no_models(good: bytes) -> dict[str, bytes]:
    """Other files, and the beginning of a model."""
    return {
        "nothing": b"",
        "a-image": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "an-archive": b"PK\x03\x04" + bytes(100),
        "text": b"not a model\n" * 100,
        "noise": random.Random(1).randbytes(50_000),
        **{f"cut-at-{percent}-percent": good[: len(good) * percent // 100] for percent in (1, 10, 50, 90, 99)},
    }  # fmt: skip


@cache
def hostile_models(good: bytes) -> dict[str, bytes]:
    """By name; not to be changed. ``good`` is a model that is none."""
    return {
        **_graphs_in_graphs(),
        **_from_elsewhere(),
        **_giant_results(),
        **_windows(),
        **_axes_and_shapes(),
        **_quantized(),
        **_graphs(),
        **_texts_and_versions(),
        **_inputs(),
        **_weights(),
        **_no_models(good),
        **dict(mutated(good, 30)),
    }


def _optional(depth: int) -> bytes:
    kind = field(1, field(1, FLOAT))
    for _ in range(depth):
        kind = field(9, field(1, kind))
    return kind


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    return path


def as_file(content: bytes, name: str = "some.onnx") -> ModelFile:
    return ModelFile(Path(name), content, hashlib.sha256(content).hexdigest())
