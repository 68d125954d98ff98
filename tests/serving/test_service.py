"""The service decides on frames of its sources, and shows what it decided."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from serving.running import ask, running
from waiting import until

FAKE = {"name": "door", "address": "fake:320x240@30"}


def test_the_state_names_source_model_and_decision(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        state = until(lambda: (found := ask(f"{service.url}/api/state").json)["states"] and found)
        assert state["sources"][0]["up"]
        assert (state["sources"][0]["width"], state["sources"][0]["height"]) == (320, 240)
        stands = state["states"][0]
        assert (stands["view"], stands["model"]) == ("door", "main")
        assert stands["model_sha256"] == state["models"][0]["current"]["sha256"]
        assert stands["label"] in state["models"][0]["current"]["labels"]


def test_the_live_image_has_the_number_of_its_decision(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service:
        answer = ask(f"{service.url}/api/sources/door/image?after=3")
        assert answer.headers["content-type"] == "image/jpeg"
        assert int(answer.headers["x-frame"]) > 3
        assert answer.content[:2] == b"\xff\xd8"


def test_a_source_that_goes_gives_no_decision_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path, sources=[{"name": "door", "address": "fake:320x240@30,outage=5"}]) as service:
        log = service.service.log
        until(lambda: [e for e in log if type(e).__name__ == "SourceChanged" and not e.up])
        until(lambda: service.service.sources["door"].status().reconnects > 0)
        outages = [e for e in log if type(e).__name__ == "Decided" and e.away]
        assert {e.prediction.status for e in outages} == {"no_decision"}
        assert all("offline" in e.prediction.reason and e.prediction.label is None for e in outages)


@pytest.mark.parametrize("years", [1, -1])
def test_a_clock_that_jumps_by_a_year_changes_no_decision(
    years: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_ns, real_s, shift_s = time.time_ns, time.time, years * 365 * 86_400
    collect = {"dir": tmp_path / "frames", "uncertain_below": 1.0, "min_interval_s": 0}
    with running(tmp_path, sources=[FAKE], collect=collect, max_state_age_s=5) as service:
        status = service.service.sources["door"].status
        until(lambda: status().frames > 5 and ask(f"{service.url}/api/collect").json["total"] > 2)
        kept = {frame["id"] for frame in ask(f"{service.url}/api/collect").json["frames"]}
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + shift_s * 10**9)
        monkeypatch.setattr(time, "time", lambda: real_s() + shift_s)
        before = status()
        until(lambda: status().frames > before.frames + 20)
        state = ask(f"{service.url}/api/state").json
        assert state["sources"][0]["up"]
        assert state["states"][0]["status"] == "ok"
        assert status().reconnects == before.reconnects
        assert ask(f"{service.url}/healthz").status == ask(f"{service.url}/readyz").status == 200
        assert kept <= {frame["id"] for frame in ask(f"{service.url}/api/collect?limit=500").json["frames"]}
        assert not [e for e in service.service.log if type(e).__name__ == "SourceChanged" and not e.up]
