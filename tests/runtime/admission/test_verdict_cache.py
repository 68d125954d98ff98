"""Verdicts on model files are remembered, by their bytes, where nobody else can write them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_models import as_file, harmless, hostile_models, one

from edgecnn.errors import ModelError
from edgecnn.runtime.admission import verdict_cache as verdicts
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.session.model_file import read_model_file

HOSTILE = hostile_models((Path(__file__).parents[2] / "models" / "tiny.onnx").read_bytes())


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process would see it."""
    monkeypatch.setattr(verdicts, "_here", {})


def test_a_known_model_is_not_probed_again(cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    file = as_file(harmless())
    admit(file)
    admit(file)
    forget(monkeypatch)
    admit(file)
    assert len(started) == 1


def test_a_verdict_holds_for_other_processes(tiny_model: Path, cache: Path) -> None:
    """The second process cannot start a child, and need not."""
    program = "import sys\nfrom edgecnn.runtime import admission, session\nif sys.argv[2] == 'no': admission._start = None\nsession.open_session(sys.argv[1], 'cpu')"
    for may_probe in ("yes", "no"):
        subprocess.run([sys.executable, "-c", program, str(tiny_model), may_probe], check=True, timeout=60)


def test_a_refusal_is_remembered_with_its_reason(
    cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_file(HOSTILE["loop"])
    said = []
    for _ in range(2):
        with pytest.raises(ModelError) as caught:
            admit(file)
        said.append(str(caught.value))
        forget(monkeypatch)
    assert said[0] == said[1]
    assert "control flow (Loop)" in said[0]
    assert len(started) == 1


def test_the_verdict_is_on_the_bytes_and_not_on_the_name(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "some.onnx"
    path.write_bytes(harmless())
    admit(read_model_file(path))
    path.write_bytes(HOSTILE["loop"])
    with pytest.raises(ModelError):
        admit(read_model_file(path))


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "[" * 100_000, '{"why": null}', '{"why": 3, "rules": 1, "onnxruntime": "x"}', "\x00" * 9]
)
def test_a_damaged_verdict_is_none(
    damage: str, cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_file(harmless())
    admit(file)
    (cache / f"{file.sha256}.json").write_text(damage)
    forget(monkeypatch)
    admit(file)
    assert len(started) == 2


@pytest.mark.parametrize("key", ["onnxruntime", "rules"])
def test_a_verdict_of_another_version_is_none(
    key: str, cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not kill one version of onnxruntime may kill the next."""
    file = as_file(harmless())
    admit(file)
    kept = cache / f"{file.sha256}.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {key: "1.0.0"}))
    forget(monkeypatch)
    admit(file)
    assert len(started) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are Unix's")
def test_verdicts_that_others_may_write_are_not_trusted(
    cache: Path, started: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = as_file(harmless())
    admit(file)
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o777)
    for _ in range(2):
        forget(monkeypatch)
        admit(file)
    assert len(started) == 3
    assert [r.getMessage() for r in caplog.records if "other users may write" in r.getMessage()] == caplog.messages
    assert len(caplog.messages) == 1


def test_a_link_in_place_of_the_folder_is_not_followed(
    cache: Path, tmp_path: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    cache.parent.mkdir()
    cache.symlink_to(tmp_path / "theirs")
    admit(as_file(harmless()))
    assert not list((tmp_path / "theirs").iterdir())


@pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere", "file"])
@pytest.mark.skipif(sys.platform != "linux", reason="these places are Linux's")
def test_a_device_that_cannot_write_goes_on_and_says_so_once(
    place: str,
    cache: Path,
    tmp_path: Path,
    started: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "file") if place == "file" else place)
    for content in (harmless(), harmless(), one("Relu")):
        admit(as_file(content))
    assert len(started) == 2  # one a model: the process remembers
    assert len(caplog.messages) == 1
    assert "verdict cache cannot be used" in caplog.messages[0]


def test_no_more_verdicts_are_kept_than_a_thousand(cache: Path) -> None:
    verdicts.remember("first", verdicts.Verdict(None))
    for i in range(1_005):
        (cache / f"{i}.json").write_text("{}")
        os.utime(cache / f"{i}.json", (i, i))
    verdicts.remember("last", verdicts.Verdict(None))
    left = {path.stem for path in cache.iterdir()}
    assert len(left) == 1_000
    assert {"first", "last", "1004"} <= left
