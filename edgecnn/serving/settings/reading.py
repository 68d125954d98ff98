"""Reads the settings: the TOML file, the environment over it, flags over both."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from edgecnn._version import __version__
from edgecnn.error_text import first_line
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.runtime.sources.redaction import without_passwords
from edgecnn.serving.settings.locating import line_of
from edgecnn.serving.settings.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ENVIRONMENT_PREFIX", "PATH_KEYS", "read_settings"]

ENVIRONMENT_PREFIX = "EDGECNN_SERVE_"
"""``EDGECNN_SERVE_PORT=80``, ``EDGECNN_SERVE_SWAP__MODE=confirm``; lists and tables also as JSON."""

PATH_KEYS = frozenset(("file", "health", "smoothing", "state_dir", "watch", "dir", "address_file", "token_file"))
PATH_KEYS |= {"secret_file", "password_file", "ca_file", "cert_file", "key_file"}
"""Keys whose values are paths."""

_NO_MODEL = "no model is named; add a table [[models]] with `file`, or name model and source on the command line"
_SHOWN = 500  # characters of a wrong value; to look for passwords in more takes seconds


def read_settings(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Reads and checks the settings.

    Args:
        path: the TOML file; None: none. Paths in it are relative to its folder.
        flags: what the command line sets, as nested mappings like the file; it wins.

    Raises:
        InputNotFoundError: the file does not exist.
        UsageError: a value is wrong. The message names the file, the line and the key.
    """
    text = "" if path is None else _read(path)
    try:
        file = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside its own error, of numbers too long and nesting too deep
        raise UsageError(f"{path}: is no TOML file: {first_line(error)}; see docs/serve.md for its form") from None
    folder = Path() if path is None else path.absolute().parent
    try:
        of_settings: Any = Settings  # no BaseSettings: the source reads nothing but the fields
        environment = EnvSettingsSource(of_settings, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__")()
    except Exception as error:  # noqa: BLE001  # pydantic-settings has an error class of its own for bad JSON
        raise UsageError(f"environment: {first_line(error)}; give JSON for lists and tables") from None
    merged = _merged(_merged(_absolute(file, folder), environment), flags)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise UsageError(_told(error, path, text, environment, flags)) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputNotFoundError(f"{path}: no such settings file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise UsageError(f"{path}: cannot be read: {why}; check the file") from None


def _absolute(value: Any, folder: Path, key: str = "") -> Any:
    """The file's paths, from its own folder."""
    if isinstance(value, dict):
        return {name: _absolute(item, folder, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_absolute(item, folder, key) for item in value]
    if key in PATH_KEYS and isinstance(value, str):
        return os.path.join(folder, _expanded(value))  # noqa: PTH118  # an empty one stays wrong
    return value


def _expanded(path: str) -> str:
    try:
        return os.path.expanduser(path)  # noqa: PTH111  # as pathlib's does not, it leaves an unknown user alone
    except ValueError:  # a NUL in the user's name; what opens the path says so
        return path


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; a list replaces the whole list."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _told(
    error: ValidationError, path: Path | None, text: str, environment: Mapping[str, Any], flags: Mapping[str, Any]
) -> str:
    """The first error, with the place that it comes from."""
    found = error.errors(include_url=False, include_context=False)[0]
    place = tuple(found["loc"])
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    where = f"{path}"
    if place and place[0] in flags:
        where = "command line"
    elif place and place[0] in environment:
        where = f"environment, {ENVIRONMENT_PREFIX}{str(place[0]).upper()}"
    elif path is None:
        where = "settings"
    elif (line := line_of(text, place)) is not None:
        where = f"{path}, line {line}"
    said = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        said = f"is no setting of EdgeCNN {__version__}; docs/serve.md lists them"
    elif found["type"] == "path_type":
        said = "expected a path, in quotes"
    elif found["type"] == "missing":
        said = _NO_MODEL if place == ("models",) else "is missing; docs/serve.md says what it holds"
    if len(said) > _SHOWN:  # it repeats the value; its end says what to do
        said = f"{said[:60]}…{said[-120:]}"
    given = found.get("input")
    shows = isinstance(given, str | int | float) and found["type"] != "extra_forbidden" and len(repr(given)) <= _SHOWN
    shown = f" (it is {given!r})" if shows else ""
    return f"{where}: {key or 'settings'}: {said[:1].lower()}{said[1:]}{without_passwords(shown)}"
