"""Whatever happens to a teaching, the old model goes on serving, one line says why, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from grounds import write_grounds
from processes import alive, children_of, command_of
from serving.running import TINY, ask, running, serving
from serving.swap.swap_client import post, swaps_of
from serving.teaching.collected_grounds import collect_grounds, get, label_all, taught, teacher_of, teaching
from waiting import until

from edgecnn.errors import OutputError
from edgecnn.runtime.system.subprocess_python import start_python
from edgecnn.serving.running import RunningService
from edgecnn.serving.swap.errors import SwapRefusedError
from edgecnn.serving.teaching import process
from edgecnn.serving.teaching.order import TeachingOrder
from edgecnn.serving.teaching.process import Failed, TeachingProcess

REPLACE = b'{"replace": true}'


def begun(service: RunningService) -> str:
    """A teaching whose child process runs."""
    answer = post(service, "/api/teach", REPLACE)
    assert answer.status == 202, answer.content
    until(lambda: teacher_of(service).process_id is not None)
    return answer.json["id"]


def ended(service: RunningService, teach_id: str) -> dict[str, Any]:
    until(lambda: get(service)["running"] is None)
    last = get(service)["last"]
    assert last["id"] == teach_id
    return last


def nothing_left(tmp_path: Path) -> bool:
    return not any((tmp_path / "state" / "teaching").glob("*"))


def test_a_killed_process_leaves_the_old_model_and_one_line(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 10)
    with teaching(tmp_path) as service:
        label_all(service, truth)
        old = service.service.first_model.current
        teach_id = begun(service)
        pid = teacher_of(service).process_id
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        last = ended(service, teach_id)
        assert (last["state"], last["swap"], last["cv_top1"]) == ("failed", None, None)
        assert last["reason"].startswith("the teaching process was ended by SIGKILL, possibly for lack of memory")
        assert service.service.first_model.current is old
        assert nothing_left(tmp_path)


def test_a_report_that_cannot_be_read_is_a_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    truth = collect_grounds(tmp_path, 5)
    sent = json.dumps({"event": "taught", "report": {"file": None}})
    answering = ["-c", f"print({sent!r})"]
    monkeypatch.setattr(process, "start_python", lambda _arguments, environment: start_python(answering, environment))
    with teaching(tmp_path) as service:
        label_all(service, truth)
        last = ended(service, post(service, "/api/teach", REPLACE).json["id"])
        assert last["state"] == "failed"
        assert last["reason"] == "unexpected error: ValidationError; the log has more"
    assert "sha256" in caplog.text  # of what is missing
    assert nothing_left(tmp_path)


def test_one_at_a_time_and_it_can_be_cancelled(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 10)
    with teaching(tmp_path) as service:
        label_all(service, truth)
        teach_id = begun(service)
        pid = teacher_of(service).process_id
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it does not end by itself meanwhile
        busy = post(service, "/api/teach", REPLACE)
        assert (busy.status, post(service, "/api/teach/next").status) == (409, 409)
        assert busy.json["error"] == "another teaching is under way; wait for its end, or cancel it"
        assert get(service)["running"]["id"] == teach_id
        assert post(service, "/api/teach/cancel").json == {"id": teach_id}
        assert ended(service, teach_id)["reason"] == "cancelled; the model that serves stays as it is"
        assert nothing_left(tmp_path)


def test_the_service_ends_in_time_and_takes_the_process_along(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 10)
    settings = tmp_path / "serve.toml"
    settings.write_text(
        f'state_dir = "{tmp_path / "state"}"\n[[models]]\nfile = "{TINY}"\n[collect]\ndir = "{tmp_path / "frames"}"\n'
        "max_age_days = 30000\n"
    )
    with teaching(tmp_path) as service:
        label_all(service, truth)
    for number, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
        with serving("--config", settings) as service:
            until(lambda url=service.url: ask(f"{url}/api/teach").json["ready_to_replace"])
            answer = ask(f"{service.url}/api/teach", method="POST", body=REPLACE, token=service.token)
            assert answer.status == 202
            children = until(lambda pid=service.process.pid: teaching_children(pid))
            assert service.stop(number) == status
            until(lambda pids=children: not any(map(alive, pids)))
    with serving("--config", settings) as service:
        assert ask(f"{service.url}/api/teach").json["last"] is None
        assert nothing_left(tmp_path)


def test_unreadable_files_are_skipped_or_named(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 8)
    with teaching(tmp_path) as service:
        label_all(service, truth)
        files = sorted((tmp_path / "frames" / "labelled").rglob("*.png"))
        files[0].write_bytes(b"no image")
        assert taught(service)["skipped"] == 1
        for file in files:
            file.write_bytes(b"no image")
        last = taught(service)
        assert last["state"] == "failed"
        assert last["reason"].startswith("labelled: none of 16 images can be read; first error: ")
        assert str(tmp_path) not in last["reason"]


def test_copies_of_one_image_are_too_few(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 6)
    with teaching(tmp_path) as service:
        label_all(service, truth)
        dark = sorted((tmp_path / "frames" / "labelled" / "dark").rglob("*.png"))
        for file in dark:
            file.write_bytes(dark[0].read_bytes())
        last = taught(service)
        assert last["state"] == "failed"
        assert "the class 'dark' has 1 different image, expected at least 5" in last["reason"]


def test_a_full_disk_is_said_and_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = collect_grounds(tmp_path, 8)
    with teaching(tmp_path) as service:
        label_all(service, truth)
        swaps = swaps_of(service)

        def full(*_: object, **__: object) -> None:
            raise OutputError("the model cannot be stored: No space left on device; free disk space")

        monkeypatch.setattr(swaps, "submit", full)
        last = taught(service)
        assert (last["state"], last["swap"]) == ("failed", None)
        assert "No space left on device" in last["reason"]
        assert last["cv_top1"] is not None
        assert nothing_left(tmp_path)
        (tmp_path / "state" / "teaching").rmdir()
        (tmp_path / "state" / "teaching").write_text("a file stands where the folder is made")
        last = taught(service)
        assert "cannot be written" in last["reason"]


def test_a_taught_model_that_fails_a_check_does_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = collect_grounds(tmp_path, 8)
    with teaching(tmp_path) as service:
        label_all(service, truth)

        def refuse(*_: object, **__: object) -> None:
            raise SwapRefusedError("its golden samples fail")

        monkeypatch.setattr(swaps_of(service), "submit", refuse)
        last = taught(service)
        assert (last["state"], last["reason"]) == (
            "failed",
            "the taught model cannot take over: its golden samples fail",
        )


def test_a_model_that_already_knows_stays_as_it_is(tmp_path: Path) -> None:
    truth = collect_grounds(tmp_path, 10)
    with teaching(tmp_path, swap={"shadow_frames": 0}) as service:
        label_all(service, truth)
        new = taught(service)["swap"]["sha256"]
        until(lambda: service.service.first_model.current.sha256 == new)
        last = taught(service, b"")
        assert (last["state"], last["swap"]) == ("unchanged", None)
        assert last["reason"].startswith("the model as it is answers all of these images right")
        assert get(service, "/api/teach/next")["at"] is not None


def test_a_taught_model_that_disagrees_waits_for_somebody(tmp_path: Path) -> None:
    """Within the gate it would take over by itself; beyond it, an upload is refused and a taught model waits."""
    truth = collect_grounds(tmp_path, 10)
    source = {"name": "door", "address": f"loop:{write_grounds(tmp_path / 'seen', 10, 100)}@30"}
    collect = {"dir": tmp_path / "frames", "max_age_days": 30000, "when": []}
    with teaching(tmp_path, sources=[source], swap={"shadow_frames": 10}, collect=collect) as service:
        label_all(service, truth)
        old = service.service.first_model.current
        last = taught(service)
        until(lambda: swaps_of(service).waiting)
        model = get(service, "/api/models")["models"][0]
        assert (model["shadow"]["id"], model["shadow"]["state"]) == (last["swap"]["id"], "waiting")
        assert model["shadow"]["agreement"] < model["shadow"]["min_agreement"]
        assert service.service.first_model.current is old
        assert post(service, "/api/models/accept").status == 200
        assert service.service.first_model.current.labels == ("dark", "light")


def test_a_model_file_that_changed_on_the_disk_is_not_taught(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        model = service.service.first_model.current
        values = {"labelled": str(tmp_path), "chosen": (), "unlabelled": (), "out": str(tmp_path / "out.onnx")}
        order = TeachingOrder(
            kind="teach",
            model=str(model.file),
            sha256="0" * 64,
            **values,
            replace=False,
            max_drop=0.01,
            label_next=5,
            nice=0,
        )
        process = TeachingProcess(order)
        try:
            outcome = process.run(lambda *_: None)
        finally:
            process.close()
        assert isinstance(outcome, Failed)
        assert "the file has changed since the service opened it" in outcome.reason


def teaching_children(pid: int) -> list[int]:
    return [child for child in children_of(pid) if "edgecnn.serving.teaching.child" in command_of(child)]
