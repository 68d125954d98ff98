"""A new model goes through its shadow, takes over or is refused, and can be rolled back."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
from serving.running import ask, running
from serving.swap.swap_client import (
    FAKE,
    FIRST,
    answered_by,
    ended,
    models,
    post,
    serving,
    steps,
    stored,
    swaps_of,
)
from serving.swap.swap_models import admitted, good, sha256, with_labels
from waiting import until

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
DIFFERENT = with_labels("square", "circle")
SHADOW = {"shadow_frames": 20}


def test_a_model_that_agrees_takes_over_after_its_shadow(tmp_path: Path) -> None:
    new = good(1)  # not admitted: its check starts the child process
    with running(tmp_path, sources=[FAKE], swap=SHADOW) as service:
        until(service.service.latest.states)
        answer = post(service, "/api/models", new)
        assert answer.status == 202, answer.content
        assert (answer.json["sha256"], answer.json["model"]) == (sha256(new), "main")
        last = ended(service, answer.json["id"])
        assert (last["state"], last["frames"], last["agreement"]) == ("accepted", 20, 1.0)
        assert steps(service, answer.json["id"]) == ["checking", "shadow", "accepted"]
        found = models(service)[0]
        assert (found["serving"]["sha256"], found["previous"]["sha256"]) == (sha256(new), FIRST)
        assert found["shadow"] is None
        until(lambda: {s.model_sha256 for s in service.service.latest.states().values()} == {sha256(new)})
        assert answered_by(service, JPEG) == sha256(new)
        assert f"{sha256(new)}.onnx" in stored(tmp_path)


def test_a_model_that_differs_is_refused_with_the_figure_and_the_frames(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap=SHADOW) as service:
        answer = post(service, "/api/models", admitted(DIFFERENT))
        last = ended(service, answer.json["id"])
        assert last["state"] == "refused"
        assert "agrees with the serving model on 0 of 20 live frames (0.0%), at least 80.0% is needed" in last["reason"]
        assert serving(service) == FIRST
        assert len(last["differing"]) == 12
        frame = last["differing"][0]
        assert frame["view"] == "door"
        assert frame["number"] > 0
        assert {frame["serving"]["label"], frame["shadow"]["label"]} == {"circle", "square"}
        image = ask(service.url + frame["image"])
        assert image.headers["content-type"] == "image/jpeg"
        assert cv2.imdecode(np.frombuffer(image.content, np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)
        assert ask(service.url + frame["image"] + "9").status == 404
        assert stored(tmp_path) == set()


def test_in_confirm_mode_it_waits_until_somebody_accepts_it(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap={**SHADOW, "mode": "confirm"}) as service:
        answer = post(service, "/api/models", admitted(DIFFERENT))
        until(lambda: swaps_of(service).waiting)
        shadow = models(service)[0]["shadow"]
        assert (shadow["state"], shadow["frames"], shadow["agreement"], shadow["mode"]) == ("waiting", 20, 0, "confirm")
        assert shadow["labels"] == ["square", "circle"]
        assert serving(service) == FIRST
        assert post(service, "/api/models/accept", b'{"id": "another"}').status == 409
        accepted = post(service, "/api/models/accept", b'{"id": "%s"}' % answer.json["id"].encode())
        assert accepted.status == 200
        assert serving(service) == sha256(DIFFERENT)
        assert steps(service, answer.json["id"]) == ["checking", "shadow", "waiting", "accepted"]
        assert post(service, "/api/models/accept").status == 409


def test_a_waiting_model_can_be_rejected(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap={**SHADOW, "mode": "confirm"}) as service:
        answer = post(service, "/api/models", admitted(good(2)))
        until(lambda: swaps_of(service).waiting)
        assert post(service, "/api/models/reject").status == 200
        last = ended(service, answer.json["id"])
        assert (last["state"], last["reason"]) == ("refused", "rejected by request")
        assert serving(service) == FIRST
        assert stored(tmp_path) == set()


def test_a_later_file_supersedes_the_one_in_the_shadow_once_it_is_checked(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap={"mode": "confirm", "shadow_frames": 100_000}) as service:
        first = post(service, "/api/models", admitted(good(3))).json
        assert post(service, "/api/models", b"not a model").status == 422
        assert models(service)[0]["shadow"]["id"] == first["id"]
        second = post(service, "/api/models", admitted(good(4))).json
        assert steps(service, first["id"]) == ["checking", "shadow", "superseded"]
        assert models(service)[0]["shadow"]["id"] == second["id"]
        # No need to wait for the frames of a camera that is away
        assert post(service, "/api/models/accept").json["id"] == second["id"]
        assert serving(service) == sha256(good(4))


def test_a_rollback_takes_effect_at_once_and_can_be_undone(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert post(service, "/api/rollback").status == 409
        assert post(service, "/api/models", admitted(good(5))).status == 202
        assert answered_by(service, JPEG) == sha256(good(5))
        begin_s = time.monotonic()
        assert post(service, "/api/rollback").json["sha256"] == FIRST
        assert answered_by(service, JPEG) == FIRST
        assert time.monotonic() - begin_s < 5, "1 s, or more on a busy machine"
        assert models(service)[0]["previous"]["sha256"] == sha256(good(5))
        assert models(service)[0]["last"]["state"] == "rolled back"
        assert post(service, "/api/rollback").json["sha256"] == sha256(good(5))
        assert serving(service) == sha256(good(5))


def test_a_rollback_ends_a_shadow_that_was_compared_with_the_model_that_goes(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap={"mode": "confirm", "shadow_frames": 100_000}) as service:
        post(service, "/api/models", admitted(good(6)))
        post(service, "/api/models/accept")
        shadow = post(service, "/api/models", admitted(good(7))).json
        post(service, "/api/rollback")
        assert steps(service, shadow["id"])[-1] == "superseded"
        assert models(service)[0]["shadow"] is None


def test_a_model_of_other_classes_takes_over_where_that_is_allowed(tmp_path: Path) -> None:
    new = admitted(with_labels("cat", "dog"))
    with running(tmp_path, sources=[FAKE], swap={**SHADOW, "min_agreement": 0}) as service:
        answer = post(service, "/api/models", new)
        assert ended(service, answer.json["id"])["state"] == "accepted"
        assert until(lambda: {s.label for s in service.service.latest.states().values()} <= {"cat", "dog"})


def test_without_live_frames_it_takes_over_after_the_checks(tmp_path: Path) -> None:
    for name, values in {"no sources": {}, "no frames": {"sources": [FAKE], "swap": {"shadow_frames": 0}}}.items():
        with running(tmp_path / name, **values) as service:
            assert post(service, "/api/models", admitted(good(8))).status == 202
            assert serving(service) == sha256(good(8))


def test_a_file_that_serves_or_is_in_its_shadow_already_is_no_swap(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE], swap={"shadow_frames": 100_000}) as service:
        new = admitted(good(9))
        assert post(service, "/api/models", new).status == 202
        again = post(service, "/api/models", new)
        assert (again.status, "in its shadow already" in again.json["error"]) == (409, True)
        post(service, "/api/models/accept")
        again = post(service, "/api/models", new)
        assert (again.status, "serves already" in again.json["error"]) == (409, True)


def test_the_old_models_leave_the_disk(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for number in (10, 11, 12):
            assert post(service, "/api/models", admitted(good(number))).status == 202
        kept = {f"{sha256(good(number))}.onnx" for number in (11, 12)}
        assert stored(tmp_path) == {*kept, "serving.json"}
