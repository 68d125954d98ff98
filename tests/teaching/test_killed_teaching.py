"""A killed ``edgecnn teach`` leaves the old file as it was, or the new one whole; and the next run does its work."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from command_line import start_fork
from grounds import write_grounds

from edgecnn.runtime.session.opening import open_session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")

# The process kills itself at one moment: before a step of teaching, or while it writes
BEFORE_WRITING = ("read_labelled_images", "fit_plan", "write_taught")
PARTLY_WRITTEN = ("half written", "fsync", "rename")
MOMENTS = (*BEFORE_WRITING, *PARTLY_WRITTEN, "renamed")
PROGRAM = """
import os, pathlib, signal
from edgecnn.teaching import teach

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

moment, out, Path = {moment!r}, {out!r}, pathlib.Path
write_bytes, replace = Path.write_bytes, Path.replace
if hasattr(teach, moment):
    setattr(teach, moment, die)
elif moment in ("half written", "fsync"):
    def written(self, content):
        if str(self.parent) != os.path.dirname(out):  # what is kept of proven models
            return write_bytes(self, content)
        if moment == "half written":
            write_bytes(self, content[: len(content) // 2])
            die()
        write_bytes(self, content)
        os.fsync = die
    Path.write_bytes = written
else:
    def rename(self, target):
        if str(target) == out and moment == "rename":
            die()
        replace(self, target)
        if str(target) == out:
            die()
    Path.replace = rename
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grounds(tmp_path_factory.mktemp("images"), 12)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_a_whole_file(moment: str, tiny_model: Path, images: Path, edgecnn, tmp_path: Path) -> None:
    folder, out = tmp_path / "place", tmp_path / "place" / "taught.onnx"
    folder.mkdir()
    out.write_bytes(b"the old file")
    arguments = ("teach", tiny_model, "--data", images, "--replace", "--out", out)
    program = PROGRAM.format(moment=moment, out=os.path.realpath(out))
    process = start_fork(arguments, {**os.environ}, tmp_path, before=program)
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, (tmp_path / "err").read_text()
    if moment == "renamed":
        assert open_session(out, "cpu", prove=True).manifest.labels == ("dark", "light")
    else:
        assert out.read_bytes() == b"the old file"
    left = [path.name for path in folder.iterdir() if path != out]
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
    assert len(left) == (moment in PARTLY_WRITTEN)
    if moment in BEFORE_WRITING:
        return  # the folder is as it was, and so is the next run
    done = edgecnn(*arguments)
    assert done.returncode == 0, done.stderr
    assert open_session(out, "cpu", prove=True).manifest.labels == ("dark", "light")
