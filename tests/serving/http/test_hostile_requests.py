"""Requests of an attacker to a real service, over raw sockets: none reads or changes anything, none stays.

The rows `Malformed HTTP`, `/../`, `Foreign Host/Origin` and `POST without token` of the faults that the service withstands.
`benchmarks/bench_hostile.py requests` tries more of those that seeds make.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from faults.fortress import LIMIT_S, Fortress, accepted, fortress_in, secrets_of
from faults.hostile_requests import KINDS, hostile_requests
from serving.http.attack import REGIONS, TOKEN
from serving.http.known_attacks import ATTACKS
from serving.raw_http import RawAnswer
from serving.running import ask
from waiting import until

SEEDED = dict(hostile_requests(2 * len(KINDS), seed=1))


@dataclass(frozen=True)
class Siege:
    """The answers to all attacks, and the state before and after."""

    answers: dict[str, RawAnswer]
    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with fortress_in(tmp_path_factory.mktemp("fortress")) as fortress:
        yield fortress
    assert len(fortress.log[0]) < 5000, fortress.log[0]


@pytest.fixture(scope="module")
def siege(fortress: Fortress) -> Siege:
    before = fortress.state()
    return Siege(fortress.attacked({**ATTACKS, **SEEDED}), before, fortress.state())


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 50
    assert len(SEEDED) >= 2 * len(KINDS)


@pytest.mark.parametrize("name", [*ATTACKS, *SEEDED])
def test_an_attack_is_refused_or_cut_off(siege: Siege, name: str) -> None:
    answer = siege.answers[name]
    assert answer.closed, f"open after {answer.seconds:.0f} s: {answer.content[:200]!r}"
    assert answer.seconds <= LIMIT_S
    assert accepted(answer) == [], answer.content[:300]
    assert secrets_of(answer) == []
    for part in answer.parts:
        assert "default-src 'none'" in part.headers["content-security-policy"]
        assert part.headers["x-content-type-options"] == "nosniff"
        assert part.headers["cache-control"] == "no-store"
        assert "server" not in part.headers
        assert "\n" not in json.loads(part.body)["error"]


def test_no_attack_has_changed_anything(siege: Siege) -> None:
    assert siege.before == siege.after


def test_most_attacks_are_told_why(siege: Siege) -> None:
    told = {name for name, answer in siege.answers.items() if answer.statuses}
    silent = {"nothing at all", "a slow head", "half a head"}
    assert told >= set(ATTACKS) - silent


def test_the_service_still_decides_and_obeys(fortress: Fortress, siege: Siege) -> None:
    """The same request with the token does change the regions: what was refused would have worked."""
    frames = fortress.frames()
    until(lambda: fortress.frames() > frames)
    url = f"{fortress.service.url}/api/sources/door/regions"
    assert ask(url, method="PUT", body=REGIONS, token=TOKEN, timeout_s=10).status == 200
    assert ask(f"{fortress.service.url}/api/state").json["sources"][0]["regions"][0]["name"] == "theirs"
