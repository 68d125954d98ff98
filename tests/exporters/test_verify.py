"""The parity ladder: forms of one model pass, strangers do not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import exporters
from edgecnn.errors import UsageError
from edgecnn.evaluation.parity_report import parity_page
from edgecnn.runtime.analysis.layer_diff import compare_layers, first_parting


def changed(source: Path, target: Path, change) -> Path:
    model = onnx.load(source)
    change(model)
    onnx.save(model, target)
    return target


def negate_classifier(model: onnx.ModelProto) -> None:
    gemm = [n for n in model.graph.node if n.op_type == "Gemm"][-1]
    for tensor in model.graph.initializer:
        if tensor.name in gemm.input[1:]:
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))


def poison(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    tensor.CopyFrom(numpy_helper.from_array(np.full(tuple(tensor.dims), np.nan, np.float32), tensor.name))


def set_manifest(**changes: object):
    def change(model: onnx.ModelProto) -> None:
        for entry in model.metadata_props:
            if entry.key == "edgecnn":
                entry.value = json.dumps({**json.loads(entry.value), **changes})

    return change


def test_a_model_holds_against_itself_and_its_int8_form(tiny_model: Path, tiny_int8_model: Path, shapes: Path) -> None:
    result = exporters.verify(tiny_model, [tiny_model, tiny_int8_model], shapes, max_drop=0.1, min_agreement=0.9)
    assert result.passed
    assert [s.kind for s in result.stages] == ["onnx-fp32", "onnx-fp32", "onnx-int8"]
    same = result.stages[1]
    assert (same.agreement, same.max_abs_diff, same.kl, same.sqnr_db, same.flips) == (1.0, 0.0, 0.0, None, ())
    assert result.stages[2].sqnr_db > 10


@pytest.mark.parametrize("change", [negate_classifier, poison], ids=["negated classifier", "NaN weights"])
def test_a_stranger_fails_with_the_images_that_flip(change, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    stranger = changed(tiny_model, tmp_path / "stranger.onnx", change)
    result = exporters.verify(tiny_model, [stranger], shapes)
    assert not result.passed
    assert result.first_divergence.file == str(stranger)
    assert len(result.stages[1].flips) == 40
    assert Path(result.stages[1].flips[0].image).exists()


def test_another_resize_shows(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    """The candidate goes from the file to the label by its own manifest, so a wrong manifest is seen too."""
    other = changed(
        tiny_model,
        tmp_path / "crop.onnx",
        set_manifest(preprocess={"resize": "crop", "interpolation": "nearest", "crop_fraction": 0.5, "pad_value": 0}),
    )
    assert exporters.verify(tiny_model, [other], shapes, max_drop=1, min_agreement=0).stages[1].max_abs_diff > 0.05


def test_other_labels_are_wrong_usage(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    def swap(model: onnx.ModelProto) -> None:
        set_manifest(labels=["square", "circle"])(model)
        for entry in model.metadata_props:
            if entry.key == "labels":
                entry.value = json.dumps(["square", "circle"])

    with pytest.raises(UsageError, match="labels"):
        exporters.verify(tiny_model, [changed(tiny_model, tmp_path / "swapped.onnx", swap)], shapes)


def _weights(model: onnx.ModelProto, op_type: str, change) -> None:
    """Changes the weight of the first node of a kind."""
    name = next(n for n in model.graph.node if n.op_type == op_type).input[1]
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(
        numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor))).astype(np.float32), name)
    )


def _swapped_channels(model: onnx.ModelProto) -> None:
    _weights(model, "Conv", lambda w: w[:, ::-1])


def _wrong_mean(model: onnx.ModelProto) -> None:
    _weights(model, "Sub", lambda mean: mean + 60)


def _stale_head(model: onnx.ModelProto) -> None:
    _weights(model, "Gemm", lambda w: np.random.default_rng(0).normal(size=w.shape))


def _other_resize(model: onnx.ModelProto) -> None:
    set_manifest(preprocess={"resize": "crop", "interpolation": "nearest", "crop_fraction": 0.5, "pad_value": 0})(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_swapped_channels, r"at \S+ \((Conv|Relu)\)"),
        (_wrong_mean, r"at \S+ \(Sub\)"),
        (_stale_head, r"at \S+ \(Gemm\)"),
        (_other_resize, "in preprocessing, before the first layer: resize crop instead of stretch"),
    ],
)
def test_where_two_forms_part_is_named(change, says: str, tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    stranger = changed(tiny_model, tmp_path / "stranger.onnx", change)
    result = exporters.verify(tiny_model, [tiny_model, stranger], shapes, min_agreement=1.0)
    assert result.first_divergence.file == str(stranger)
    assert re.match(says, result.first_divergence.where), result.first_divergence.where


def test_an_int8_file_parts_at_no_layer(tiny_model: Path, tiny_int8_model: Path, shapes: Path) -> None:
    layers = compare_layers(
        tiny_model, tiny_int8_model, np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    )
    assert len(layers) >= 4
    assert first_parting(layers) is None
    assert 15 < min(layer.sqnr_db for layer in layers) < 60


def test_a_file_parts_nowhere_from_itself(tiny_model: Path) -> None:
    layers = compare_layers(tiny_model, tiny_model, np.zeros((1, 32, 32, 3), np.uint8))
    assert {layer.sqnr_db for layer in layers} == {float("inf")}


def test_the_report_shows_the_images_that_changed(tiny_model: Path, shapes: Path, tmp_path: Path) -> None:
    """One file that fetches nothing, in which names are words whatever they hold.

    An image that has gone leaves a gap.
    """
    stranger = changed(tiny_model, tmp_path / "str<b>anger.onnx", negate_classifier)
    result = exporters.verify(tiny_model, [stranger], shapes)
    gone = replace(result.stages[1].flips[0], image=str(tmp_path / "gone.png"))
    result = replace(
        result, stages=(result.stages[0], replace(result.stages[1], flips=(gone, *result.stages[1].flips[1:])))
    )
    found = parity_page(result)
    assert found.count("<img ") == 39
    assert found.count('class="gone"') == 1
    assert "str&lt;b&gt;anger.onnx" in found
    assert "<b>anger" not in found
    assert "default-src 'none'" in found
    assert "They diverge at" in found
    assert "All forms pass" in parity_page(exporters.verify(tiny_model, [tiny_model], shapes))
