"""What quantization cannot work with: one line, status 2, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper
from shapes import write_shapes
from test_bad_input import refused


def _changed(source: Path, path: Path, change) -> Path:
    model = onnx.load(source)
    change(model)
    onnx.save(model, path)
    return path


def _custom_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    _before_the_output(
        model, helper.make_node("Wonder", ["wonderful"], ["probabilities"], name="w", domain="com.example")
    )


def _control_flow(model: onnx.ModelProto) -> None:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["wonderful"], ["b"])], "branch", [], [onnx.ValueInfoProto(name="b")]
    )
    condition = helper.make_node(
        "Constant", [], ["always"], value=helper.make_tensor("c", onnx.TensorProto.BOOL, [], [True])
    )
    model.graph.node.append(condition)
    _before_the_output(
        model, helper.make_node("If", ["always"], ["probabilities"], then_branch=branch, else_branch=branch)
    )


def _before_the_output(model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    maker = next(n for n in model.graph.node if "probabilities" in n.output)
    maker.output[0] = "wonderful"
    model.graph.node.append(node)


@pytest.mark.parametrize(
    ("change", "told"), [(_custom_operator, "com.example.Wonder"), (_control_flow, "control flow (If)")]
)
def test_operators_that_cannot_be_quantized(
    change, told: str, edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    model = _changed(tiny_model, tmp_path / "odd.onnx", change)
    refused(edgecnn("quantize", model, "--data", shapes, "--out", tmp_path / "q.onnx"), "odd.onnx", told)
    assert not (tmp_path / "q.onnx").exists()


def test_weights_in_another_file(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    onnx.save_model(
        onnx.load(tiny_model), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0
    )
    refused(
        edgecnn("quantize", tmp_path / "m.onnx", "--data", shapes, "--out", tmp_path / "q.onnx"),
        "m.onnx",
        "external data file",
    )


def test_a_file_that_is_quantized_already(edgecnn, tiny_int8_model: Path, shapes: Path, tmp_path: Path) -> None:
    refused(
        edgecnn("quantize", tiny_int8_model, "--data", shapes, "--out", tmp_path / "q.onnx"),
        "already quantized",
        "float file",
    )


def test_images_of_other_classes(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    others = write_shapes(tmp_path / "others", 4)
    (others / "circle").rename(others / "aeroplane")
    refused(edgecnn("quantize", tiny_model, "--data", others, "--out", tmp_path / "q.onnx"), "aeroplane", "circle")


def test_too_few_images(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    few = write_shapes(tmp_path / "few", 1)
    refused(
        edgecnn("quantize", tiny_model, "--data", few, "--out", tmp_path / "q.onnx"), "for calibration", "at least 4"
    )


def test_a_place_that_cannot_be_written_is_told_before_the_work_begins(
    edgecnn, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    done = edgecnn(
        "quantize", tiny_model, "--data", tmp_path / "not there either", "--out", tmp_path / "file" / "q.onnx"
    )
    refused(done, "cannot be written")


def test_a_target_that_there_is_not(edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    refused(
        edgecnn("quantize", tiny_model, "--data", shapes, "--target", "x86,z80", "--out", tmp_path / "q.onnx"),
        "z80",
        "arm64",
    )
    assert not list(tmp_path.iterdir())
