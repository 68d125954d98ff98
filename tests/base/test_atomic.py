"""A reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from unprivileged import unprivileged

from edgecnn.atomic import atomic_path, check_writable, make_folder, write_bytes, write_text
from edgecnn.errors import InputNotFoundError, OutputError


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "größe.txt", "schön\n")
    assert (tmp_path / "a" / "b" / "größe.txt").read_bytes() == "schön\n".encode()
    assert listed(tmp_path / "a" / "b") == ["größe.txt"]


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    write_bytes(target, b"old" * 1000)
    with target.open("rb") as reader:
        write_bytes(target, b"new")
        assert reader.read() == b"old" * 1000  # who reads goes on reading the old one
    assert target.read_bytes() == b"new"
    assert listed(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize(
    "error",
    [ValueError("a fault"), OSError(28, "No space left on device"), KeyboardInterrupt()],
    ids=["fault", "disk", "Ctrl-C"],
)
@pytest.mark.parametrize("old", [b"old", None], ids=["replacing", "new"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    tmp_path: Path, error: BaseException, old: bytes | None
) -> None:
    target = tmp_path / "model.onnx"
    if old is not None:
        target.write_bytes(old)

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half of the new")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write()
    assert listed(tmp_path) == ([] if old is None else ["model.onnx"])
    assert old is None or target.read_bytes() == old


def test_nothing_stands_at_the_target_before_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename across file systems is none
        assert temporary.name.startswith(".")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "a", b"")
        assert os.umask(mask) == mask  # left as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.parametrize(
    "write", [lambda p: write_bytes(p / "x" / "new", b""), lambda p: make_folder(p / "x")], ids=["file", "folder"]
)
def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path, write) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    with pytest.raises(OutputError, match=r"blocked.*cannot be written"):
        write(blocked)
    assert blocked.read_bytes() == b""


def test_a_check_before_the_computation_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder" / "model.onnx")
    (tmp_path / "blocked").write_bytes(b"")
    with pytest.raises(OutputError, match=r"blocked.*cannot be written"):
        check_writable(tmp_path / "blocked" / "folder" / "model.onnx")
    assert listed(tmp_path) == ["blocked"]


def test_a_folder_at_the_target_is_left_and_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(OutputError, match=r"model\.onnx: cannot be written: it is a folder"):
        write_bytes(tmp_path / "model.onnx", b"new")
    assert listed(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize("mode", [0o500, 0o600], ids=["read-only", "not to be entered"])
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, mode: int) -> None:
    write = "import pathlib, sys; from edgecnn.atomic import write_bytes; write_bytes(pathlib.Path(sys.argv[1]), b'')"
    locked = tmp_path / "locked"
    locked.mkdir(mode=mode)
    command = unprivileged(sys.executable, "-c", write, locked / "model.onnx")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    locked.chmod(0o700)
    assert re.search(r"OutputError: .*model\.onnx.*Permission denied", done.stderr), done.stderr
    assert listed(locked) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, mounted for the test."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_on_a_full_disk_the_old_file_stays_and_the_message_names_it(small_disk: Path) -> None:
    target = small_disk / "model.onnx"
    write_bytes(target, b"old" * 1000)
    with pytest.raises(OutputError, match=r"model\.onnx: cannot be written: No space left on device; free disk space"):
        write_bytes(target, bytes(100_000))
    assert target.read_bytes() == b"old" * 1000
    assert listed(small_disk) == ["model.onnx"]
    write_bytes(target, b"new")  # the space of the failed one is free again
    assert target.read_bytes() == b"new"


def test_a_disk_mounted_read_only_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OutputError, match=r"model\.onnx.*Read-only file system"):
        write_bytes(small_disk / "model.onnx", b"new")


def test_an_error_that_says_what_is_wrong_passes_through(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError), atomic_path(tmp_path / "model.onnx"):
        raise InputNotFoundError("labels.txt: no such file; check the path")


def test_any_name_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("n" * 250), b"new")


def test_a_pipe_or_device_at_the_target_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep_open = os.open(pipe, os.O_RDWR)
    try:
        write_bytes(pipe, b"new")
    except OutputError:
        pass
    finally:
        os.close(keep_open)
    assert pipe.is_fifo()


def test_a_link_at_the_target_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_private_folder_is_so_from_the_start_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_folder(tmp_path / "above" / "new", private=True)
        (tmp_path / "old").mkdir()
        make_folder(tmp_path / "old", private=True)
    finally:
        os.umask(before)
    found = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("above", "above/new", "old")]
    assert found == [0o755, 0o700, 0o755]
