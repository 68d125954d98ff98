"""The service decides on frames of its sources, and shows what it decided."""

from __future__ import annotations

from pathlib import Path

from serving.running import ask, running, until

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
