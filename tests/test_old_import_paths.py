"""Import paths that programs and documents use keep working, whatever moves."""

from __future__ import annotations

from importlib import import_module

import pytest

DEVICE = [
    ("edgecnn", "Classifier"),
    ("edgecnn", "EdgeCNNError"),
    ("edgecnn", "Frame"),
    ("edgecnn", "Manifest"),
    ("edgecnn", "Prediction"),
    ("edgecnn", "Score"),
    ("edgecnn", "open_source"),
    ("edgecnn.errors", "PictureError"),
    ("edgecnn.metrics", "ece_band"),
    ("edgecnn.metrics", "judge"),
    ("edgecnn.evaluation", "validate"),
    ("edgecnn.runtime.admission", "admit"),
    ("edgecnn.runtime.classifier", "Classifier"),
    ("edgecnn.runtime.doctor", "examine"),
    ("edgecnn.runtime.frame_quality.checker", "FrameHealth"),
    ("edgecnn.runtime.frame_quality.thresholds", "HealthThresholds"),
    ("edgecnn.runtime.providers", "PROVIDERS"),
    ("edgecnn.runtime.run_options", "RunOptions"),
    ("edgecnn.runtime.session", "ModelSession"),
    ("edgecnn.runtime.session", "open_session"),
    ("edgecnn.runtime.smoothing", "Smoother"),
    ("edgecnn.runtime.smoothing", "read_smoothing"),
    ("edgecnn.runtime.sources", "LiveOptions"),
    ("edgecnn.runtime.sources", "open_source"),
    ("edgecnn.runtime.stream", "StreamOptions"),
]
TRAINING = [
    ("edgecnn.training", "TrainOptions"),
    ("edgecnn.training", "train"),
    ("edgecnn.training.judge", "TorchJudge"),
    ("edgecnn.training.judge", "open_checkpoint"),
    ("edgecnn.training.models.own", "own_spec"),
    ("edgecnn.training.unknown", "fit_unknown"),
    ("exporters", "export_onnx"),
    ("exporters", "quantize"),
    ("exporters", "verify"),
]


@pytest.mark.parametrize(("module", "name"), DEVICE + TRAINING)
def test_a_documented_import_path_works(module: str, name: str) -> None:
    assert callable(getattr(import_module(module), name)) or name == "PROVIDERS"


def test_packages_list_the_names_that_they_load_when_asked() -> None:
    assert "open_session" in dir(import_module("edgecnn.runtime.session"))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        import_module("edgecnn.runtime.session").nonsense  # noqa: B018


def test_old_names_inside_old_modules_are_the_new_ones() -> None:
    from edgecnn.evaluation.metrics import compute_metrics
    from edgecnn.metrics import judge

    assert judge is compute_metrics
    torch_backend = pytest.importorskip("edgecnn.training.torch_backend")
    assert import_module("edgecnn.training.judge").TorchJudge is torch_backend.TorchBackend
