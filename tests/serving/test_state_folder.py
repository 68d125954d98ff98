"""The state folder belongs to one service at a time, and one that cannot be written stops no decision."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest
from serving.running import TINY, ask, running, serving, settings_of
from waiting import until

from edgecnn.errors import OutputError
from edgecnn.folder_lock import LOCK_FILE
from edgecnn.serving.running import RunningService
from edgecnn.serving.state_folder import own_state

FAKE = {"name": "door", "address": "fake:64x64@20"}


def test_a_second_service_in_the_folder_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as first:
        told = rf"state: another run of EdgeCNN \(process {os.getpid()} on .*name another state_dir"
        with pytest.raises(OutputError, match=told):
            RunningService(settings_of(tmp_path, sources=[FAKE]))
        until(lambda: ask(f"{first.url}/readyz").status == 200)
    with running(tmp_path):
        pass
    assert not (tmp_path / "state" / LOCK_FILE).exists()


def test_a_killed_service_leaves_no_lock_though_its_capture_process_may_end_later(tmp_path: Path) -> None:
    env = {"EDGECNN_SERVE_STATE_DIR": str(tmp_path / "state")}
    with serving(TINY, "fake:64x64@20", "http://127.0.0.1:9/", env=env) as service:
        until(lambda: ask(f"{service.url}/api/state").json["states"])
        service.stop(signal.SIGKILL)
    with serving(TINY, "fake:64x64@20", env=env) as service:
        assert service.stop() == 0


def test_a_start_that_fails_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no such model file"):
        RunningService(settings_of(tmp_path, models=[{"file": tmp_path / "none.onnx"}]))
    with running(tmp_path):
        pass


@pytest.mark.parametrize("fault", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_told_and_frames_are_decided_on(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path):
        pass  # it has a token now
    real_open = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777, **other: int) -> int:
        if flags & os.O_CREAT and str(tmp_path) in str(path):
            raise OSError(fault, os.strerror(fault), str(path))
        return real_open(path, flags, mode, **other)

    monkeypatch.setattr(os, "open", refuse)
    with running(tmp_path, sources=[FAKE]) as service:
        until(lambda: ask(f"{service.url}/api/state").json["states"])
        drawn = b'{"regions": [{"name": "a", "roi": "0,0,0.5,0.5"}]}'
        url = f"{service.url}/api/sources/door/regions"
        answer = ask(url, method="PUT", body=drawn, token=service.token, headers={"Content-Type": "application/json"})
        assert answer.status >= 400
        assert os.strerror(fault) in answer.json["error"]
        answer = ask(f"{service.url}/api/models", method="POST", body=TINY.read_bytes(), token=service.token)
        assert answer.status >= 400
        assert f"cannot be stored: {os.strerror(fault)}" in answer.json["error"]
    assert f"cannot be written: {os.strerror(fault)}" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_full_disk_takes_the_text_of_the_lock_but_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        held = own_state(tmp_path)
        held.__enter__()
    with pytest.raises(OutputError, match="another run of EdgeCNN is writing here"), own_state(tmp_path):
        pass
    held.__exit__(None, None, None)
    with own_state(tmp_path):
        pass
