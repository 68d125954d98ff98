"""What `inspect` says of a model file agrees with what was counted by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from contract_keys import INSPECT

from edgecnn.errors import InputNotFoundError, ManifestError, ModelError
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.runtime.analysis.inspect import Inspection, inspect_model
from edgecnn.runtime.onnx_file import proto as onnx_proto
from edgecnn.runtime.session.model_file import check_session

FLOAT, INT8, INT64 = 1, 3, 7


def manifest() -> Manifest:
    return Manifest(
        labels=("cat", "dog"),
        input=InputSpec(32, 32),
        preprocess=PreprocessSpec(),
        normalization=Normalization(),
        unknown=UnknownRule(),
        training=TrainingRecord("none", "none", "none", None, None),
        created_by="a test",
    )


class Graph:
    """Writes a model's structure, without weights, through the runtime's own schema."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "model.onnx"
        self.model: Any = onnx_proto._Model(ir_version=8)
        self.model.opset_import.add(domain="", version=18)
        self.metadata("edgecnn", manifest().to_json())

    def metadata(self, key: str, value: str) -> Graph:
        self.model.metadata_props.add(key=key, value=value)
        return self

    def node(self, op_type: str, inputs: str, output: str, name: str = "") -> Graph:
        self.model.graph.node.add(op_type=op_type, input=inputs.split(), output=output.split(), name=name)
        return self

    def weight(self, name: str, *dims: int, kind: int = FLOAT) -> Graph:
        self.model.graph.initializer.add(name=name, dims=dims, data_type=kind)
        return self

    def shape(self, name: str, *dims: int | str, where: str = "value_info") -> Graph:
        value = getattr(self.model.graph, where).add(name=name)
        value.type.tensor_type.elem_type = FLOAT
        for side in dims:
            value.type.tensor_type.shape.dim.add(**{"dim_param" if isinstance(side, str) else "dim_value": side})
        return self

    def inspect(self) -> Inspection:
        self.path.write_bytes(self.model.SerializeToString())
        return inspect_model(self.path)


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


