"""Every kind of model file is taught, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from grounds import write_grounds, write_stripes

pytest.importorskip("torch", reason="the model files are exported here")

from other_forms import OTHER_FORMS, other_form
from recurrent_models import write_recurrent
from small_foreign import SIDE, save_classifier, write_labels

from edgecnn.errors import ModelError
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.result import TeachResult
from edgecnn.teaching.teach import teach
from exporters import AdoptOptions, adopt


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("images"), 24, first_seed=9000)


def relearned_and_extended(model: Path, images: Path, folder: Path) -> TeachResult:
    """Learns two classes anew and adds a third one; both files must prove themselves."""
    first = teach(model, images, folder / "first.onnx", TeachOptions(replace=True))
    assert first.decision == "taught", first.reason
    write_stripes(folder / "stripes", 16)
    second = teach(folder / "first.onnx", folder / "stripes", folder / "second.onnx")
    assert second.decision == "taught", second.reason
    before, after = (open_session(folder / f"{name}.onnx", "cpu", prove=True) for name in ("first", "second"))
    assert after.manifest.labels == (*before.manifest.labels, "stripes")
    return second


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_files_of_other_forms(
    form: str, images: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = other_form(form, tmp_path_factory)
    relearned_and_extended(model, images, tmp_path)
    before, after = (open_session(path, "cpu") for path in (model, tmp_path / "second.onnx"))
    assert (after.manifest.precision, after.input_shape) == (before.manifest.precision, before.input_shape)


@pytest.mark.parametrize("channels", [3, 1], ids=["colour", "grey"])
def test_a_file_of_another_program_is_refused(channels: int, images: Path, tmp_path: Path) -> None:
    """`export` of a foreign file gives no features of it."""
    save_classifier(tmp_path / "theirs.onnx", 2, shape=["n", channels, SIDE, SIDE])
    options = AdoptOptions(labels=write_labels(tmp_path / "labels", 2), mean=(0.0,), std=(1.0,))
    adopt(tmp_path / "theirs.onnx", tmp_path / "model.onnx", options)
    with pytest.raises(ModelError, match="has no output 'embedding' .* give a file that `edgecnn export` wrote of a"):
        teach(tmp_path / "model.onnx", images, tmp_path / "new.onnx", TeachOptions(replace=True))
    assert not (tmp_path / "new.onnx").exists()


def test_a_recurrent_file_is_refused(images: Path, tmp_path: Path) -> None:
    write_recurrent(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="is a recurrent model, whose classifier depends on a state; teach a model of"):
        teach(tmp_path / "model.onnx", images, tmp_path / "new.onnx", TeachOptions(replace=True))
    assert not (tmp_path / "new.onnx").exists()


def test_grey_images_are_taught_as_colour_images_are(tiny_model: Path, images: Path, tmp_path: Path) -> None:
    """A grey file is the colour image of the same levels."""
    found = []
    for kind in ("grey", "colour"):
        for path in images.rglob("*.png"):
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            target = tmp_path / kind / path.relative_to(images)
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), grey if kind == "grey" else cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
        found.append(teach(tiny_model, tmp_path / kind, tmp_path / f"{kind}.onnx", TeachOptions(replace=True)))
    assert found[0].decision == "taught", found[0].reason
    assert (found[0].cv_top1, found[0].reason) == (found[1].cv_top1, found[1].reason)
    sessions = [open_session(tmp_path / f"{kind}.onnx", "cpu") for kind in ("grey", "colour")]
    shown = np.random.default_rng(0).integers(0, 256, (4, *sessions[0].input_shape), np.uint8)
    assert np.array_equal(*(session.probabilities(shown) for session in sessions))
