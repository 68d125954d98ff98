"""Threads, power and memory reach onnxruntime; what cannot be used is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import ProviderError, UsageError
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.run_options import RunOptions, read_provider_options
from edgecnn.runtime.system.cpu_features import physical_cores

SPINNING = ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning")


def test_at_low_power_threads_do_not_spin(tiny_model: Path) -> None:
    session = open_session(tiny_model, "cpu", options=RunOptions(power="low"))
    told = session._session.get_session_options()
    assert [told.get_session_config_entry(key) for key in SPINNING] == ["0", "0"]


def test_without_an_arena_no_memory_is_kept_or_planned(tiny_model: Path) -> None:
    for arena in (True, False):
        told = open_session(tiny_model, "cpu", options=RunOptions(arena=arena))._session.get_session_options()
        assert (told.enable_cpu_mem_arena, told.enable_mem_pattern) == (arena, arena)


def test_power_memory_and_threads_leave_the_answers_alone(tiny_model: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    plain = open_session(tiny_model, "cpu").probabilities(images)
    spare = open_session(tiny_model, "cpu", options=RunOptions(threads=2, power="low", arena=False)).probabilities(
        images
    )
    assert np.allclose(plain, spare, atol=1e-6)


def test_threads_are_the_physical_cores_unless_they_are_named_and_the_argument_goes_first(tiny_model: Path) -> None:
    def threads(session: ModelSession) -> int:
        return int(session._session.get_session_options().intra_op_num_threads)

    assert threads(open_session(tiny_model, "cpu")) == physical_cores()
    assert threads(open_session(tiny_model, "cpu", options=RunOptions(threads=3))) == 3
    assert threads(open_session(tiny_model, "cpu", 2, options=RunOptions(threads=3))) == 2


def test_a_classifier_takes_the_options_and_keeps_its_threads(tiny_model: Path) -> None:
    told = Classifier(
        tiny_model, ep="cpu", threads=2, options=RunOptions(power="low")
    ).session._session.get_session_options()
    assert told.intra_op_num_threads == 2
    assert told.get_session_config_entry(SPINNING[0]) == "0"


def test_warm_up_runs_as_often_as_asked_before_the_session_is_given(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    run = ModelSession.probabilities
    monkeypatch.setattr(
        ModelSession, "probabilities", lambda self, images: seen.append(images.shape) or run(self, images)
    )
    open_session(tiny_model, "cpu")
    assert seen == []  # the CPU provider compiles nothing late
    open_session(tiny_model, "cpu", options=RunOptions(warm_up=2))
    assert seen == [(1, 32, 32, 3)] * 2


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"threads": 0}, "threads"),
        ({"threads": 5000}, "threads"),
        ({"power": "high"}, "power"),
        ({"warm_up": -1}, "warm_up"),
    ],
)
def test_values_that_cannot_be_used_are_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        RunOptions(**values)  # type: ignore[arg-type]


def test_provider_options_are_read_as_pairs_and_a_value_may_hold_an_equals_sign() -> None:
    assert read_provider_options(["device_id=0", 'load_config={"CPU": {"A": "b=c"}}']) == {
        "device_id": "0",
        "load_config": '{"CPU": {"A": "b=c"}}',
    }


@pytest.mark.parametrize("pairs", [["x"], ["=1"], ["x=1", "x=2"]])
def test_what_is_no_pair_or_stands_twice_is_refused(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="--ep-option"):
        read_provider_options(pairs)


def test_an_option_needs_its_provider_named_and_the_cpu_has_none(tiny_model: Path) -> None:
    options = RunOptions(provider_options={"device_id": "0"})
    with pytest.raises(UsageError, match="device_id.*choose the provider"):
        open_session(tiny_model, "auto", options=options)
    with pytest.raises(ProviderError, match="cpu.*device_id"):
        open_session(tiny_model, "cpu", options=options)


def test_options_of_the_provider_that_is_not_here_do_not_reach_the_one_that_stands_in(tiny_model: Path) -> None:
    """The CPU would refuse them."""
    session = open_session(
        tiny_model, "xnnpack,cpu", options=RunOptions(provider_options={"intra_op_num_threads": "1"})
    )
    assert session.ep == "cpu"


def test_a_captured_cuda_graph_is_refused_since_it_would_answer_with_old_images(tiny_model: Path) -> None:
    with pytest.raises(ProviderError, match="enable_cuda_graph"):
        open_session(tiny_model, "cuda", options=RunOptions(provider_options={"enable_cuda_graph": "1"}))
