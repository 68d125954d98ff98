"""The wheels of a bundle, downloaded with pip for the device, so that it can be installed without a network."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgecnn._version import __version__
from edgecnn.error_text import one_line
from edgecnn.errors import InputNotFoundError, OutputError, UsageError
from edgecnn.runtime.system.python_interpreter import NoInterpreterError, find_python
from edgecnn.serving.bundle.folder import sha256_of
from edgecnn.serving.bundle.packages import OWN_NAME, Package
from edgecnn.serving.bundle.target import Target

__all__ = ["check_own_wheel", "collect_wheels"]

_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20")
_CHECKOUT = Path(__file__).parents[3]  # the repository, where EdgeCNN runs from one


def collect_wheels(packages: Iterable[Package], target: Target, folder: Path, own: Path | None) -> dict[str, str]:
    """Puts the wheel of every package into ``folder``.

    Args:
        packages: with EdgeCNN itself.
        target: the device that the wheels are for.
        folder: is created.
        own: EdgeCNN's own wheel; None: it is built from the repository that this code runs from.

    Returns:
        The SHA-256 of each wheel, by the name of its package.

    Raises:
        OutputError: pip cannot download or build a wheel. The message has pip's reason.
        UsageError, InputNotFoundError: the own wheel is needed or cannot be used.
    """
    folder.mkdir()
    if own is None:
        _build_own(folder)
    else:
        check_own_wheel(own)
        (folder / own.name).write_bytes(own.read_bytes())
    pins = [f"{package.name}=={package.version}" for package in packages if package.name != OWN_NAME]
    if pins:
        _download(pins, target, folder)
    return {_package_of(wheel): sha256_of(folder, wheel.name) for wheel in sorted(folder.iterdir())}


def check_own_wheel(own: Path) -> None:
    """Checks that a file is named as a wheel of this EdgeCNN. Raises :class:`UsageError`, InputNotFoundError."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415  # of the extra `serve`
    from packaging.version import Version  # noqa: PLC0415

    if not own.is_file():
        raise InputNotFoundError(f"{own}: no such wheel; check the path")
    try:
        name, version, _, _ = parse_wheel_filename(own.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{own}: is not named as a wheel; build one with pip wheel --no-deps") from error
    if name != OWN_NAME or version != Version(__version__):
        raise UsageError(f"{own}: is {name} {version}, expected {OWN_NAME} {__version__}, which writes this bundle")


def _build_own(folder: Path) -> None:
    if not (_CHECKOUT / "pyproject.toml").is_file():
        raise UsageError(
            "--wheels: EdgeCNN does not run from its repository, so its wheel cannot be built here; run `pip wheel "
            "--no-deps --wheel-dir dist .` there and give "
            f"--edgecnn-wheel dist/{OWN_NAME}-{__version__}-py3-none-any.whl"
        )
    _run("build EdgeCNN's wheel", ("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(_CHECKOUT)))


def _download(pins: Sequence[str], target: Target, folder: Path) -> None:
    platforms = [word for tag in target.pip_platforms for word in ("--platform", tag)]
    kind = ("--only-binary=:all:", "--implementation", "cp", "--python-version", target.python, *platforms)
    _run(
        f"download the wheels for {target.name} with Python {target.python}",
        ("download", "--quiet", "--no-deps", *kind, "--dest", str(folder), *pins),
    )


def _run(what: str, arguments: Sequence[str]) -> None:
    done = subprocess.run(  # noqa: S603  # this Python's own pip
        (*_python(), *_PIP, *arguments),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise OutputError(
            f"--wheels: pip cannot {what}: {_reason(done.stderr)}; check the connection to the package index and that "
            "it has such a wheel, or bundle without --wheels"
        )


def _python() -> tuple[str, ...]:
    """The interpreter. A frozen program is none: started with ``-m pip``, it would run once more."""
    try:
        python = find_python()
    except NoInterpreterError as error:
        raise UsageError(f"--wheels: {error.strerror}") from error
    if not python.takes_code:
        raise UsageError(
            "--wheels: pip needs a Python, and this program is frozen; set EDGECNN_PYTHON to the path of one with pip, "
            "or bundle without --wheels"
        )
    return python.command


def _reason(printed: str) -> str:
    """What pip gives as the reason: its first error; it may follow it by advice."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return one_line((errors or lines[-1:] or ["it gives no reason"])[0])[:300]


def _package_of(wheel: Path) -> str:
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415  # of the extra `serve`

    return parse_wheel_filename(wheel.name)[0]
