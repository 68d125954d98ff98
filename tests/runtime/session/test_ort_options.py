"""Sessions compute int8 exactly on every processor, by one place that makes their options."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import ModelError
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.onnx_file.int8_convolutions import int8_convolutions
from edgecnn.runtime.session import ort_options as ort_session
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.ort_options import (
    EXACT_INT8,
    int8_saturates,
    new_options,
    open_on_cpu,
    saturates_when_tried,
)

ENTRY, VALUE = EXACT_INT8
CHANNELS, SCALE = 32, 8192.0


@pytest.fixture(autouse=True)
def _asked_anew():
    int8_saturates.cache_clear()
    yield
    int8_saturates.cache_clear()


def entry_where(monkeypatch: pytest.MonkeyPatch, *, x86: bool, flags: str, tried: bool = False) -> str | None:
    names = frozenset(flags.split())
    monkeypatch.setattr(ort_session, "is_x86", lambda: x86)
    monkeypatch.setattr(ort_session, "cpu_flags", lambda: names)
    monkeypatch.setattr(ort_session, "has_vnni", lambda: bool(names & {"avx512_vnni", "avx_vnni"}))
    monkeypatch.setattr(ort_session, "saturates_when_tried", lambda: tried)
    try:
        return new_options().get_session_config_entry(ENTRY)
    except RuntimeError:  # no such entry
        return None


def test_largest_products_are_summed_exactly_on_this_processor() -> None:
    """255 times 127, 32 times: where pairs are added in 16 bits it comes out at half."""
    weights = np.stack([np.full((CHANNELS, CHANNELS), 127, np.int8), np.eye(CHANNELS, dtype=np.int8)])
    session = open_on_cpu(int8_convolutions(weights[:1], 3, SCALE), new_options(threads=1))
    found = np.asarray(session.run(None, {"x0": np.full((1, CHANNELS, 3, 3), 255, np.uint8)})[0])
    assert set(found.ravel().tolist()) == {round(255 * 127 * CHANNELS / SCALE)}


def test_signed_products_are_summed_exactly_on_this_processor() -> None:
    random = np.random.default_rng(0)
    weights = random.integers(-127, 128, (1, CHANNELS, CHANNELS)).astype(np.int8)
    pixels = random.integers(0, 256, (1, CHANNELS, 5, 5)).astype(np.uint8)
    found = np.asarray(open_on_cpu(int8_convolutions(weights, 5, 1000.0), new_options()).run(None, {"x0": pixels})[0])
    sums = np.einsum("oi,nihw->nohw", weights[0].astype(np.int64), pixels.astype(np.int64))
    assert np.array_equal(found, np.clip(np.rint(sums / 1000.0), 0, 255))


def test_the_entry_is_set_on_x86_without_vnni_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entry_where(monkeypatch, x86=True, flags="avx2 fma") == VALUE
    int8_saturates.cache_clear()
    assert entry_where(monkeypatch, x86=True, flags="avx2 avx512_vnni") is None
    int8_saturates.cache_clear()
    assert entry_where(monkeypatch, x86=False, flags="asimd") is None


def test_the_entry_is_left_out_for_a_file_that_cannot_saturate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort_session, "int8_saturates", lambda: True)
    narrow, wide = (int8_convolutions(np.full((1, CHANNELS, CHANNELS), w, np.int8), 3, SCALE) for w in (64, 65))
    assert new_options(content=wide).get_session_config_entry(ENTRY) == VALUE
    with pytest.raises(RuntimeError):  # no such entry
        new_options(content=narrow).get_session_config_entry(ENTRY)


@pytest.mark.parametrize("tried", [True, False])
def test_where_the_system_does_not_tell_flags_the_processor_is_tried(
    tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert entry_where(monkeypatch, x86=True, flags="", tried=tried) == (VALUE if tried else None)


def test_trying_the_processor_agrees_with_its_flags() -> None:
    assert saturates_when_tried() == int8_saturates()


def test_an_eight_bit_file_gives_its_golden_answers_here(tiny_int8_model: Path) -> None:
    """The committed file was made where VNNI is; it holds on every x86 processor."""
    session = open_session(tiny_int8_model, "cpu")
    golden = session.description.golden()
    assert golden is not None
    assert replay(session, golden).passed


def test_no_other_place_makes_session_options() -> None:
    root = Path(ort_session.__file__).parents[2]
    sources = [p for folder in (root, root.parent / "exporters") if folder.is_dir() for p in folder.rglob("*.py")]
    makers = {p.name for p in sources if re.search(r"SessionOptions\(\)", p.read_text(encoding="utf-8"))}
    openers = {p.name for p in sources if re.search(r"InferenceSession\(", p.read_text(encoding="utf-8"))}
    in_training = "answering.py"  # may not know the runtime; opens float graphs of its own, on the machine that trains
    assert makers == {"ort_options.py", in_training}
    assert openers == {"ort_options.py", "ort_session.py", in_training}


def test_shared_constants_are_refused_with_the_remedy() -> None:
    """What onnxruntime says of a slimmed file on x86 without VNNI, cut to what matters."""
    said = RuntimeError(
        "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: graph.cc:4164 Attempt to replace the "
        "existing tensor"
    )
    assert "onnxslim" in ort_reason(said)
    assert "export or quantize it again" in ort_reason(said)


@pytest.mark.skipif(not int8_saturates(), reason="this processor has VNNI, where shared constants are no matter")
def test_a_file_with_a_shared_zero_point_is_told_the_remedy(tmp_path: Path) -> None:
    content = int8_convolutions(np.full((2, CHANNELS, CHANNELS), 127, np.int8), 3, SCALE)
    path = tmp_path / "slimmed.onnx"
    path.write_bytes(content.replace(b"weight_zero1", b"weight_zero0"))
    with pytest.raises(ModelError, match="onnxslim"):
        open_session(path, "cpu", trusted=True)
