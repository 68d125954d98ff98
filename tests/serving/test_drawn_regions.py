"""Regions of a source are classified by themselves, and may be drawn anew while the service runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from serving.running import ask, running
from waiting import until

from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds

SOURCE = {"name": "door", "address": "fake:320x240@30", "regions": [{"name": "left", "roi": "0,0,0.5,1"}]}


def draw(service, *regions: dict[str, str], token: str | None = "") -> object:
    body = json.dumps({"regions": regions}).encode()
    token = service.token if token == "" else token
    return ask(f"{service.url}/api/sources/door/regions", method="PUT", body=body, token=token)


def views(service) -> set[str]:
    return {state["view"] for state in ask(f"{service.url}/api/state").json["states"]}


def test_a_region_has_decisions_of_its_own_and_is_named(tmp_path: Path) -> None:
    with running(tmp_path, sources=[SOURCE]) as service:
        until(lambda: views(service) == {"door.left"})
        assert ask(f"{service.url}/api/state").json["states"][0]["region"] == "left"


def test_drawn_regions_apply_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, sources=[SOURCE]) as service:
        until(lambda: views(service) == {"door.left"})
        drawn = [{"name": "top", "roi": "0,0,1,0.5"}, {"name": "low", "roi": "0,120,320,120"}]
        answer = draw(service, *drawn)
        assert (answer.status, answer.json) == (200, {"regions": drawn})
        until(lambda: views(service) == {"door.top", "door.low"})
    with running(tmp_path, sources=[SOURCE]) as service:
        until(lambda: views(service) == {"door.top", "door.low"})
        assert draw(service).status == 200
        until(lambda: views(service) == {"door"})


def test_regions_that_the_settings_change_later_win(tmp_path: Path) -> None:
    with running(tmp_path, sources=[SOURCE]) as service:
        assert draw(service, {"name": "top", "roi": "0,0,1,0.5"}).status == 200
    changed = {**SOURCE, "regions": [{"name": "right", "roi": "0.5,0,0.5,1"}]}
    with running(tmp_path, sources=[changed]) as service:
        until(lambda: views(service) == {"door.right"})


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ({"name": "a/b", "roi": "0,0,1,1"}, "is no name"),
        ({"name": "a", "roi": "0.5,0,0.9,1"}, "ends outside the frame"),
        ({"name": "a", "roi": "x"}, "not four numbers"),
        ({"name": "a"}, "regions.1.roi"),
        ({"name": "a", "roi": "0,0,1,1", "z": "1"}, "regions.1.z"),
    ],
)
def test_a_region_that_cannot_be_is_refused_in_one_line(region: dict[str, str], said: str, tmp_path: Path) -> None:
    with running(tmp_path, sources=[SOURCE]) as service:
        answer = draw(service, region)
        assert answer.status == 422
        assert said in answer.json["error"]
        assert "\n" not in answer.json["error"]
        assert ask(f"{service.url}/api/state").json["sources"][0]["regions"] == SOURCE["regions"]


def test_regions_that_cannot_be_used_are_not_stored(tmp_path: Path) -> None:
    health = tmp_path / "health.json"
    FrameQualityThresholds().save(health)
    source = {**SOURCE, "health": health}
    with running(tmp_path, sources=[source]) as service:
        health.unlink()
        answer = draw(service, {"name": "top", "roi": "0,0,1,0.5"})
        assert (answer.status, str(health) in answer.json["error"]) == (500, True)
        assert ask(f"{service.url}/api/state").json["sources"][0]["regions"] == SOURCE["regions"]


def test_drawing_needs_the_token(tmp_path: Path) -> None:
    with running(tmp_path, sources=[SOURCE]) as service:
        assert draw(service, token=None).status == 401
        assert draw(service, token="x" * 32).status == 401
        assert ask(f"{service.url}/api/state").json["sources"][0]["regions"] == SOURCE["regions"]


def test_a_region_outside_the_frame_gives_no_decision(tmp_path: Path) -> None:
    outside = {**SOURCE, "regions": [{"name": "far", "roi": "300,0,200,100"}]}
    with running(tmp_path, sources=[outside]) as service:
        state = until(lambda: ask(f"{service.url}/api/state").json["states"])[0]
        assert state["status"] == "no_decision"
        assert "does not lie within the frame of 320 x 240" in state["reason"]
