"""After a restart the model of the last swap serves, or the best one that is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from serving.running import TINY, running
from serving.swap.swap_client import FIRST, models, post, serving, stored
from serving.swap.swap_models import admitted, good, sha256

from edgecnn.errors import EdgeCNNError

A, B = good(70), good(71)


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    """The folder of a service that swapped its model twice: to A, then to B."""
    with running(tmp_path) as service:
        for content in (A, B):
            assert post(service, "/api/models", admitted(content)).status == 202
    return tmp_path


def place(folder: Path, content: bytes) -> Path:
    return folder / "state" / "models" / "main" / f"{sha256(content)}.onnx"


def test_what_served_serves_again_and_can_be_rolled_back(swapped: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(swapped) as service:
        found = models(service)[0]
        assert (found["serving"]["sha256"], found["previous"]["sha256"]) == (sha256(B), sha256(A))
        assert f"{sha256(B)[:12]}… of an earlier swap serves in place of {TINY}" in caplog.text
        assert post(service, "/api/rollback").json["sha256"] == sha256(A)
    with running(swapped) as service:
        assert serving(service) == sha256(A)
        assert models(service)[0]["previous"]["sha256"] == sha256(B)


@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_a_damaged_stored_file_gives_way_to_the_previous_one(
    swapped: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    _harm(place(swapped, B), harm)
    with running(swapped) as service:
        found = models(service)[0]
        assert (found["serving"]["sha256"], found["previous"]) == (sha256(A), None)
        assert found["last"]["state"] == "refused"
        assert "after the restart: " in found["last"]["reason"]
        assert f"{sha256(A)[:12]}… serves" in found["last"]["reason"]
        assert "the next one is tried" in caplog.text
        assert stored(swapped) == {"serving.json", f"{sha256(A)}.onnx"}
    with running(swapped) as service:
        assert (serving(service), models(service)[0]["last"]) == (sha256(A), None)


def test_where_both_are_damaged_the_configured_file_serves(swapped: Path) -> None:
    _harm(place(swapped, A), "cut")
    _harm(place(swapped, B), "gone")
    with running(swapped) as service:
        assert serving(service) == FIRST
        assert stored(swapped) == set()


def test_a_damaged_previous_file_only_takes_the_rollback_away(swapped: Path) -> None:
    _harm(place(swapped, A), "cut")
    with running(swapped) as service:
        assert serving(service) == sha256(B)
        assert post(service, "/api/rollback").status == 409


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "current": 5, "previous": null, "configured": "x"}'])
def test_a_damaged_pointer_gives_way_to_the_configured_file(swapped: Path, text: str) -> None:
    (swapped / "state" / "models" / "main" / "serving.json").write_text(text)
    with running(swapped) as service:
        assert serving(service) == FIRST
        assert "is damaged" in models(service)[0]["last"]["reason"]


def test_a_damaged_pointer_that_cannot_be_removed_is_told_and_the_service_starts(
    swapped: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pointer = swapped / "state" / "models" / "main" / "serving.json"
    pointer.write_text("{")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == pointer:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with running(swapped) as service:
        assert serving(service) == FIRST
    assert f"{pointer}: cannot be removed: Permission denied" in caplog.text


def test_a_newer_configured_file_wins(tmp_path: Path) -> None:
    configured = tmp_path / "configured.onnx"
    configured.write_bytes(TINY.read_bytes())
    settings = {"models": [{"file": configured}]}
    with running(tmp_path, **settings) as service:
        post(service, "/api/models", admitted(A))
    configured.write_bytes(admitted(B))
    with running(tmp_path, **settings) as service:
        assert serving(service) == sha256(B)
        assert stored(tmp_path) == set()


def test_a_newer_configured_file_that_is_broken_gives_way_to_what_served(tmp_path: Path) -> None:
    configured = tmp_path / "configured.onnx"
    configured.write_bytes(TINY.read_bytes())
    settings = {"models": [{"file": configured}]}
    with running(tmp_path, **settings) as service:
        post(service, "/api/models", admitted(A))
    configured.write_bytes(B[: len(B) // 2])
    with running(tmp_path, **settings) as service:
        assert serving(service) == sha256(A)
    configured.unlink()
    with running(tmp_path, **settings) as service:
        assert serving(service) == sha256(A)
    place(tmp_path, A).unlink()
    with pytest.raises(EdgeCNNError, match="no such model file"), running(tmp_path, **settings):
        pass


def test_rolled_back_to_the_configured_file_it_serves_after_a_restart_too(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        post(service, "/api/models", admitted(A))
        post(service, "/api/rollback")
    with running(tmp_path) as service:
        found = models(service)[0]
        assert (found["serving"]["sha256"], found["previous"]["sha256"]) == (FIRST, sha256(A))
        assert found["serving"]["file"] == "tiny.onnx"


def test_files_that_nothing_points_to_are_removed_at_the_start(swapped: Path) -> None:
    folder = swapped / "state" / "models" / "main"
    (folder / f"{'0' * 64}.onnx").write_bytes(b"left over")
    (folder / ".abc.part").write_bytes(b"half")
    with running(swapped):
        assert stored(swapped) == {"serving.json", f"{sha256(A)}.onnx", f"{sha256(B)}.onnx"}


def test_the_pointer_says_what_it_replaced(swapped: Path) -> None:
    pointer = json.loads((swapped / "state" / "models" / "main" / "serving.json").read_text())
    assert pointer == {"version": 1, "current": sha256(B), "previous": sha256(A), "configured": FIRST}


def _harm(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
