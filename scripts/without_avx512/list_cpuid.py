"""Prints where the libraries in this Python's packages have CPUID instructions: addresses and path, a line each.

`python list_cpuid.py CACHE`: libraries of unchanged size and time of change are not searched again. CACHE is a JSON
file that several environments may share.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from cpuid_addresses import cpuid_addresses


class _Searched(TypedDict):
    """The library as it was searched, and what was found."""

    size: int
    changed_ns: int
    addresses: list[int]


def _libraries() -> Iterator[Path]:
    for folder in {Path(sysconfig.get_path(name)).resolve() for name in ("platlib", "purelib")}:
        for path in sorted(folder.rglob("*.so*")):
            if path.is_file() and not path.is_symlink():
                yield path.resolve()  # as patch_libraries.c asks for it


def _known(cache: Path) -> dict[str, _Searched]:
    try:
        found: dict[str, _Searched] = json.loads(cache.read_text())
    except (OSError, ValueError):  # none yet, or cut short
        return {}
    return found


def main(cache: Path) -> None:
    """Prints the list and keeps it in the cache."""
    known = _known(cache)
    now = dict(known)
    for library in _libraries():
        status = library.stat()
        searched = known.get(str(library))
        if searched is None or (searched["size"], searched["changed_ns"]) != (status.st_size, status.st_mtime_ns):
            addresses = cpuid_addresses(library)
            searched = {"size": status.st_size, "changed_ns": status.st_mtime_ns, "addresses": addresses}
        now[str(library)] = searched
        if searched["addresses"]:
            print(*(f"{address:x}" for address in searched["addresses"]), library)
    if now != known:
        cache.parent.mkdir(parents=True, exist_ok=True)
        unfinished = cache.with_name(f"{cache.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(now))
        unfinished.replace(cache)  # two runs at once: one of both, whole


if __name__ == "__main__":
    main(Path(sys.argv[1]))
