"""Hostile model files, one of each kind, sent to a real service with a source: none ends it, stalls it or takes over.

`benchmarks/bench_hostile.py models` sends more of them, and one that computes until its time is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from faults.fortress import Fortress, fortress_in
from faults.hostile_model_files import hostile_model_files
from faults.model_trial import ModelOutcome, listened, tried_models
from serving.running import TINY
from serving.swap.decision_listener import DecisionListener
from serving.swap.swap_models import sha256

COUNT = 12
LONGEST_GAP_S = 5.0  # at 10 frames a second; a test may share its machine


@dataclass(frozen=True)
class Trial:
    """What became of the files, and of the service meanwhile."""

    outcomes: list[ModelOutcome]
    heard: DecisionListener
    begun_s: float
    ended_s: float


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with fortress_in(tmp_path_factory.mktemp("fortress")) as fortress:
        yield fortress


@pytest.fixture(scope="module")
def trial(fortress: Fortress) -> Trial:
    with listened(fortress) as heard:
        begun_s = time.monotonic()
        outcomes = list(tried_models(fortress, hostile_model_files(COUNT, seed=1)))
        return Trial(outcomes, heard, begun_s, time.monotonic())


def test_each_is_refused_in_one_line_in_time_or_changes_nothing(trial: Trial) -> None:
    assert [outcome for outcome in trial.outcomes if outcome.is_fault] == []
    refused = [outcome for outcome in trial.outcomes if outcome.is_refused]
    assert len(refused) >= COUNT - 1, "a changed byte may be harmless, nothing else here is"


def test_the_data_of_a_linked_file_are_not_read(trial: Trial) -> None:
    linked = next(outcome for outcome in trial.outcomes if "data_elsewhere" in outcome.name)
    assert "external data" in linked.said


def test_the_service_goes_on_with_its_own_model(fortress: Fortress, trial: Trial) -> None:
    assert fortress.service.process.poll() is None
    current = fortress.state()["models"][0]["current"]
    assert current["sha256"] == sha256(TINY.read_bytes())
    assert set(trial.heard.hashes) == {current["sha256"]}
    assert trial.heard.failed == []


def test_frames_are_decided_on_meanwhile(trial: Trial) -> None:
    during = trial.heard.gaps_s(trial.begun_s, trial.ended_s)
    assert len(during) > trial.ended_s - trial.begun_s, "one a second, of ten frames"
    assert max(during) < LONGEST_GAP_S
