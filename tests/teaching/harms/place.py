"""A run of `edgecnn teach` that was good, and the list of what can be wrong with it.

Each harm changes one :class:`Place` that was good before; several can be combined.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import cv2
import numpy as np

__all__ = ["HARMS", "LARGE_HARMS", "Harm", "Place", "harm", "large", "png", "without_rights"]


@dataclass
class Place:
    """A run of ``edgecnn teach`` in a folder of its own. Harms change nothing outside of it: no harm follows a link, and
    ``data`` is always the folder that was made, whatever is given to the command."""

    root: Path
    data: Path  # in ``root``: the classes `dark`, `light` and perhaps `stripes`
    given: Path  # what the command gets as --data
    out: Path
    model: Path
    options: list[str]
    before: list[Callable[[], object]] = field(default_factory=list)  # done in the process of the run, before it
    mounts: list[Path] = field(default_factory=list)
    random: Random = field(default_factory=Random)

    def classes(self) -> list[Path]:
        """Those that lie in ``root``, without links."""
        if not self.data.is_dir() or self.data.is_symlink():
            return []
        return sorted(path for path in self.data.iterdir() if path.is_dir() and not path.is_symlink())

    def a_class(self) -> Path:
        own = self.classes()
        if not own:
            own = [self.data / "dark"]
            own[0].mkdir(parents=True, exist_ok=True)
        return self.random.choice(own)

    def images(self) -> list[Path]:
        below = (
            Path(folder) / name for folder, _, names in os.walk(self.data) for name in names if name.endswith(".png")
        )
        return sorted(path for path in below if path.is_file() and not path.is_symlink())

    def an_image(self) -> Path:
        found = self.images()
        return self.random.choice(found) if found else self.a_class() / "1.png"

    def replace_images(self, content: bytes, suffix: str = ".png") -> None:
        """A few images, or all of one class."""
        found = self.random.sample(self.images(), min(len(self.images()), self.random.choice((1, 3, 12))))
        for path in found:
            path.unlink()
            path.with_suffix(suffix).write_bytes(content)

    def remove_data(self) -> None:
        if self.data.is_dir():  # opening a pipe would wait for a writer
            shutil.rmtree(self.data)
        else:
            self.data.unlink(missing_ok=True)

    def move_data(self, name: str | bytes) -> None:
        """Gives the folder another name."""
        self.data = self.given = self.data.rename(self.root / os.fsdecode(name))


Harm = Callable[[Place], object]
HARMS: dict[str, Harm] = {}
LARGE_HARMS: dict[str, Harm] = {}
"""Take seconds each."""


def harm(harm: Harm) -> Harm:
    HARMS[harm.__name__] = harm
    return harm


def large(harm: Harm) -> Harm:
    LARGE_HARMS[harm.__name__] = harm
    return harm


def png(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", image)
    assert done
    return data.tobytes()


def without_rights() -> None:
    """Gives up root's right to read and write whatever the permissions are (capset(2))."""
    header = struct.pack("Ii", 0x20080522, 0)
    ctypes.CDLL(None, use_errno=True).capset(header, struct.pack("6I", *[0] * 6))
