"""Which program is Python: what starts the child processes of the runner.

``sys.executable`` is the host program where Python is part of another program: frozen by PyInstaller, embedded by
uWSGI. Started with ``-m edgecnn…``, such a program would run once more instead of a child process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecnn._version import __version__

__all__ = ["CHILD_FLAG", "NoInterpreterError", "Python", "allow_frozen_children", "find_python"]

CHILD_FLAG = "--edgecnn-child"  # of a frozen program that is its own child process

_VARIABLE = "EDGECNN_PYTHON"
_PACKAGES = Path(__file__).parents[3]  # the folder that holds edgecnn
_NAME = re.compile(r"(python|pypy)(w|\d+(\.\d+)*t?d?(-\w+)?)?(_d)?(\.exe)?", re.IGNORECASE)
_CHECK = "import sys; print(*sys.version_info[:2], sys.implementation.name)"
_CHECK_TIMEOUT_S = 60.0
_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_REMEDY = (
    f"set {_VARIABLE} to the path of a Python {_VERSION} with edgecnn, or, in a frozen program, call "
    "edgecnn.freeze_support() first (docs/embed.md)"
)

_freeze_supported = False


class NoInterpreterError(OSError):
    """No child process can be started here. ``strerror`` says why and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(0, why)


@dataclass(frozen=True)
class Python:
    """How to start a child process that runs a module of edgecnn."""

    command: tuple[str, ...]  # followed by `-m`, the module and its arguments
    folder: str  # to start in: Python looks for modules where it starts, and the user's folder may hold anything
    environment: Mapping[str, str]  # complete

    @property
    def takes_code(self) -> bool:
        """Whether it runs code that ``-c`` gives; a frozen program runs its own modules alone."""
        return CHILD_FLAG not in self.command


def allow_frozen_children() -> None:
    """From now on a frozen program may be started again to run a child process: it called ``freeze_support``."""
    global _freeze_supported  # noqa: PLW0603  # one program, one answer
    _freeze_supported = True


def is_frozen() -> bool:
    """Whether a packer made one program of Python and its modules (PyInstaller, cx_Freeze, py2exe, Nuitka)."""
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in vars(sys.modules.get("__main__", sys))


def find_python() -> Python:
    """The interpreter for child processes.

    In this order: the one that ``EDGECNN_PYTHON`` names; this program if it is Python; this frozen program if it called
    ``freeze_support``; the interpreter that belongs to the library which this program embeds.

    Raises:
        NoInterpreterError: there is none, or the one named is not there.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        program = os.path.abspath(named)  # noqa: PTH100  # links stay: a virtual environment's is one
        if not (_can_run(program) and _is_same_version(program)):
            raise NoInterpreterError(
                f"{_VARIABLE} is {named}, which is not a Python {_VERSION} interpreter; correct it"
            )
        if _has_modules_as_files():
            return _ours(program)
        python = _foreign(program)
        if not _has_edgecnn(python):
            raise NoInterpreterError(
                f"{_VARIABLE} is {named}, which has no edgecnn {__version__}; install that release there, or name "
                "another interpreter"
            )
        return python
    if not is_frozen() and _is_named_python(sys.executable):
        if not _can_run(sys.executable):
            raise NoInterpreterError(f"{sys.executable} cannot be started; {_REMEDY}")
        return _ours(sys.executable)
    if is_frozen() and _freeze_supported:
        return Python((sys.executable, CHILD_FLAG), str(_PACKAGES), dict(os.environ))
    found = _beside_the_library() if _has_modules_as_files() else None
    if found is None:
        raise NoInterpreterError(f"this program ({sys.executable or 'unnamed'}) is not a Python interpreter; {_REMEDY}")
    return _ours(found)


def _ours(program: str) -> Python:
    """With this process's packages."""
    packages = os.pathsep.join(filter(None, sys.path))
    return Python((program,), str(_PACKAGES), {**_environment(), "PYTHONPATH": packages})


def _foreign(program: str) -> Python:
    """With its own packages: those of a frozen program are inside it."""
    return Python((program,), str(Path(program).parent), _environment())


def _environment() -> dict[str, str]:
    """Without what PyInstaller's start-up sets for its own libraries; it keeps the old value."""
    found = dict(os.environ)
    if is_frozen() and "LD_LIBRARY_PATH" in found:
        before = found.pop("LD_LIBRARY_PATH_ORIG", None)
        del found["LD_LIBRARY_PATH"]
        found |= {} if before is None else {"LD_LIBRARY_PATH": before}
    return found


def _has_modules_as_files() -> bool:
    """Whether another interpreter could import them: PyInstaller keeps modules inside the program."""
    return (_PACKAGES / "edgecnn" / "__init__.py").is_file()


def _is_named_python(program: str | None) -> bool:
    return bool(program) and _NAME.fullmatch(Path(str(program)).name) is not None


def _can_run(program: str) -> bool:
    return Path(program).is_file() and os.access(program, os.X_OK)


@cache
def _beside_the_library() -> str | None:
    """The interpreter of the installation that this program has its standard library from, of the same version."""
    return next((program for program in _candidates() if _can_run(program) and _is_same_version(program)), None)


def _candidates() -> Iterator[str]:
    base = getattr(sys, "_base_executable", None)
    if _is_named_python(base):
        yield str(base)
    folders = dict.fromkeys(
        str(folder)
        for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix)
        for folder in ((Path(prefix), Path(prefix) / "Scripts") if sys.platform == "win32" else (Path(prefix) / "bin",))
    )
    for folder in (*folders, sysconfig.get_config_var("BINDIR") or ""):
        if folder:
            for name in ("python.exe",) if sys.platform == "win32" else (f"python{_VERSION}", "python3", "python"):
                yield str(Path(folder) / name)


@cache
def _is_same_version(program: str) -> bool:
    said = _said((program, "-I", "-S", "-c", _CHECK), dict(os.environ), None)
    return said == [str(sys.version_info[0]), str(sys.version_info[1]), sys.implementation.name]


def _has_edgecnn(python: Python) -> bool:
    """Whether it has this release: another one may speak otherwise with its child processes."""
    program = (*python.command, "-c", "import edgecnn; print(edgecnn.__version__)")
    return _said(program, python.environment, python.folder) == [__version__]


def _said(command: tuple[str, ...], environment: Mapping[str, str], folder: str | None) -> list[str]:
    """The words that the command prints; none if it fails."""
    try:
        return subprocess.run(  # noqa: S603  # Python by its name, or the program that the user names
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_TIMEOUT_S,
            check=False,
            env=environment,
            cwd=folder,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return []
