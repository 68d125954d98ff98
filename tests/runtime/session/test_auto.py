"""`auto` takes what passes the golden samples, and of two that run on the same processor the quicker one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.errors import GateError
from edgecnn.runtime.golden import replay as golden_module
from edgecnn.runtime.golden.replay import GoldenReplay
from edgecnn.runtime.providers.registry import PROVIDERS, Provider
from edgecnn.runtime.session import opening as session_module
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.session.race import clearly_quicker

CPU = PROVIDERS["cpu"]
TWIN = Provider(
    "twin", CPU.full_name, "", raced=True
)  # the CPU provider under another name: a second one that really runs
CARD = Provider("card", CPU.full_name, "")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What `auto` finds: the providers that are here, whether one is quicker than the CPU, and who fails the golden samples."""
    found = SimpleNamespace(providers=(TWIN, CPU), quicker=True, failing=())
    monkeypatch.setattr(session_module, "available", lambda: found.providers)
    monkeypatch.setattr(session_module, "clearly_quicker", lambda challenger, holder: found.quicker)

    def replayed(session: ModelSession, golden: object) -> GoldenReplay:
        return GoldenReplay(1, 1.0 if session.ep in found.failing else 0.0, 0.001)

    monkeypatch.setattr(golden_module, "replay", replayed)
    return found


def auto(
    model: Path,
    here: SimpleNamespace,
    providers: Iterable[Provider],
    *,
    quicker: bool = False,
    failing: Iterable[str] = (),
) -> str:
    here.providers, here.quicker, here.failing = tuple(providers), quicker, tuple(failing)
    return open_session(model, "auto").ep


def test_of_two_on_the_same_processor_the_quicker_one_runs(tiny_model: Path, here: SimpleNamespace) -> None:
    assert auto(tiny_model, here, (TWIN, CPU), quicker=True) == "twin"
    assert auto(tiny_model, here, (TWIN, CPU), quicker=False) == "cpu"


def test_a_device_of_its_own_goes_before_the_processor_without_a_race(tiny_model: Path, here: SimpleNamespace) -> None:
    assert auto(tiny_model, here, (CARD, TWIN, CPU), quicker=False) == "card"


def test_who_fails_the_golden_samples_is_passed_over_however_quick(
    tiny_model: Path, here: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    assert auto(tiny_model, here, (CARD, TWIN, CPU), quicker=True, failing=("card", "twin")) == "cpu"
    assert "golden samples fail on card" in caplog.text


def test_a_slower_one_that_passes_runs_where_the_cpu_fails(tiny_model: Path, here: SimpleNamespace) -> None:
    assert auto(tiny_model, here, (TWIN, CPU), quicker=False, failing=("cpu",)) == "twin"


def test_where_all_fail_auto_gives_no_session(tiny_model: Path, here: SimpleNamespace) -> None:
    with pytest.raises(GateError, match="twin: off by 1.*cpu: off by 1"):
        auto(tiny_model, here, (TWIN, CPU), failing=("twin", "cpu"))


class _Timed:
    """Answers after so many seconds of a clock of its own."""

    input_shape = (4, 4, 3)
    now_s = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def probabilities(self, images: object) -> object:
        _Timed.now_s += self.seconds
        return np.zeros((1, 2), np.float32)


def test_only_a_clear_lead_wins_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: _Timed.now_s)
    slow, quick = _Timed(0.02), _Timed(0.002)
    assert clearly_quicker(quick, slow)  # type: ignore[arg-type]
    assert not clearly_quicker(slow, quick)  # type: ignore[arg-type]
    assert not clearly_quicker(slow, slow)  # type: ignore[arg-type]
