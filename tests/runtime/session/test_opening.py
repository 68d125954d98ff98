"""What runs is what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgecnn.errors import GateError, ModelError, ProviderError
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.providers.registry import PROVIDERS, available
from edgecnn.runtime.session.opening import open_session

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.skipif(HAS_CUDA, reason="CUDA is here, so asking for it is no error")
def test_cuda_on_a_machine_without_it_is_an_error_with_the_remedy(tiny_model: Path) -> None:
    with pytest.raises(ProviderError, match="cuda.*onnxruntime-gpu"):
        open_session(tiny_model, "cuda")


@pytest.mark.skipif(HAS_CUDA, reason="CUDA is here, so it runs")
def test_the_next_provider_stands_in_only_where_it_is_named(tiny_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert open_session(tiny_model, "cuda,cpu").ep == "cpu"
    assert "falling back to cpu" in caplog.text


@pytest.mark.parametrize("name", ["nonsense", "", "cpu,nonsense", ","])
def test_an_unknown_provider_is_refused_by_name(tiny_model: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ProviderError):
        open_session(tiny_model, name)
    assert capfd.readouterr().out == ""  # onnxruntime's banner never reaches standard output


def test_the_cpu_is_always_here() -> None:
    assert PROVIDERS["cpu"] in available()


def test_auto_takes_a_provider_that_passes_the_golden_samples(tiny_model: Path, tiny_int8_model: Path) -> None:
    for path in (tiny_model, tiny_int8_model):
        session = open_session(path)
        golden = session.description.golden()
        assert golden is not None
        assert replay(session, golden).passed


@pytest.mark.parametrize("ep", ["auto", "cpu"])
def test_asked_to_prove_itself_a_model_replays_its_samples_or_is_refused(
    ep: str, tiny_model: Path, tmp_path: Path
) -> None:
    assert open_session(tiny_model, ep, prove=True).ep in ("cpu", available()[0].name)
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(tiny_model.read_bytes().replace(b"edgecnn.golden", b"edgecnn.g-lden"))
    assert open_session(bare, ep).ep == "cpu"
    with pytest.raises(GateError, match="no golden samples"):
        open_session(bare, ep, prove=True)


def test_a_replay_fails_where_an_answer_differs_or_is_nan(tiny_model: Path) -> None:
    session = open_session(tiny_model, "cpu")
    golden = session.description.golden()
    assert golden is not None
    for shift in (0.01, float("nan")):
        other = GoldenSamples(golden.images, golden.probabilities + np.float32(shift), golden.tolerance)
        assert not replay(session, other).passed


def test_golden_samples_survive_the_model_file(tiny_model: Path) -> None:
    golden = open_session(tiny_model, "cpu").description.golden()
    assert golden is not None
    again = GoldenSamples.from_json(golden.to_json())
    assert np.array_equal(again.images, golden.images)
    assert np.allclose(again.probabilities, golden.probabilities, atol=1e-7)


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    for content in (b"", b"not a model", b"\x08\x08" * 100):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"no\.onnx"):
            open_session(path)


def test_probabilities_sum_to_one_for_any_batch(tiny_model: Path) -> None:
    session = open_session(tiny_model, "cpu")
    for n in (1, 3, 16):
        outputs = session.outputs(np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), np.uint8))
        assert outputs.probabilities.shape == (n, 2)
        assert np.allclose(outputs.probabilities.sum(1), 1, atol=1e-6)
        assert outputs.embedding is not None
        assert outputs.embedding.shape == (n, 32)
