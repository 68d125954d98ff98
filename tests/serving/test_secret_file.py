"""A file that holds a secret is named where it cannot be read, and nothing of it is shown."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from serving.running import settings_of

from edgecnn.errors import InputNotFoundError, OutputError
from edgecnn.serving.engine.service import read_address
from edgecnn.serving.secret_file import read_secret_file
from edgecnn.serving.settings.settings import SourceSettings
from edgecnn.serving.state_folder import read_token


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file or directory"), (b"rtsp://user:pa\xff@host", "is not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputNotFoundError) as read:
        read_secret_file(path, "the broker's password")
    assert str(read.value) == f"{path}: the broker's password cannot be read: {why}; write it there"
    with pytest.raises(InputNotFoundError) as read:
        read_address(SourceSettings(name="door", address_file=path))
    assert str(read.value) == (
        f"{path}: the address of source 'door' cannot be read: {why}; write it there, readable for the service alone"
    )


def test_a_new_token_that_finds_no_room_is_an_output_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(OutputError, match="token: cannot be written: No space left on device; free disk space"):
        read_token(settings_of(tmp_path), tmp_path)
