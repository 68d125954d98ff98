"""The API of the swaps: who may ask, limits, and that the service answers meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from serving.running import TINY, ask, running
from serving.swap.swap_client import FIRST, models, post, serving, stored
from serving.swap.swap_models import admitted, good, sha256
from waiting import until

from edgecnn.errors import OutputError
from edgecnn.serving.swap.stored_models import StoredModels

CHANGES = ("/api/models", "/api/models/accept", "/api/models/reject", "/api/rollback")


def test_changes_need_the_token_and_reading_on_loopback_does_not(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for path in CHANGES:
            assert ask(f"{service.url}{path}", body=good(50)).status == 401
            assert ask(f"{service.url}{path}", body=good(50), token="wrong" * 5).status == 401
        assert models(service)[0]["serving"]["sha256"] == FIRST
        assert stored(tmp_path) == set()


def test_a_body_above_the_limit_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with running(tmp_path, limits={"model_mb": 0.01}) as service:
        answer = post(service, "/api/models", good(51))
        assert (answer.status, "larger than 0.01 MB" in answer.json["error"]) == (413, True)
        assert stored(tmp_path) == set()


def test_a_model_is_named_in_the_address(tmp_path: Path) -> None:
    two = [{"name": "parts", "file": TINY}, {"name": "faces", "file": TINY}]
    with running(tmp_path, models=two) as service:
        assert post(service, "/api/models?model=other", good(52)).json == {
            "error": "no such model; there are parts, faces"
        }
        assert post(service, "/api/models?model=faces", admitted(good(52))).json["model"] == "faces"
        assert {m["name"]: m["serving"]["sha256"] for m in models(service)} == {
            "parts": FIRST,
            "faces": sha256(good(52)),
        }
        assert post(service, "/api/rollback?model=other").status == 404
        assert post(service, "/api/rollback").status == 409  # of the first one
        assert post(service, "/api/rollback?model=faces").status == 200


def test_bodies_that_name_no_swap_are_refused(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for body in (b"[]", b"not json", b'{"id": 5}', b"\xff"):
            assert post(service, "/api/models/accept", body).status == 400
        for body in (b"", b"{}", b'{"id": "x"}'):
            answer = post(service, "/api/models/accept", body)
            assert (answer.status, list(answer.json)) == (409, ["error"])
        assert ask(f"{service.url}/api/models/shadow/x/images/0").status == 404


def test_the_service_answers_while_a_file_is_checked_and_a_second_one_hears_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking, go_on = threading.Event(), threading.Event()
    with running(tmp_path) as service:
        inner = service.service.open_model

        def slow(*args: Any, **options: Any) -> Any:
            checking.set()
            assert go_on.wait(20)
            return inner(*args, **options)

        monkeypatch.setattr(service.service, "open_model", slow)
        statuses: list[int] = []
        first = threading.Thread(
            target=lambda: statuses.append(post(service, "/api/models", admitted(good(53))).status)
        )
        first.start()
        assert checking.wait(20)
        assert ask(f"{service.url}/healthz").status == 200
        assert serving(service) == FIRST
        second = post(service, "/api/models", good(54))
        assert (second.status, "being checked" in second.json["error"]) == (409, True)
        go_on.set()
        first.join()
        assert statuses == [202]
        until(lambda: serving(service) == sha256(good(53)))


def test_a_model_that_cannot_be_stored_does_not_take_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutputError("serving.json: cannot be written: No space left on device; free disk space")

    with running(tmp_path) as service:
        monkeypatch.setattr(StoredModels, "point", full)
        assert post(service, "/api/models", admitted(good(55))).status == 202  # its checks have passed
        last = models(service)[0]["last"]
        assert (last["state"], "No space left" in last["reason"]) == ("refused", True)
        assert serving(service) == FIRST
        assert stored(tmp_path) == set()


def test_a_rollback_takes_place_on_a_full_disk_and_says_that_a_restart_undoes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("serving.json: cannot be written: No space left on device; free disk space")

    with running(tmp_path) as service:
        post(service, "/api/models", admitted(good(56)))
        monkeypatch.setattr(StoredModels, "point", full)
        answer = post(service, "/api/rollback")
        assert (answer.status, "a restart would undo it" in answer.json["error"]) == (507, True)
        assert serving(service) == FIRST
