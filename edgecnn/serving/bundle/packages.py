"""The packages that a device needs: EdgeCNN with its extra ``serve``, in the versions that are installed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from edgecnn.errors import MissingExtraError
from edgecnn.serving.bundle.target import Target

__all__ = ["OWN_NAME", "Package", "packages_for", "requirements_text"]

OWN_NAME = "edgecnn"
_EXTRA = "serve"
_LONGEST_LICENSE = 80  # some packages give the whole text as the field "License"


@dataclass(frozen=True)
class Package:
    """An installed package, and which others of the bundle it requires."""

    name: str  # normalized as PyPI does: lower case, dashes
    version: str
    license: str | None  # an SPDX expression where the package gives one
    requires: tuple[str, ...]


def packages_for(target: Target) -> tuple[Package, ...]:
    """EdgeCNN and everything that its extra ``serve`` requires on the target, by name; EdgeCNN first.

    Raises:
        MissingExtraError: a package that the target needs is not installed here, so nothing says which version of it
            was tested.
    """
    extras: dict[str, set[str]] = {}
    found: dict[str, Package] = {}
    waiting = [(OWN_NAME, frozenset({_EXTRA}))]
    while waiting:
        name, wanted = waiting.pop()
        if name in found and wanted <= extras[name]:
            continue
        extras.setdefault(name, set()).update(wanted)
        package, needs = _package(name, extras[name], target)
        found[name] = package
        waiting += needs
    return (found.pop(OWN_NAME), *(found[name] for name in sorted(found)))


def _package(name: str, extras: Iterable[str], target: Target) -> tuple[Package, list[tuple[str, frozenset[str]]]]:
    """A package, and its requirements with their extras."""
    try:
        installed = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"{name}: {target.name} with Python {target.python} needs it, but it is not installed here, so its version "
            f"cannot be pinned; run pip install 'edgecnn[serve]' with Python {target.python}"
        ) from error
    if name == OWN_NAME and _EXTRA not in (installed.metadata.get_all("Provides-Extra") or ()):
        raise MissingExtraError(
            f"the installed EdgeCNN {installed.version} has no extra '{_EXTRA}': it is older than this code; run "
            "pip install 'edgecnn[serve]' again"
        )
    needs = list(_requirements(installed.requires or (), extras, target))
    return (
        Package(name, installed.version, _license(installed), tuple(sorted({need for need, _ in needs}))),
        needs,
    )


def _requirements(texts: Iterable[str], extras: Iterable[str], target: Target) -> Iterator[tuple[str, frozenset[str]]]:
    from packaging.requirements import Requirement  # noqa: PLC0415  # of the extra `serve`
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    environments = [{**target.markers(), "extra": extra} for extra in ("", *sorted(extras))]
    for text in texts:
        requirement = Requirement(text)
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def _license(installed: metadata.Distribution) -> str | None:
    """What a package says of its license: the SPDX expression, else the field, else the classifier."""
    about = installed.metadata
    for key in ("License-Expression", "License"):
        text = (about[key] or "").strip() if key in about else ""
        if text and "\n" not in text and len(text) <= _LONGEST_LICENSE and text != "UNKNOWN":
            return text
    named = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or () if c.startswith("License :: ")]
    return named[0] if named else None


def requirements_text(packages: Iterable[Package], target: Target, hashes: Mapping[str, str]) -> str:
    """``requirements.txt``: every package pinned.

    Args:
        packages: the packages.
        target: of the heading.
        hashes: SHA-256 of the wheel of each package, by its name; empty where no wheels were downloaded. With hashes,
            pip refuses every other file.
    """
    lines = [f"# {target.name}, Python {target.python}: written by `edgecnn bundle`"]
    for package in packages:
        name = f"{OWN_NAME}[{_EXTRA}]" if package.name == OWN_NAME else package.name
        digest = hashes.get(package.name)
        lines.append(f"{name}=={package.version}" + (f" --hash=sha256:{digest}" if digest else ""))
    return "\n".join(lines) + "\n"
