"""Similar images are found also where a file does not tell how many features it has, and never of other features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapes import shape_image
from taught_models import taught_grounds

from edgecnn.features.taught_images import TaughtImage, TaughtImages
from edgecnn.manifest import TAUGHT_KEY
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.explanation import Explanation, open_explainer

FRAME = Frame(shape_image("circle", 0, 48), "circle")


@pytest.fixture
def undeclared(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    taught = taught_grounds(tmp_path_factory)
    monkeypatch.setattr(ModelSession, "output_widths", {"probabilities": 2, "embedding": -1})
    return taught


def explained(path: Path) -> Explanation:
    with Classifier(path, ep="cpu") as classifier:
        return open_explainer(classifier).explain(FRAME)


def test_similar_images_are_found_where_the_width_is_not_declared(undeclared: Path) -> None:
    found = explained(undeclared)
    assert found.nearest_reason is None
    assert len(found.nearest) == 5


def test_a_record_of_other_features_is_told_where_the_width_is_not_declared(undeclared: Path, tmp_path: Path) -> None:
    other = TaughtImages.of([TaughtImage("dark", "1.png", "0" * 16)], np.ones((1, 7)))
    assert other is not None
    model = parse_model(undeclared.read_bytes(), undeclared, with_data=True)
    next(entry for entry in model.metadata_props if entry.key == TAUGHT_KEY).value = other.to_json()
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    found = explained(tmp_path / "other.onnx")
    assert found.nearest == ()
    assert found.nearest_reason == "the record of the taught images has 7 features, the model 32"
