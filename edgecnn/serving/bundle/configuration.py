"""``edgecnn.toml`` of a bundle: the configuration given, with its models replaced by the files in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.error_text import first_line
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.runtime.sources.redaction import secrets_in

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

__all__ = ["BundledConfiguration", "BundledModel", "bundled_configuration", "check_settings"]

MINIMAL = """\
# The service's configuration. Paths are relative to this file.

[[models]]
name = "main"
file = "model.onnx"

[[sources]]
name = "camera"
address = "0"
"""
_MAX_BYTES = 1 << 20
_PORT = 4912
_LOOPBACK = "127.0.0.1"
_REACHED_ON_LOOPBACK = {"", "localhost", "0.0.0.0", "::", "::1"}  # noqa: S104  # compared with, not bound


@dataclass(frozen=True)
class BundledModel:
    """A model file of the configuration, and its name in the bundle."""

    path: Path
    file: str


@dataclass(frozen=True)
class BundledConfiguration:
    """The text of ``edgecnn.toml``, and what the rest of the bundle must know of it."""

    text: str
    models: tuple[BundledModel, ...]
    host: str  # on which the service is reached from its own machine
    port: int
    passwords: int  # addresses with a password or a key in it, which the bundle holds too


def bundled_configuration(config: Path | None, model: Path) -> BundledConfiguration:
    """The configuration for a bundle of ``model``.

    Where the configuration has one model, that becomes ``model``. Where it has several, one of them must be ``model``,
    and the others come into the bundle beside it.

    Raises:
        InputNotFoundError, UsageError: the configuration cannot be used. The message names the file and the key.
    """
    if config is None:
        return BundledConfiguration(MINIMAL, (BundledModel(model, "model.onnx"),), _LOOPBACK, _PORT, 0)
    document = _read(config)
    check_settings(document, config)
    entries = document["models"]
    models: list[BundledModel] = []
    for i, entry in enumerate(entries):
        path = model if len(entries) == 1 else config.parent / str(entry["file"])
        name = "model.onnx" if _is_same(path, model) else f"model-{i + 1}.onnx"
        models.append(BundledModel(path, name))
        entry["file"] = name
    if "model.onnx" not in (m.file for m in models):
        raise UsageError(f"{config}: none of its {len(models)} models is {model}; name this file in one of [[models]]")
    from tomlkit import dumps  # noqa: PLC0415  # of the extra `serve`

    host = str(document.get("host", _LOOPBACK))
    return BundledConfiguration(
        dumps(document),
        tuple(models),
        _LOOPBACK if host in _REACHED_ON_LOOPBACK else host,
        int(document.get("port", _PORT)),
        sum(bool(secrets_in(str(source.get("address", "")), whole=True)) for source in document["sources"]),
    )


def check_settings(settings: Mapping[str, Any], config: Path) -> None:
    """Checks what a bundle needs of the configuration: models with files, sources, host and port.

    Raises :class:`UsageError`, which names the key.
    """
    for name, key in (("models", "file"), ("sources", "address")):
        tables = settings.get(name)
        if not isinstance(tables, list) or not tables or not all(isinstance(t, Mapping) for t in tables):
            raise UsageError(f"{config}: {name}: expected at least one table [[{name}]]")
        for i, table in enumerate(tables):
            if not isinstance(table.get(key), str) or not table[key]:
                raise UsageError(f"{config}: {name}[{i}].{key}: expected a text")
    if not isinstance(settings.get("host", _LOOPBACK), str):
        raise UsageError(f"{config}: host: expected a text")
    port = settings.get("port", _PORT)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 1 << 16:
        raise UsageError(f"{config}: port: expected a number from 1 to 65535")


def _read(config: Path) -> TOMLDocument:
    from tomlkit import parse  # noqa: PLC0415  # of the extra `serve`
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    if not config.is_file():
        raise InputNotFoundError(f"{config}: no such configuration file; check the path")
    if config.stat().st_size > _MAX_BYTES:
        raise UsageError(f"{config}: is larger than 1 MiB; give the TOML file of the service")
    try:
        return parse(config.read_bytes().decode())
    except (TOMLKitError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{config}: is not valid TOML: {first_line(error)}; correct it") from error


def _is_same(path: Path, model: Path) -> bool:
    try:
        return path.samefile(model)
    except OSError:  # whoever reads the models reports what is missing
        return path == model
