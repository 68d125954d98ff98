"""Labelled frames are taught over HTTP, and the taught model goes through a swap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving.running import TINY, ask, running
from serving.swap.swap_client import post
from serving.teaching.collected_grounds import (
    collect_grounds,
    get,
    label,
    label_all,
    taught,
    teacher_of,
    teaching,
)
from waiting import until

from edgecnn.serving.running import RunningService


@pytest.fixture(scope="module")
def without_frames(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that collects nothing."""
    with running(tmp_path_factory.mktemp("none")) as service:
        yield service


def test_labelled_frames_become_the_serving_model_and_a_rollback_brings_the_old_one_back(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 12)
    with teaching(tmp_path, swap={"shadow_frames": 0}) as service:
        assert get(service)["why_not"] == "no collected frame has a label yet; label some first"
        label_all(service, truth)
        ready = get(service)
        assert (ready["labelled"], ready["moments"]) == ({"dark": 12, "light": 12}, {"dark": 12, "light": 12})
        assert ready["ready_to_replace"]
        old = service.service.first_model.current
        last = taught(service)
        assert (last["state"], last["labels"]) == ("taught", ["dark", "light"]), last["reason"]
        assert last["cv_top1"] > 0.8
        assert last["cv_interval"][0] <= last["cv_top1"] <= last["cv_interval"][1]
        assert [found["images_per_class"] for found in last["forecast"]] == [24, 48]
        assert {found["label"] for found in last["classes"]} == {"dark", "light"}
        until(lambda: service.service.first_model.current.sha256 == last["swap"]["sha256"])
        assert get(service, "/api/collect")["labels"][:2] == ["dark", "light"]
        images = tmp_path / "images9000"
        for name in ("dark", "light"):
            answer = ask(f"{service.url}/api/classify", body=(images / name / "9003.png").read_bytes())
            assert answer.json["top"][0]["label"] == name
        assert post(service, "/api/rollback").status == 200
        assert service.service.first_model.current is old
        assert list((tmp_path / "state" / "teaching").glob("*")) == []
        assert get(service)["last"]["state"] == "taught"


def test_what_is_missing_is_said_before_anything_is_taught(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 6)
    dark, light = ([i for i, name in truth.items() if name == wanted] for wanted in ("dark", "light"))
    with teaching(tmp_path) as service:
        label(service, dark, "dark")
        assert get(service)["why_not_replace"] == "one label, at least two are needed; label frames of another class"
        label(service, light[:3], "light")
        found = get(service)
        assert (found["missing"], found["ready"]) == ({"light": 2}, False)
        refused = post(service, "/api/teach")
        assert refused.status == 422
        assert refused.json["error"] == found["why_not"]
        assert "'light' has 3 labelled frames, at least 5 different ones are needed; label 2 more" in found["why_not"]
        label(service, light, "light")
        found = get(service)
        assert found["missing"] == {"circle": 5, "square": 5}  # the tiny model does not remember its classes
        assert "frames of 'circle' and 1 others are needed too" in found["why_not"]
        assert found["running"] is None
        assert found["last"] is None


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/teach?model=other", b"", 404, "there is no model 'other'; there are main"),
        ("/api/teach", b'{"replace": 1}', 400, "replace is true or false"),
        ("/api/teach", b'{"max_drop": 2}', 400, "max_drop is a fraction from 0 to 1"),
        ("/api/teach", b"[]", 400, "the body is no JSON object"),
        ("/api/teach", b"", 422, "collecting is off; give a folder as [collect] dir in the settings"),
        ("/api/teach/next", b"", 422, "collecting is off"),
        ("/api/teach/cancel", b"", 409, "nothing is being taught"),
    ],
)
def test_a_request_that_cannot_be_done_gets_one_line(
    without_frames: RunningService, path: str, body: bytes, status: int, words: str
) -> None:
    answer = post(without_frames, path, body)
    assert answer.status == status
    assert words in answer.json["error"]
    assert "\n" not in answer.json["error"]
    assert ask(without_frames.url + path, method="POST", body=body).status == 401


def test_frames_of_another_model_are_not_learned(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 5, 9000, "first")
    other = collect_grounds(tmp_path, 6, 9500, "second")
    models = [{"name": name, "file": TINY} for name in ("first", "second")]
    with teaching(tmp_path, models=models) as service:
        label_all(service, truth | other)
        assert get(service, "/api/teach?model=first")["labelled"] == {"dark": 5, "light": 5}
        assert get(service, "/api/teach?model=second")["labelled"] == {"dark": 6, "light": 6}
        assert ask(f"{service.url}/api/teach?model=third").status == 404
        answer = post(service, "/api/teach?model=second", b'{"replace": true}')
        last = until(lambda: get(service, "/api/teach?model=second")["last"])
        assert last["id"] == answer.json["id"]
        assert last["images"] == 12
        assert get(service, "/api/teach?model=first")["last"] is None


def test_the_frames_to_label_next_are_named_in_order(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 12)
    with teaching(tmp_path) as service:
        assert get(service, "/api/teach/next")["new"] == 24
        assert post(service, "/api/teach/next").status == 202
        found = until(lambda: (got := get(service, "/api/teach/next"))["at"] and not got["running"] and got)
        assert found["reason"] is None
        ids = [frame["id"] for frame in found["frames"]]
        assert len(ids) == len(set(ids)) == found["total"] > 10
        assert set(ids) <= truth.keys()
        assert {frame["guess"] for frame in found["frames"]} <= {"circle", "square"}
        assert all(frame["why"] and frame["given_label"] is None for frame in found["frames"])
        label(service, ids[:2], truth[ids[0]])
        again = get(service, "/api/teach/next")
        assert [frame["id"] for frame in again["frames"]] == ids[2:]
        assert again["new"] == 0
        assert teacher_of(service).running is None
