"""A virtual environment a peer, and how large it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from failures import run
from peers import HERE, PROJECT

__all__ = ["Environment", "bare_environment", "make_environment", "peer_environment", "source_key"]

_ROOT = HERE.parents[1]
_NOT_THE_PEERS = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence.pth", "wheel")


@dataclass(frozen=True)
class Environment:
    """An interpreter, megabytes of what was installed beside it, and the versions."""

    python: Path
    size_mb: float
    versions: dict[str, str]


def make_environment(work: Path, name: str, requirements: tuple[str, ...]) -> Environment:
    """Makes it, or takes the one made before for the same requirements. Raises :class:`PeerError`."""
    folder = work / "venvs" / name
    stamp, python = folder / "made.json", folder / "bin" / "python"
    key = [*requirements, source_key()] if PROJECT in requirements else list(requirements)
    if not stamp.exists() or json.loads(stamp.read_text())["key"] != key:
        print(f"installing {name}", file=sys.stderr)
        run(sys.executable, "-m", "venv", "--clear", folder, env=bare_environment())
        run(python, "-m", "pip", "install", *_options(work, requirements), env=bare_environment())
        made = {"key": key, "size_mb": _size_mb(folder), "versions": _versions(python)}
        stamp.write_text(json.dumps(made))
    made = json.loads(stamp.read_text())
    return Environment(python, made["size_mb"], made["versions"])


def bare_environment() -> dict[str, str]:
    """The process's own, without what leads Python to another environment's packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def peer_environment(work: Path) -> dict[str, str]:
    """Caches in the work folder; threads are each way's own setting, and nothing tries to reach a network."""
    kept = {name: value for name, value in bare_environment().items() if name != "OMP_NUM_THREADS"}
    cache = work.resolve() / "cache"
    return kept | {
        "EDGECNN_CACHE": str(cache / "edgecnn"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "YOLO_CONFIG_DIR": str(cache),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
    }


def source_key() -> str:
    """Changes with every file of the package: what is committed, and what differs from it."""
    parts = ("edgecnn", "exporters", "pyproject.toml", "constraints.txt")
    told = [["rev-parse", *(f"HEAD:{part}" for part in parts)], ["diff", "HEAD", "--", *parts]]
    return "".join(
        subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, check=True).stdout
        for words in told
    )


def _options(work: Path, requirements: tuple[str, ...]) -> list[str]:
    quiet = ["--quiet", "--disable-pip-version-check"]
    if PROJECT not in requirements:
        return [*quiet, *requirements]
    wheels = work / "wheel"
    for old in wheels.glob("*.whl"):
        old.unlink()
    run(sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", wheels, _ROOT, env=bare_environment())
    return [*quiet, "--constraint", str(_ROOT / "constraints.txt"), *map(str, wheels.glob("*.whl"))]


def _size_mb(folder: Path) -> float:
    """Site-packages as pip left it, less what every environment has."""
    packages = next(folder.glob("lib/python*/site-packages"))
    kept = [p for p in packages.iterdir() if not p.name.split("-")[0].startswith(_NOT_THE_PEERS)]
    files = (f for p in kept for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file() and not f.is_symlink())
    return sum(f.stat().st_size for f in files) / 1e6


def _versions(python: Path) -> dict[str, str]:
    found = json.loads(run(python, "-m", "pip", "list", "--format", "json", env=bare_environment()))
    return {p["name"]: p["version"] for p in found if p["name"] not in ("pip", "setuptools")}
