"""Model files that nobody should teach: each is refused in one line, or taught to a file that proves itself."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from grounds import write_grounds, write_stripes

from edgecnn.errors import DataError, ManifestError, ModelError
from edgecnn.manifest import CLASSES_KEY, GOLDEN_KEY
from edgecnn.runtime.admission.admission import admit_own
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.teach import teach

onnx = pytest.importorskip("onnx")
node, array = onnx.helper.make_node, onnx.numpy_helper.from_array

Change = Callable[["onnx.ModelProto"], object]


@pytest.fixture(scope="module")
def known(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with statistics of its classes `dark` and `light`."""
    folder = tmp_path_factory.mktemp("known")
    images = write_grounds(folder / "images", 16)
    teach(tiny_model, images, folder / "known.onnx", TeachOptions(replace=True))
    return folder / "known.onnx"


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stripes")
    write_stripes(folder, 10)
    return folder


@pytest.fixture
def changed(known: Path, tmp_path: Path) -> Callable[[Change], Path]:
    def make(change: Change) -> Path:
        model = onnx.load(known)
        change(model)
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return make


def entry(model, key: str):
    return next(entry for entry in model.metadata_props if entry.key == key)


def halves(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f2").tobytes()).decode()


@pytest.mark.parametrize(
    "statistics",
    [
        "", "null", "3", "[]", '"x"', "[" * 100_000, '{"counts": 1}', {"counts": [16]}, {"counts": [16, 0]}, {"counts": [16, -16]},
        {"counts": [16, 1e400]}, {"counts": [16, 10**400]}, {"counts": [16, float("nan")]}, {"counts": "12"}, {"counts": None},
        {"means": None}, {"means": 3}, {"means": "@@"}, {"means": "AAAA"}, {"means": "é"}, {"means": halves(*[float("nan")] * 64)},
        {"means": halves(*[1] * 66), "rest": halves(*[1] * 33), "directions": halves(*[1] * 33)}, {"rest": ""}, {"directions": halves(1, 2, 3)},
    ],
    ids=lambda found: str(found)[:40],
)  # fmt: skip
def test_statistics_that_are_none_are_refused(statistics, changed, stripes: Path, tmp_path: Path) -> None:
    def change(model) -> None:
        held = entry(model, CLASSES_KEY)
        held.value = statistics if isinstance(statistics, str) else json.dumps(json.loads(held.value) | statistics)

    model = changed(change)
    admit_own(read_model_file(model))  # its graph is known; a trial run in a child for each would find nothing new
    with pytest.raises(ManifestError, match=r"model.onnx: the statistics of the classes .*; export the model again"):
        teach(model, stripes, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_classes_that_are_forgotten_need_no_statistics(changed, known: Path, tmp_path: Path) -> None:
    model = changed(lambda model: setattr(entry(model, CLASSES_KEY), "value", "[]"))
    found = teach(model, known.with_name("images"), tmp_path / "out.onnx", TeachOptions(replace=True))
    assert found.labels == ("dark", "light")


def test_absurd_but_possible_statistics_give_finite_figures(changed, stripes: Path, tmp_path: Path) -> None:
    def change(model) -> None:
        held = entry(model, CLASSES_KEY)
        held.value = json.dumps(json.loads(held.value) | {"means": halves(*[65504] * 64), "counts": [1, 2**53]})

    found = teach(changed(change), stripes, tmp_path / "out.onnx")
    assert 0 <= found.cv_top1 <= 1
    assert found.known_top1_before is not None
    assert np.isfinite(found.known_top1_before)


def replace_embedding(model, *nodes, **constants) -> None:
    """Renames the embedding to `raw`, and lets these nodes make another one."""
    made = next(n for n in model.graph.node if "embedding" in n.output)
    made.output[list(made.output).index("embedding")] = "raw"
    place = list(model.graph.node).index(made) + 1
    for i, new in enumerate(nodes):
        model.graph.node.insert(place + i, new)
    model.graph.initializer.extend(array(np.asarray(value), name) for name, value in constants.items())
    model.metadata_props.remove(entry(model, GOLDEN_KEY))


def read_raw(model) -> None:
    """What follows the embedding reads `raw`."""
    for each in model.graph.node:
        each.input[:] = ["raw" if name == "embedding" else name for name in each.input]


def embedding_of(model):
    return next(output for output in model.graph.output if output.name == "embedding").type.tensor_type


def no_embedding(model) -> None:
    model.graph.output.remove(next(output for output in model.graph.output if output.name == "embedding"))


def embedding_of_four_axes(model) -> None:
    replace_embedding(model, node("Unsqueeze", ["raw", "axes"], ["embedding"]), axes=np.array([2, 3]))
    read_raw(model)
    next(n for n in model.graph.node if "embedding" in n.output).input[0] = "raw"
    for _ in range(2):
        embedding_of(model).shape.dim.add().dim_value = 1


def embedding_is_an_initializer(model) -> None:
    read_raw(model)
    replace_embedding(model, embedding=np.ones((1, 32), np.float32))


def embedding_of_another_type(kind: int) -> Change:
    def change(model) -> None:
        read_raw(model)
        replace_embedding(model, node("Cast", ["raw"], ["embedding"], to=kind))
        embedding_of(model).elem_type = kind

    return change


@pytest.mark.parametrize(
    "change",
    [no_embedding, embedding_of_four_axes, embedding_is_an_initializer, embedding_of_another_type(10), embedding_of_another_type(7)],
    ids=["none", "four axes", "an initializer", "float16", "int64"],
)  # fmt: skip
@pytest.mark.parametrize("replace", [False, True], ids=["adding", "replacing"])
def test_a_graph_without_features_is_refused(
    change: Change, replace: bool, changed, known: Path, stripes: Path, tmp_path: Path
) -> None:
    data = known.with_name("images") if replace else stripes
    with pytest.raises(ModelError, match=r"model.onnx: has no output 'embedding' with one row of float32 features"):
        teach(changed(change), data, tmp_path / "out.onnx", TeachOptions(replace=replace))


@pytest.mark.parametrize("factor", [np.nan, np.inf, 1e30])
def test_features_that_no_figure_can_come_of_are_refused(factor: float, changed, stripes: Path, tmp_path: Path) -> None:
    def change(model) -> None:
        replace_embedding(model, node("Mul", ["raw", "factor"], ["embedding"]), factor=np.float32(factor))

    with pytest.raises(DataError, match="no finite features of any of its images; test the model"):
        teach(changed(change), stripes, tmp_path / "out.onnx")


def test_an_unlabelled_image_without_features_is_skipped_and_the_others_are_ranked(
    changed, known: Path, stripes: Path, tmp_path: Path
) -> None:
    """1 / (pixels - 255) of a white image is infinite."""

    def change(model) -> None:
        replace_embedding(
            model,
            node("Cast", ["image"], ["pixels"], to=1),
            node("ReduceMin", ["pixels", "axes"], ["darkest"], keepdims=0),
            node("Sub", ["darkest", "white"], ["below"]),
            node("Reciprocal", ["below"], ["factor"]),
            node("Reshape", ["factor", "column"], ["factors"]),
            node("Mul", ["raw", "factors"], ["embedding"]),
            axes=np.array([1, 2, 3]),
            white=np.float32(255),
            column=np.array([-1, 1]),
        )
        read_raw(model)
        next(n for n in model.graph.node if "embedding" in n.output).input[0] = "raw"

    cv2.imwrite(str(tmp_path / "white.png"), np.full((48, 48, 3), 255, np.uint8))
    shutil.copytree(stripes, tmp_path / "frames")
    options = TeachOptions(replace=True, unlabelled=tmp_path, label_next=3)
    found = teach(changed(change), known.with_name("images"), tmp_path / "out.onnx", options)
    assert [(Path(each.path).name, each.reason) for each in found.skipped] == [
        ("white.png", "the model computes no finite features of it")
    ]
    assert len(found.label_next) == 3


def on_logits(*nodes, **constants) -> Change:
    """Nodes between the linear layer (`l`) and the softmax (`m`)."""

    def change(model) -> None:
        last = next(n for n in model.graph.node if "probabilities" in n.output)
        before = next(n for n in model.graph.node if last.input[0] in n.output)
        before.output[0], last.input[0] = "l", "m"
        place = list(model.graph.node).index(last)
        for i, new in enumerate(nodes):
            model.graph.node.insert(place + i, new)
        model.graph.initializer.extend(array(np.asarray(value), name) for name, value in constants.items())
        model.metadata_props.remove(entry(model, GOLDEN_KEY))

    return change


def over_the_images(model) -> None:
    on_logits(node("Identity", ["l"], ["m"]))(model)
    next(n for n in model.graph.node if "probabilities" in n.output).attribute[0].i = 0


def past_the_embedding(model) -> None:
    replace_embedding(model, node("Identity", ["raw"], ["embedding"]))
    gemm = next(n for n in model.graph.node if n.op_type == "Gemm")
    gemm.input[0] = "raw"


HEADS = {
    "squared": on_logits(node("Mul", ["l", "l"], ["m"])),
    "bounded": on_logits(node("Tanh", ["l"], ["m"])),
    "sees the image": on_logits(
        node("Cast", ["image"], ["pixels"], to=1),
        node("ReduceMax", ["pixels"], ["top"], keepdims=0),
        node("Add", ["l", "top"], ["m"]),
    ),
    "softmax over the images": over_the_images,
    "past the embedding": past_the_embedding,
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_class_is_added_only_to_a_linear_classifier(
    change: Change, changed, known: Path, stripes: Path, tmp_path: Path
) -> None:
    model = changed(change)
    with pytest.raises(ModelError, match="its classifier is not a linear layer with a softmax .* --replace"):
        teach(model, stripes, tmp_path / "out.onnx")
    found = teach(model, known.with_name("images"), tmp_path / "out.onnx", TeachOptions(replace=True))
    if found.decision == "taught":
        open_session(tmp_path / "out.onnx", "cpu", prove=True)


def fixed_batch(model) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    model.metadata_props.remove(entry(model, GOLDEN_KEY))


def names_of_ours(model) -> None:
    """A weight of the network is called as the taught one is."""
    convolution = next(n for n in model.graph.node if n.op_type == "Conv")
    gemm = next(n for n in model.graph.node if n.op_type == "Gemm")
    for user, name in ((gemm, "w"), (convolution, "taught_weight")):
        tensor = next(t for t in model.graph.initializer if t.name == user.input[1])
        tensor.name = user.input[1] = name


UNUSUAL: dict[str, Change] = {
    "a fixed batch": fixed_batch,
    "names of ours": names_of_ours,
    "no shape of the embedding": lambda model: embedding_of(model).ClearField("shape"),
    "no width of the embedding": lambda model: setattr(embedding_of(model).shape.dim[1], "dim_param", "d"),
    "another output": lambda model: model.graph.output.append(
        onnx.helper.make_tensor_value_info(
            next(n for n in model.graph.node if "probabilities" in n.output).input[0], 1, None
        )
    ),
    "metadata of other programs": lambda model: model.metadata_props.add(key="other", value="é" * 9),
}


@pytest.mark.parametrize("change", UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_graph_is_taught(change: Change, changed, stripes: Path, tmp_path: Path) -> None:
    found = teach(changed(change), stripes, tmp_path / "out.onnx")
    assert (found.decision, found.labels) == ("taught", ("dark", "light", "stripes")), found.reason
    assert open_session(tmp_path / "out.onnx", "cpu", prove=True).classes == 3
