"""Class-activation maps of exported, quantized, half-precision and adopted files; and what quantization keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from grounds import write_grounds
from onnx import helper
from other_forms import OTHER_FORMS, other_form
from small_foreign import LABELS, save_classifier
from taught_models import taught_with_thumbnails
from torch.nn import functional
from untrained import shared_backend

from edgecnn.manifest import TAUGHT_KEY
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.activation_maps import ActivationMaps, NoMapError
from edgecnn.runtime.why.explanation import open_explainer
from edgecnn.training.explain.activation_maps import activation_maps
from edgecnn.training.tensors import normalize
from exporters import AdoptOptions, QuantizeOptions, adopt, quantize


def check_sums(path: Path, tolerance: float = 1e-4) -> None:
    """The mean of each map and its bias are the logit, and the logits make the probabilities."""
    session, maps = open_session(path, "cpu"), ActivationMaps(read_model_file(path))
    for seed in range(3):
        image = np.random.default_rng(seed).integers(0, 256, session.input_shape).astype(np.uint8)
        found = maps.maps(image, range(session.classes))
        for one in found:
            assert one.values.mean() + one.bias == pytest.approx(one.logit, abs=tolerance)
        logits = np.array([one.logit for one in found])
        if maps.one_logit:  # its two logits are opposed, and the graph's first one is 0
            logits = logits / 2
        shares = np.exp(logits - logits.max())
        np.testing.assert_allclose(shares / shares.sum(), session.probabilities(image[None])[0], atol=10 * tolerance)


@pytest.mark.parametrize("name", ["resnet8", "efficientnet_lite0", "mobilenetv1_025", "mobilenetv2"])
def test_a_files_map_is_that_of_the_network(name: str, float_file: Callable[[str], Path]) -> None:
    path, backend = float_file(name), shared_backend(name)
    check_sums(path)
    height, width, _ = open_session(path, "cpu").input_shape
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    maps = ActivationMaps(read_model_file(path)).maps(image, (0, 1))
    network = backend.network.eval()
    inputs = normalize(image[None], backend.manifest.normalization, torch.device("cpu"))
    for one in maps:
        drawn = torch.tensor(one.values)[None, None].relu()
        wanted = functional.interpolate(drawn / drawn.amax(), (height, width), mode="bilinear", align_corners=False)
        torchs = activation_maps(network, inputs, [one.index])[0]
        np.testing.assert_allclose(wanted[0, 0].numpy(), torchs, atol=2e-3)


@pytest.mark.parametrize("name", ["mobilenetv3_small", "threeconv"])
def test_a_network_with_a_hidden_layer_behind_its_features_says_why_it_has_no_map(
    name: str, float_file: Callable[[str], Path]
) -> None:
    with pytest.raises(NoMapError, match=r"hidden layer between|takes no average"):
        ActivationMaps(read_model_file(float_file(name)))


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_other_forms_of_an_exported_file_have_maps_too(form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_sums(other_form(form, tmp_path_factory), 1e-3)


@pytest.mark.parametrize(
    ("end", "classes", "average"),
    [
        ([], 4, "GlobalAveragePool"),
        ([helper.make_node("Softmax", ["l"], ["y"], axis=1)], 4, "ReduceMean"),
        ([helper.make_node("Sigmoid", ["l"], ["y"])], 1, "GlobalAveragePool"),
    ],
)
def test_an_adopted_file_has_maps(end: list[onnx.NodeProto], classes: int, average: str, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS[: max(classes, 2)]))
    model = save_classifier(tmp_path / "theirs.onnx", classes, end)
    if average == "ReduceMean":
        (pool,) = (node for node in model.graph.node if node.op_type == "GlobalAveragePool")
        pool.op_type = average
        pool.attribute.extend([helper.make_attribute("axes", [2, 3])])
        onnx.save(model, tmp_path / "theirs.onnx")
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, mean=(0.5,), std=(0.25,)))
    check_sums(tmp_path / "ours.onnx")


def test_a_quantized_file_remembers_its_taught_images(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    taught = taught_with_thumbnails(tmp_path_factory)
    gates = QuantizeOptions(method="minmax", samples=20, max_drop=1.0, min_speedup=0.0)
    others = write_grounds(tmp_path / "others", 12, first_seed=700)
    found = quantize(taught, others, tmp_path / "int8.onnx", gates)
    assert found.decision == "int8"
    records = [onnx.load(path).metadata_props for path in (taught, tmp_path / "int8.onnx")]
    texts = [next(entry.value for entry in record if entry.key == TAUGHT_KEY) for record in records]
    assert texts[0] == texts[1]
    check_sums(tmp_path / "int8.onnx")
    classifier = Classifier(tmp_path / "int8.onnx", ep="cpu")
    path = taught.with_name("images") / "dark" / "0003.png"
    explained = open_explainer(classifier).explain(Frame(cv2.imread(str(path)), "image"))
    assert explained.map_reason is None
    assert path.name in [similar.image.file for similar in explained.nearest]
    assert explained.nearest[0].image.label == "dark"
    assert explained.nearest[0].image.thumbnail is not None
