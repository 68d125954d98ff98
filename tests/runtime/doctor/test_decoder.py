"""`doctor` knows with which OpenCV a model was trained."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgecnn.manifest import Manifest
from edgecnn.runtime.doctor.decoder import compare_opencv
from edgecnn.runtime.session.opening import open_session


@pytest.fixture
def manifest(tiny_model: Path) -> Manifest:
    return open_session(tiny_model, "cpu").manifest


def test_another_release_is_a_warning_with_a_remedy(manifest: Manifest) -> None:
    (finding,) = compare_opencv(manifest.replace(opencv="4.12.0"), "m.onnx")
    assert (finding.level, finding.where) == ("warning", "m.onnx")
    assert f"made with images that OpenCV 4.12.0 decoded, this machine has {cv2.__version__}" in finding.what
    assert "'opencv-python-headless==4.12.*'" in finding.remedy


def test_the_same_release_and_an_unknown_one_are_none(manifest: Manifest) -> None:
    release = ".".join(cv2.__version__.split(".")[:2])
    for opencv in (cv2.__version__, f"{release}.99", None):
        assert not list(compare_opencv(manifest.replace(opencv=opencv), "m.onnx"))


def test_the_key_is_optional_in_the_manifest(manifest: Manifest) -> None:
    assert '"opencv"' not in manifest.replace(opencv=None).to_json()
    for opencv in (None, "5.0.0"):
        changed = manifest.replace(opencv=opencv)
        assert Manifest.from_json(changed.to_json()) == changed
