"""What holds for any input, tried by hypothesis: the manifest, the decision, preprocessing, and addresses of sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from serving.running import TINY

from edgecnn.errors import EdgeCNNError
from edgecnn.manifest import InputSpec, Manifest
from edgecnn.preprocess import fit
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.redaction import without_passwords

hypothesis = pytest.importorskip("hypothesis")
strategies = pytest.importorskip("hypothesis.strategies")

_SETTINGS = hypothesis.settings(max_examples=60, deadline=None, database=None, derandomize=True)
MANIFEST = open_session(TINY, "cpu", trusted=True).manifest
LABEL = strategies.text(strategies.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: text == text.strip() and text
)


@_SETTINGS
@hypothesis.given(
    labels=strategies.lists(LABEL, min_size=2, max_size=6, unique=True),
    temperature=strategies.floats(0.01, 100),
)
def test_any_manifest_comes_back_equal(labels: list[str], temperature: float) -> None:
    manifest = replace(MANIFEST, labels=tuple(labels), temperature=temperature)
    assert Manifest.from_json(manifest.to_json()) == manifest


@_SETTINGS
@hypothesis.given(text=strategies.text(max_size=300))
def test_any_other_text_is_no_manifest(text: str) -> None:
    with pytest.raises(EdgeCNNError):
        Manifest.from_json(text)


@_SETTINGS
@hypothesis.given(
    height=strategies.integers(1, 300),
    width=strategies.integers(1, 300),
    size=strategies.integers(8, 64),
    resize=strategies.sampled_from(("stretch", "crop", "letterbox")),
    shade=strategies.integers(0, 255),
)
def test_an_image_of_any_size_gets_the_models_and_keeps_its_shade(
    height: int, width: int, size: int, resize: str, shade: int
) -> None:
    spec = replace(MANIFEST.preprocess, resize=resize)
    fitted = fit(np.full((height, width, 3), shade, np.uint8), InputSpec(size, size), spec)
    assert fitted.shape == (size, size, 3)
    assert fitted.dtype == np.uint8
    assert set(np.unique(fitted)) <= {shade, spec.pad_value if resize == "letterbox" else shade}


@_SETTINGS
@hypothesis.given(text=strategies.text(max_size=80))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    said = ""
    try:
        parse_address(text)
    except EdgeCNNError as error:
        said = str(error)
    assert "\n" not in said


@_SETTINGS
@hypothesis.given(
    scheme=strategies.sampled_from(("rtsp", "http", "https", "mqtt")),
    user=strategies.text("abcXYZ09-_.", min_size=1, max_size=8),
    password=strategies.text(
        strategies.characters(exclude_categories=("Cs", "Cc", "Z"), exclude_characters="/?#@*"), min_size=6, max_size=20
    ),
)
def test_no_password_is_shown_whatever_its_letters(scheme: str, user: str, password: str) -> None:
    shown = without_passwords(f"{scheme}://{user}:{password}@camera.example/stream")
    assert password not in shown
    assert "camera.example" in shown