def test_a_convolution_and_a_classifier_are_counted_as_by_hand(graph: Graph) -> None:
    """8 x 3 x 3 x 3 weights used at 16 x 16 places, 8 x 1 x 3 x 3 at as many, 2 x 8 once; 8 + 8 + 2 biases."""
    graph.weight("w1", 8, 3, 3, 3).weight("b1", 8).weight("w2", 8, 1, 3, 3).weight("b2", 8).weight("w3", 2, 8).weight(
        "b3", 2
    )
    graph.node("Conv", "x w1 b1", "c1", "first").node("Relu", "c1", "r1").node("Conv", "r1 w2 b2", "c2", "depthwise")
    graph.node("GlobalAveragePool", "c2", "g").node("Flatten", "g", "f").node("Gemm", "f w3 b3", "y", "classifier")
    graph.shape("x", "N", 3, 32, 32, where="input").shape("c1", "N", 8, 16, 16).shape("c2", "N", 8, 16, 16).shape(
        "y", "N", 2, where="output"
    )
    found = graph.inspect()
    assert found.parameters == 8 * 27 + 8 + 8 * 9 + 8 + 2 * 8 + 2
    assert found.macs == 16 * 16 * (8 * 27 + 8 * 9) + 2 * 8
    assert found.operators == {"Conv": 2, "Relu": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    assert found.float_nodes == ("first", "depthwise", "classifier")
    assert found.quantized_nodes == ()
    assert found.opset == 18


def test_a_batch_that_the_file_fixes_counts_as_one_image(graph: Graph) -> None:
    graph.weight("w", 4, 3, 1, 1).node("Conv", "x w", "y").shape("y", 8, 4, 5, 5, where="output")
    assert graph.inspect().macs == 4 * 3 * 5 * 5


def test_a_node_is_int8_where_image_and_weight_come_from_dequantizers(graph: Graph) -> None:
    """Its weight counts, its scales and zero points do not; its shape is found behind the QuantizeLinear."""
    graph.weight("w", 4, 3, 3, 3, kind=INT8).weight("ws", 4).weight("wz", 4, kind=INT8).weight("b", 4, kind=6).weight(
        "s"
    ).weight("z", kind=2)
    graph.node("DequantizeLinear", "x s z", "xf").node("DequantizeLinear", "w ws wz", "wf").node(
        "DequantizeLinear", "b ws", "bf"
    )
    graph.node("Conv", "xf wf bf", "c", "int8 conv").node("QuantizeLinear", "c s z", "cq").node(
        "DequantizeLinear", "cq s z", "cf"
    )
    graph.weight("v", 2, 4, 1, 1).node("Conv", "cf v", "y", "float conv")
    graph.shape("cq", "N", 4, 10, 10).shape("y", "N", 2, 10, 10, where="output")
    found = graph.inspect()
    assert (found.quantized_nodes, found.float_nodes) == (("int8 conv",), ("float conv",))
    assert found.parameters == 4 * 27 + 4 + 2 * 4
    assert found.macs == 100 * (4 * 27 + 2 * 4)


def test_integer_operators_are_int8_by_themselves(graph: Graph) -> None:
    graph.weight("w", 4, 3, 1, 1, kind=INT8).weight("b", 4, kind=6).weight("s").weight("z", kind=2)
    graph.node("QLinearConv", "x s z w s z s z b", "c", "conv").weight("m", 4, 2, kind=INT8).node(
        "QLinearMatMul", "c s z m s z s z", "y", "product"
    )
    found = graph.inspect()
    assert found.quantized_nodes == ("conv", "product")
    assert found.parameters == 12 + 4 + 8


def test_a_weight_may_be_rearranged_on_its_way_and_counts_once_for_all_that_share_it(graph: Graph) -> None:
    """Nor does the shape that a Reshape takes count."""
    graph.weight("w", 6, 2).weight("to", 2, kind=INT64).node("Reshape", "w to", "r").node("Transpose", "r", "t")
    graph.node("MatMul", "x t", "y").node("MatMul", "y t", "z").shape("y", "N", 7, 3).shape(
        "z", "N", 7, 3, where="output"
    )
    found = graph.inspect()
    assert found.parameters == 12
    assert found.macs == 2 * 7 * 12


def test_the_bias_of_a_matrix_product_counts_where_it_is_added(graph: Graph) -> None:
    graph.weight("w", 4, 2).weight("b", 2).node("MatMul", "x w", "m").node("Add", "m b", "y").weight("shift", 9).node(
        "Add", "x shift", "other"
    )
    assert graph.inspect().parameters == 8 + 2


def test_a_transposed_convolution_uses_each_weight_at_each_place_of_its_input(graph: Graph) -> None:
    graph.weight("w", 4, 2, 2, 2).node("ConvTranspose", "x w", "y").shape("x", "N", 4, 8, 8, where="input").shape(
        "y", "N", 2, 16, 16, where="output"
    )
    assert graph.inspect().macs == 8 * 8 * 4 * 2 * 2 * 2


def test_a_product_of_two_activations_costs_a_row_an_output(graph: Graph) -> None:
    graph.node("MatMul", "q k", "y").shape("q", "N", 5, 16, where="input").shape("y", "N", 5, 5, where="output")
    assert graph.inspect().macs == 5 * 5 * 16


def test_without_a_shape_the_work_is_unknown_not_guessed(graph: Graph) -> None:
    graph.weight("w", 4, 3, 3, 3).node("Conv", "x w", "c").node("MaxPool", "c", "y").shape(
        "y", "N", 4, 2, 2, where="output"
    )
    assert graph.inspect().macs is None


def test_with_a_free_height_the_work_is_unknown(graph: Graph) -> None:
    graph.weight("w", 4, 3, 3, 3).node("Conv", "x w", "y").shape("y", "N", 4, "H", "W", where="output")
    assert graph.inspect().macs is None


def test_a_node_without_a_name_goes_by_what_it_makes(graph: Graph) -> None:
    graph.weight("w", 4, 3, 3, 3).node("Conv", "x w", "made")
    assert graph.inspect().float_nodes == ("made",)


def test_inputs_and_outputs_are_described(graph: Graph) -> None:
    found = (
        graph.node("Relu", "x", "y")
        .shape("x", "batch", 3, where="input")
        .shape("y", "batch", 3, where="output")
        .inspect()
    )
    assert [(t.name, t.type, t.shape) for t in (*found.inputs, *found.outputs)] == [
        ("x", "float", ("batch", 3)),
        ("y", "float", ("batch", 3)),
    ]


def test_a_damaged_graph_is_an_error_of_the_file(graph: Graph) -> None:
    with pytest.raises(ModelError, match="damaged"):
        graph.node("Conv", "x", "y", "halved").inspect()


def test_a_graph_that_runs_in_a_circle_does_not_hang(graph: Graph) -> None:
    graph.node("Identity", "a", "b").node("Identity", "b", "a").node("Conv", "x a", "y").node("Relu", "p", "q").node(
        "Relu", "q", "p"
    )
    assert graph.node("Conv", "x w", "p").inspect().macs is None


def test_a_file_without_manifest_is_refused_in_the_words_of_the_runner(
    graph: Graph, tiny_model: Path, tmp_path: Path
) -> None:
    del graph.model.metadata_props[:]
    with pytest.raises(ManifestError) as here:
        graph.node("Relu", "x", "y").inspect()
    stripped = tmp_path / "stripped.onnx"
    stripped.write_bytes(tiny_model.read_bytes().replace(b"\x0a\x07edgecnn", b"\x0a\x07edgecxx"))
    with pytest.raises(ManifestError) as there:
        check_session(stripped, onnxruntime.InferenceSession(stripped, providers=["CPUExecutionProvider"]))
    assert str(here.value).removeprefix(str(graph.path)) == str(there.value).removeprefix(str(stripped))


def test_a_broken_manifest_names_the_file(graph: Graph) -> None:
    del graph.model.metadata_props[:]
    with pytest.raises(ManifestError, match=r"model\.onnx: .*schema"):
        graph.metadata("edgecnn", "{}").node("Relu", "x", "y").inspect()


def test_what_a_later_writer_added_to_the_manifest_is_shown(graph: Graph) -> None:
    del graph.model.metadata_props[:]
    text = json.dumps(json.loads(manifest().to_json()) | {"later": [1, 2]})
    assert graph.metadata("edgecnn", text).node("Relu", "x", "y").inspect().manifest["later"] == [1, 2]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"gone\.onnx"):
        inspect_model(tmp_path / "gone.onnx")


def test_the_file_itself_is_described(tiny_model: Path) -> None:
    """Hash and size by other means, and every key of the contract."""
    found, content = inspect_model(tiny_model), tiny_model.read_bytes()
    assert set(vars(found)) >= set(INSPECT)
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    session = onnxruntime.InferenceSession(tiny_model, providers=["CPUExecutionProvider"])
    assert found.manifest == json.loads(session.get_modelmeta().custom_metadata_map["edgecnn"])
    json.dumps(found.manifest)


def test_quantizing_changes_neither_weights_nor_work_but_where_they_run(
    tiny_model: Path, tiny_int8_model: Path
) -> None:
    float_file, int8_file = inspect_model(tiny_model), inspect_model(tiny_int8_model)
    assert float_file.float_nodes
    assert float_file.quantized_nodes == ()
    assert int8_file.quantized_nodes
    assert float_file.macs is not None
    assert (int8_file.parameters, int8_file.macs) == (float_file.parameters, float_file.macs)
