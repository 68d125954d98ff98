"""Sound datasets, which a test copies and spoils."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scenes import scene
from spoiled_data import COUNT, write


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sound classes; not to be written to."""
    root = tmp_path_factory.mktemp("sound")
    for i in range(COUNT):
        write(root / f"cat/{i}.jpg", scene(i))
        write(root / f"dog/{i}.jpg", scene(100 + i))
    return root


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound set, to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "data"))


@pytest.fixture
def split(sound: Path, tmp_path: Path) -> Path:
    """The same with a ready split, sound as well."""
    root = tmp_path / "split"
    for name in ("cat", "dog"):
        for part in ("train", "val"):
            (root / part / name).mkdir(parents=True)
        for i in range(COUNT):
            shutil.copy(sound / name / f"{i}.jpg", root / ("val" if i < 2 else "train") / name)
    return root
