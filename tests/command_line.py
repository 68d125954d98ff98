"""Runs `edgecnn` in a process of its own that need not import torch and the like again.

A server (multiprocessing's fork server) has imported the project's modules and all that they need once; each command is a
fork of it. Where a test is about the start of Python or about what is imported, :func:`run_fresh` starts one.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import edgecnn  # says to onnxruntime, by the environment, that it reports nothing; before the server imports it

_ROOT = Path(edgecnn.__file__).parents[1]
_OURS = [
    ".".join(file.relative_to(_ROOT).with_suffix("").parts)
    for package in ("edgecnn", "exporters")
    for file in sorted((_ROOT / package).rglob("*.py"))
    if file.stem not in ("__init__", "__main__")
]
_PRELOADED = [
    *("numpy", "cv2", "onnxruntime", "google.protobuf", "typer", "rich.table", "rich.progress", "onnx"),
    *(
        "torch",
        "torch.distributed.run",
        "torch._dynamo",
        "torch.export",
        "torch.onnx",
    ),  # an optimizer imports _dynamo: 2 s
    *("torch.onnx._internal.exporter._core", "torch.onnx._internal.exporter._torchlib.ops", "torch.export._trace"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("typer.rich_utils", "typer._adapters", "onnxruntime.quantization", "google.protobuf.descriptor_pb2"),
    *_OURS,
]
_FORKS = "forkserver" in multiprocessing.get_all_start_methods()


def run_forked(
    arguments: Sequence[str], env: Mapping[str, str], stdin: str, cwd: Path | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """As :func:`run_fresh`, two seconds sooner where torch is needed."""
    if not _FORKS:
        return run_fresh(arguments, env, stdin, cwd, timeout)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").write_text(stdin)
        process = start_fork(arguments, env, Path(folder), cwd)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["edgecnn", *arguments], timeout)
        said = [(Path(folder) / name).read_text() for name in ("out", "err")]
        return subprocess.CompletedProcess(["edgecnn", *arguments], process.exitcode, *said)


def start_fork(
    arguments: Sequence[object],
    env: Mapping[str, str],
    folder: Path,
    cwd: Path | None = None,
    before: str = "",
    module: str = "edgecnn",
) -> multiprocessing.process.BaseProcess:
    """Starts `edgecnn` in a fork; its standard streams are the files `in`, `out` and `err` in `folder`.

    Args:
        arguments: of the command line.
        env: its environment, all of it.
        folder: of the streams; `in` may be missing.
        cwd: its working folder; by default that of the caller.
        before: a program that runs there first.
        module: what is run, as by `python -m`.
    """
    for name in ("in", "out", "err"):
        (folder / name).touch()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(
        target=_be_edgecnn, args=([*map(str, arguments)], dict(env), cwd or Path.cwd(), folder, before, module)
    )
    process.start()
    return process


def _be_edgecnn(arguments: list[str], env: dict[str, str], cwd: Path, folder: Path, before: str, module: str) -> None:
    """In the fork: becomes what `python -m edgecnn` would be, or another module."""
    gc.freeze()  # what the server has imported is no garbage, and looking for it would copy its pages
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number, name in enumerate(("in", "out", "err")):
        opened = os.open(folder / name, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (open(i, "w" if i else "r", closefd=False) for i in range(3))  # noqa: SIM115
    sys.argv[1:] = arguments
    _take_less_time(*arguments[:1])
    try:
        exec(before, {})
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def _take_less_time(command: str = "") -> None:
    """Leaves out what costs seconds and what no test of the command line is about."""
    if command == "train":
        from copies_once import look_for_copies_once
        from plots_left_out import leave_out_plots

        look_for_copies_once()
        leave_out_plots()
    elif command == "quantize":
        from short_races import shorten_races

        shorten_races()


def run_fresh(
    arguments: Sequence[str], env: Mapping[str, str], stdin: str, cwd: Path | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Of a new Python, as a user starts it."""
    command = [sys.executable, "-m", "edgecnn", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, input=stdin, cwd=cwd, timeout=timeout, check=False
    )
