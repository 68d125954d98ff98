"""Which provider runs how many nodes is read from the open session, and one that runs none is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import onnxruntime
import pytest

from edgecnn.errors import ProviderError
from edgecnn.runtime.analysis.benchmark import benchmark
from edgecnn.runtime.providers.registry import PROVIDERS
from edgecnn.runtime.session.node_placement import Placement, placement
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions

TELLS = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")


@dataclass(frozen=True)
class _Part:
    """As onnxruntime tells of a part of the graph."""

    ep_name: str
    operators: tuple[str, ...]

    def get_nodes(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(op_type=operator) for operator in self.operators]


def _read(*parts: _Part) -> Placement | None:
    session = SimpleNamespace(get_provider_graph_assignment_info=lambda: list(parts))
    return placement(session, PROVIDERS["cuda"], "CUDAExecutionProvider")  # type: ignore[arg-type]


@pytest.mark.skipif(not TELLS, reason="onnxruntime before 1.24.1 does not tell which provider runs a node")
def test_on_the_cpu_all_nodes_are_the_cpus(tiny_model: Path) -> None:
    nodes = open_session(tiny_model, "cpu").nodes
    assert nodes is not None
    assert set(nodes) == {"cpu"}
    assert nodes["cpu"] > 5
    assert benchmark(tiny_model, "cpu", seconds=0.1).nodes == nodes


def test_an_onnxruntime_that_does_not_tell_gives_none_and_no_guess() -> None:
    assert placement(SimpleNamespace(), PROVIDERS["cpu"], "CPUExecutionProvider") is None  # type: ignore[arg-type]


def test_nodes_are_counted_by_short_names_and_layers_left_to_the_cpu_apart() -> None:
    cuda = _Part("CUDAExecutionProvider", ("Conv", "Relu", "Gemm"))
    cpu = _Part("CPUExecutionProvider", ("Shape", "QLinearConv", "Conv"))
    assert _read(cuda, cpu, _Part("StrangersProvider", ("Add",))) == Placement(
        {"cuda": 3, "cpu": 3, "StrangersProvider": 1}, heavy_elsewhere=2
    )


def test_a_provider_that_runs_no_node_is_an_error_not_a_slower_answer(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgecnn.runtime.session.opening.placement", lambda *_: Placement({"elsewhere": 13}, heavy_elsewhere=3)
    )
    with pytest.raises(ProviderError, match=r"runs none of .*tiny\.onnx"):
        open_session(tiny_model, "cpu")


def test_layers_left_to_the_cpu_are_told(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "edgecnn.runtime.session.opening.placement",
        lambda *_: Placement({"cpu": 10, "elsewhere": 3}, heavy_elsewhere=2),
    )
    open_session(tiny_model, "cpu")
    assert "2 convolutions and matrix products do not run on cpu" in caplog.text


def test_strict_forbids_onnxruntime_to_fall_back_and_means_nothing_on_the_cpu(tiny_model: Path) -> None:
    told = RunOptions(strict=True).session_options(on_cpu=False)
    assert told.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
    assert open_session(tiny_model, "cpu", options=RunOptions(strict=True)).ep == "cpu"
