"""A data folder that holds what a folder of images should not: each command reads the images and names the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from shapes import write_shapes
from unprivileged import unprivileged

NAMES = (
    b"\xff\xfe.png",
    b"new\nline.png",
    b"esc\x1b[31m.png",
    "rtl\u202egpj.png".encode(),
    b"-x.png",
    b"%s $(touch x).png",
    b"<b>.png",
    b"a" * 251 + b".png",
)
LIMIT_S = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    circle = write_shapes(root / "data", 8, side=32, first_seed=1) / "circle"
    good = next(circle.iterdir()).read_bytes()
    for name in NAMES:
        with open(os.fsencode(circle) + b"/" + name, "wb") as file:
            file.write(good)
    for name, target in (("self.png", "self.png"), ("a.png", "b.png"), ("b.png", "a.png"), ("up", "..")):
        (circle / name).symlink_to(target)
    os.mkfifo(circle / "pipe.png")
    os.mkfifo(circle / "pipe")
    with socket.socket(socket.AF_UNIX) as end:
        here = Path.cwd()
        os.chdir(circle)  # a socket's path has at most 107 bytes
        end.bind("socket.png")
        os.chdir(here)
    (circle / "locked.png").write_bytes(good)
    (circle / "locked.png").chmod(0)
    (root / "secret").mkdir()
    (root / "secret" / "x.png").write_bytes(good)
    for name in ("into.png", "into"):
        (circle / name).symlink_to(root / "secret" / "x.png")
    (circle / "into folder").symlink_to(root / "secret" / "below")
    (root / "secret").chmod(0)
    (circle / "zero.png").symlink_to("/dev/zero")
    (circle / "kernel.png").symlink_to("/proc/self/status")  # a regular file of no size, which is none
    (circle / "empty.png").write_bytes(b"")
    with (circle / "sparse.png").open("wb") as file:
        file.write(good[:30])
        file.truncate(3 << 30)
    return root


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("predict MODEL data --ep cpu", 0),
        ("doctor data", 3),
        ("teach MODEL --data data --replace --out OUT.onnx", 3),  # nothing that would be better
        ("train data --model resnet8 --weights none --imgsz 16 --epochs 1 --out OUT.run", 0),
    ],
    ids=lambda value: str(value).partition(" ")[0],
)
def test_the_images_are_read_and_the_rest_is_named(
    command: str, status: int, folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    words = [str(tiny_model) if word == "MODEL" else word.replace("OUT", f"{tmp_path}/out") for word in command.split()]
    done = subprocess.run(
        unprivileged(sys.executable, "-m", "edgecnn", *words),
        cwd=folder,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    said = os.fsdecode(done.stderr + done.stdout)
    assert "Traceback" not in said
    assert done.returncode == status, said
    for name in ("locked.png", "sparse.png", "pipe.png", "socket.png", "zero.png", "empty.png"):
        assert name in said or command.startswith("doctor"), f"{name} is not named"
    assert "\x1b[31m" not in os.fsdecode(done.stderr), "a name of a file is not obeyed by a terminal"
    assert not (folder / "x").exists()
