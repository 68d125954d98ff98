"""What runs in int8 after loading, told by name; every way of breaking it that users have met."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import InputNotFoundError, ModelError
from edgecnn.runtime.analysis.int8_kernels import check_fusion

onnx = pytest.importorskip("onnx", reason="the broken files are made with onnx")


@pytest.fixture
def model(tiny_int8_model: Path):
    return onnx.load(tiny_int8_model)


def _save(model, folder: Path) -> Path:
    onnx.save(model, folder / "broken.onnx")
    return folder / "broken.onnx"


def _after(model, tensor: str):
    return next(n for n in model.graph.node if tensor in n.input)


def test_an_int8_file_runs_in_int8(tiny_int8_model: Path) -> None:
    found = check_fusion(tiny_int8_model)
    assert len(found.fused) == 3
    assert found.whole


def test_a_float_file_has_nothing_to_fuse(tiny_model: Path) -> None:
    found = check_fusion(tiny_model)
    assert found.fused == ()
    assert found.whole


def test_a_convolution_whose_output_is_also_an_output_of_the_file_is_named(model, tmp_path: Path) -> None:
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    model.graph.output.append(onnx.helper.make_tensor_value_info(conv.output[0], onnx.TensorProto.FLOAT, None))
    found = check_fusion(_save(model, tmp_path))
    assert [f.node for f in found.broken] == [conv.name]
    assert "a graph output" in found.broken[0].why
    assert not found.whole


def test_an_activation_that_the_range_does_not_absorb_is_named(model, tmp_path: Path) -> None:
    """A Clip tighter than the range of the QuantizeLinear behind it."""
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    quantize = _after(model, conv.output[0])
    for name, value in (("low", 0.0), ("high", 0.01)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(onnx.numpy_helper.np.array(value, "float32"), name))
    clip = onnx.helper.make_node("Clip", [conv.output[0], "low", "high"], ["clipped"], name="clip")
    model.graph.node.insert(list(model.graph.node).index(quantize), clip)
    quantize.input[0] = "clipped"
    found = check_fusion(_save(model, tmp_path))
    assert [f.node for f in found.broken] == [conv.name]
    assert "the Clip after it is not fused" in found.broken[0].why


def test_a_convolution_that_loses_its_quantizer_is_named(model, tmp_path: Path) -> None:
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    quantize = _after(model, conv.output[0])
    dequantize = _after(model, quantize.output[0])
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == dequantize.output[0]:
                node.input[i] = conv.output[0]
    model.graph.node.remove(dequantize)
    model.graph.node.remove(quantize)
    found = check_fusion(_save(model, tmp_path))
    assert conv.name in [f.node for f in found.broken]
    assert not found.whole


def test_a_conversion_between_int8_nodes_is_a_stray(model, tmp_path: Path) -> None:
    """An operator that has no int8 form, in the middle."""
    dequantize = next(
        n
        for n in model.graph.node
        if n.op_type == "DequantizeLinear" and _after(model, n.output[0]).op_type == "GlobalAveragePool"
    )
    pool = _after(model, dequantize.output[0])
    model.graph.node.insert(
        list(model.graph.node).index(pool), onnx.helper.make_node("Sin", [dequantize.output[0]], ["sine"], name="sine")
    )
    pool.input[0] = "sine"
    found = check_fusion(_save(model, tmp_path))
    assert {f.operator for f in found.stray} >= {"DequantizeLinear"}
    assert any("Sin" in f.why for f in found.stray)


def test_a_stem_of_three_channels_is_slow_by_name(tiny_int8_model: Path) -> None:
    assert [f.why for f in check_fusion(tiny_int8_model).slow] == [
        "3 input channels, 16 output channels; the fast kernel needs multiples of 4 and at least 16 outputs"
    ]


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError):
        check_fusion(tmp_path / "none.onnx")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError):
        check_fusion(tmp_path / "x.onnx")
