"""``edgecnn.toml`` of a bundle: the configuration given, whose files become those in the bundle.

Models, frame health limits and smoothing settings come into the bundle. What holds a secret or is written to must be an
absolute path on the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from edgecnn.error_text import first_line
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.redaction import secrets_in
from edgecnn.serving.settings.reading import PATH_KEYS, read_settings
from edgecnn.serving.settings.settings import Settings

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

__all__ = ["BundledConfiguration", "BundledFile", "bundled_configuration"]

MINIMAL = """\
# The service's configuration. Paths are relative to this file.

[[models]]
name = "main"
file = "model.onnx"

[[sources]]
name = "camera"
address = "0"
"""
_MODEL = "model.onnx"
_COPIED = ("health", "smoothing")  # files of a source that come into the bundle
_ON_DEVICE = PATH_KEYS - {"file", *_COPIED}  # written to, or secret
_MAX_BYTES = 1 << 20
_PORT: int = Settings.model_fields["port"].default
_LOOPBACK = "127.0.0.1"
_REACHED_ON_LOOPBACK = {"", "localhost", "0.0.0.0", "::", "::1"}  # noqa: S104  # compared with, not bound


@dataclass(frozen=True)
class BundledFile:
    """A file that the configuration names, and its name in the bundle."""

    path: Path
    file: str


@dataclass(frozen=True)
class BundledConfiguration:
    """The text of ``edgecnn.toml``, and what the rest of the bundle must know of it."""

    text: str
    models: tuple[BundledFile, ...]
    others: tuple[BundledFile, ...]  # frame health limits, smoothing settings
    host: str  # on which the service is reached from its own machine
    port: int
    passwords: int  # addresses with a password or a key in it, which the bundle holds too


def bundled_configuration(config: Path | None, model: Path) -> BundledConfiguration:
    """The configuration for a bundle of ``model``.

    Where the configuration has one model, that becomes ``model``. Where it has several, one of them must be ``model``,
    and the others come into the bundle beside it.

    Raises:
        InputNotFoundError, UsageError: the configuration cannot be used. The message names the file and the key.
        SourceError: an address in it is none.
    """
    if config is None:
        return BundledConfiguration(MINIMAL, (BundledFile(model, _MODEL),), (), _LOOPBACK, _PORT, 0)
    document = _read(config)
    _check_settings(document, config)
    models = _place_models(document["models"], config, model)
    sources = document.get("sources", [])
    others = _place_others(sources, config)
    from tomlkit import dumps  # noqa: PLC0415  # of the extra `serve`

    host = str(document.get("host", _LOOPBACK))
    return BundledConfiguration(
        dumps(document),
        models,
        others,
        _LOOPBACK if host in _REACHED_ON_LOOPBACK else host,
        int(document.get("port", _PORT)),
        _count_passwords(document),
    )


def _count_passwords(settings: Mapping[str, Any]) -> int:
    """Addresses of cameras, broker and webhooks that hold a password, a key or a user's name."""
    cameras = [parse_address(str(source.get("address", "0"))) for source in settings.get("sources", [])]
    urls = [str(table.get("url", "")) for table in (settings.get("mqtt", {}), *settings.get("webhooks", []))]
    return sum(camera.name != camera.text for camera in cameras) + sum(
        bool(secrets_in(url, whole=True)) for url in urls
    )


def _place_models(entries: Sequence[MutableMapping[str, Any]], config: Path, model: Path) -> tuple[BundledFile, ...]:
    """The models of the bundle; their entries then name them there."""
    found: list[BundledFile] = []
    for i, entry in enumerate(entries):
        path = model if len(entries) == 1 else config.parent / str(entry["file"])
        found.append(BundledFile(path, _MODEL if _is_same(path, model) else f"model-{i + 1}.onnx"))
        entry["file"] = found[-1].file
    if _MODEL not in (m.file for m in found):
        raise UsageError(f"{config}: none of its {len(found)} models is {model}; name this file in one of [[models]]")
    return tuple({m.file: m for m in found}.values())


def _place_others(sources: Sequence[MutableMapping[str, Any]], config: Path) -> tuple[BundledFile, ...]:
    """Further files of the sources; their entries then name them in the bundle."""
    found: list[BundledFile] = []
    for i, source in enumerate(sources):
        for key in _COPIED:
            if key not in source:
                continue
            path = config.parent / str(source[key])
            if not path.is_file():
                raise InputNotFoundError(f"{config}: sources[{i}].{key}: {path}: no such file; correct the path")
            found.append(BundledFile(path, f"{key}-{i + 1}.json"))
            source[key] = found[-1].file
    return tuple(found)


def _check_settings(settings: Mapping[str, Any], config: Path) -> None:
    """Checks a configuration as the service does, and what a bundle needs beside that: a port, paths on the device.

    Raises :class:`UsageError`, which names the key.
    """
    read_settings(config, {})
    if settings.get("port") == 0:
        raise UsageError(f"{config}: port: is 0, any free one; give the port that the device is to have")
    for key, value in _paths_on_device(settings, ""):
        if not PurePosixPath(value).is_absolute():
            raise UsageError(
                f"{config}: {key}: '{value}' would lie in the bundle, which holds no secrets and is never written to; "
                "give an absolute path on the device"
            )


def _paths_on_device(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """The values that name files of the device, with their places."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str) and key in _ON_DEVICE:
                yield f"{place}{key}", item
            else:
                yield from _paths_on_device(item, f"{place}{key}.")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _paths_on_device(item, f"{place[:-1]}[{i}].")


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
