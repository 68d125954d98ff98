"""The TensorBoard log, read back record by record as TensorBoard reads it."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest

from edgecnn.errors import OutputError
from edgecnn.progress import Silent
from edgecnn.training.run.history import EpochRow
from edgecnn.training.run.tensorboard_log import TAGS, TensorBoardLog


def _row(epoch: int) -> EpochRow:
    return EpochRow(
        epoch, "all", 1 / epoch, 0.9 / epoch, 1 - 0.5 / epoch, 1e-3 * epoch, 2.0, 100.0 + epoch, 1 - 0.6 / epoch
    )


def _events(folder: Path) -> list:
    """A file is records of length, checksum of the length, content, checksum of the content (TensorFlow's record format)."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    from tensorboardX.crc32c import crc32c

    def masked(data: bytes) -> int:
        crc = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    found = []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            content = data[at + 12 : at + 12 + length]
            assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at : at + 8])
            assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(content)
            found.append(event_pb2.Event.FromString(content))
            at += 16 + length
    return found


def _points(folder: Path) -> dict[tuple[str, int], float]:
    return {(value.tag, event.step): value.simple_value for event in _events(folder) for value in event.summary.value}


def test_every_epoch_has_a_point_on_every_curve(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path / "tensorboard", Silent()) as log:
        for epoch in (1, 2, 3):
            log.add(_row(epoch))
    points = _points(tmp_path / "tensorboard")
    assert points.keys() == {(tag, epoch) for tag in TAGS for epoch in (1, 2, 3)}
    for (tag, epoch), value in points.items():
        assert value == pytest.approx(getattr(_row(epoch), TAGS[tag]), rel=1e-6)


def test_a_point_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path, Silent()) as log:
        log.add(_row(1))
        assert ("loss/val", 1) in _points(tmp_path)


def test_a_resumed_run_hides_what_was_logged_beyond_where_it_goes_on(tmp_path: Path) -> None:
    """TensorBoard drops what lies at or after the step of a later file's start mark."""
    with TensorBoardLog(tmp_path, Silent()) as log:
        log.add(_row(1))
        log.add(_row(2))
    with TensorBoardLog(tmp_path, Silent(), [_row(1)]) as log:
        log.add(_row(2))
    marks = [event.step for event in _events(tmp_path) if event.HasField("session_log")]
    assert marks == [2]
    assert [value.step for value in _events(tmp_path) if value.HasField("summary")] == [
        1,
        2,
        2,
    ]  # the earlier file is whole


def test_without_the_package_it_is_said_once_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            said.append(line)

    monkeypatch.setattr("edgecnn.training.run.tensorboard_log.find_spec", lambda name: None)
    with TensorBoardLog(tmp_path / "log", Listening()) as log:
        log.add(_row(1))
        log.add(_row(2))
    assert len(said) == 1
    assert "edgecnn[tensorboard]" in said[0]
    assert not (tmp_path / "log").exists()


def test_a_full_disk_is_said_at_the_epoch_that_it_struck(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = TensorBoardLog(tmp_path, Silent())
    if log._writer is None:
        pytest.skip("tensorboardX is not installed")
    with open("/dev/full", "wb", buffering=0) as full:
        log._writer._py_recordio_writer._writer = full
        with pytest.raises(OutputError, match="No space"):
            log.add(_row(1))
        log._writer = None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboardX") is None:
        pytest.skip("tensorboardX is not installed")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        TensorBoardLog(tmp_path / "file" / "tensorboard", Silent())
