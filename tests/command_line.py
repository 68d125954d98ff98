"""Runs `edgecnn` in a process of its own that need not import torch and the like again.

A server (multiprocessing's fork server) has imported the packages of other people once; each command is a fork of it and
imports `edgecnn` itself anew. Where a test is about the start of Python, :func:`run_fresh` starts one.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import edgecnn  # noqa: F401  # says to onnxruntime, by the environment, that it reports nothing; before the server imports it

_PRELOADED = ["numpy", "cv2", "onnxruntime", "google.protobuf", "typer", "rich.table", "rich.progress", "onnx", "torch"]
_PRELOADED += ["torch.nn.functional", "torch.utils.data", "torch.export", "torch.onnx", "matplotlib.figure"]  # fmt: skip
_FORKS = "forkserver" in multiprocessing.get_all_start_methods()


def run_forked(
    arguments: Sequence[str], env: Mapping[str, str], stdin: str, cwd: Path | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As :func:`run_fresh`, two seconds sooner where torch is needed."""
    if not _FORKS:
        return run_fresh(arguments, env, stdin, cwd, timeout)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_text(stdin)
        process = context.Process(target=_be_edgecnn, args=(list(arguments), dict(env), cwd, given, out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["edgecnn", *arguments], timeout)
        said = [path.read_text() if path.exists() else "" for path in (out, err)]
        return subprocess.CompletedProcess(["edgecnn", *arguments], process.exitcode, *said)


def _be_edgecnn(arguments: list[str], env: dict[str, str], cwd: Path | None, given: Path, out: Path, err: Path) -> None:
    """In the fork: becomes what `python -m edgecnn` would be."""
    os.environ.clear()
    os.environ.update(env)
    if cwd is not None:
        os.chdir(cwd)
    for number, path in enumerate((given, out, err)):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (open(i, "r" if i == 0 else "w", closefd=False) for i in range(3))  # noqa: SIM115
    sys.argv[1:] = arguments
    try:
        runpy.run_module("edgecnn", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def run_fresh(
    arguments: Sequence[str], env: Mapping[str, str], stdin: str, cwd: Path | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Of a new Python, as a user starts it."""
    command = [sys.executable, "-m", "edgecnn", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, input=stdin, cwd=cwd, timeout=timeout, check=False
    )
