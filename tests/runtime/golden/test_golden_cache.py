"""A proof of the golden samples is remembered where the same again would come out, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import GateError
from edgecnn.runtime.admission import verdict_cache as verdicts
from edgecnn.runtime.golden import cache as proofs
from edgecnn.runtime.golden import replay as golden_module
from edgecnn.runtime.golden.replay import GoldenReplay, replay
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.providers.registry import PROVIDERS, Provider
from edgecnn.runtime.session import opening as session_module
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session


@pytest.fixture
def replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which providers the golden samples were replayed on; nothing is known of any file at first."""
    seen: list[str] = []

    def counted(session: ModelSession, golden: GoldenSamples) -> GoldenReplay:
        seen.append(session.ep)
        return replay(session, golden)

    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    monkeypatch.setattr(verdicts, "_here", {})
    monkeypatch.setattr(golden_module, "replay", counted)
    monkeypatch.setattr(session_module, "available", lambda: (PROVIDERS["cpu"],))
    return seen


def start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process would: only what lies on the disk is known."""
    monkeypatch.setattr(verdicts, "_here", {})


def test_the_first_start_proves_and_the_next_remembers(
    tiny_model: Path, replays: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(tiny_model, threads=1)
    assert replays == ["cpu"]
    start_anew(monkeypatch)
    open_session(tiny_model, threads=1)
    assert replays == ["cpu"]


def test_whoever_asks_for_a_proof_gets_one_at_every_start(tiny_model: Path, replays: list[str]) -> None:
    for _ in range(2):
        open_session(tiny_model, threads=1, prove=True)
    assert replays == ["cpu", "cpu"]


@pytest.mark.parametrize("changed", ["cpu_name", "cpu_flags", "__version__", "threads", "onnxruntime"])
def test_under_other_circumstances_it_is_proven_anew(
    changed: str, tiny_model: Path, replays: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(tiny_model, threads=1)
    if changed == "onnxruntime":  # another build of the same version
        other = tiny_model.parent / "tiny.int8.onnx"
        monkeypatch.setattr(proofs.onnxruntime.capi.onnxruntime_pybind11_state, "__file__", str(other))
    elif changed == "cpu_flags":
        monkeypatch.setattr(proofs, changed, lambda: frozenset({"mmx"}))
    elif changed != "threads":
        monkeypatch.setattr(proofs, changed, "other" if changed == "__version__" else lambda: "other")
    open_session(tiny_model, threads=2 if changed == "threads" else 1)
    assert replays == ["cpu", "cpu"]


def test_what_failed_is_not_taken_for_proven(
    tiny_model: Path, replays: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(golden_module, "replay", lambda *_: GoldenReplay(1, 1.0, 0.001))
        with pytest.raises(GateError):
            open_session(tiny_model, threads=1)
    open_session(tiny_model, threads=1)
    assert replays == ["cpu"]


def test_a_provider_that_goes_first_is_proven_at_every_start(
    tiny_model: Path, replays: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(tiny_model, threads=1)
    card = Provider("card", PROVIDERS["cpu"].full_name, "")
    monkeypatch.setattr(session_module, "available", lambda: (card, PROVIDERS["cpu"]))
    for _ in range(2):
        assert open_session(tiny_model, threads=1).ep == "card"
    assert replays == ["cpu", "card", "card"]
