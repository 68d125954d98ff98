"""Killed at any change of a file, whatever wrote it leaves the old or the new one, whole; and the next time it works."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from killed_writes import changes_of, killed_at
from signing_keys import KeyPair, make_keys

from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import SmoothingOptions, read_smoothing, write_smoothing
from edgecnn.serving.bundle.record import VersionRecord
from edgecnn.serving.bundle.target import Target
from edgecnn.serving.bundle.verify import verify_bundle
from edgecnn.serving.bundle.write import BundleRequest, write_bundle
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.record import FrameRecord
from edgecnn.serving.engine.region_store import RegionStore
from edgecnn.serving.settings.settings import RegionSettings, SourceSettings
from edgecnn.serving.swap.stored_models import Pointer, StoredModels, sha256_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and kills by a signal")

TINY = Path(__file__).parents[1] / "models" / "tiny.onnx"
TINY_INT8 = TINY.with_name("tiny.int8.onnx")
SOURCE = SourceSettings(name="belt", address="fake:")
FRAME = {"source": "belt", "view": "belt", "model": "main", "model_sha256": "0" * 64, "reason": "changed"}
FRAME |= {"captured_at": "2026-01-01T00:00:00Z", "status": "ok", "label": "a", "score": 0.9, "top": (), "others": ()}


def _draw(folder: Path, name: str) -> None:
    RegionStore(folder).draw(SOURCE, (RegionSettings(name=name, roi="0,0,0.5,1"),))


def _regions(folder: Path) -> object:
    return [region.name for region in RegionStore(folder).regions(SOURCE)]


def _swap(folder: Path, model: Path) -> None:
    """As a swap does: the file first, the pointer to it, then away with what nothing points to."""
    stored, sha256 = StoredModels(folder, "main"), sha256_of(model)
    before = stored.pointer()
    stored.remove_unfinished()
    stored.take_in(model, sha256, move=False)
    stored.point(Pointer(sha256, None if before is None else before.current, "0" * 64))
    stored.remove_all_but((sha256, *([] if before is None else [before.current])))


def _serving(folder: Path) -> object:
    """The model that serves from the next start on, whose file has to be whole."""
    stored = StoredModels(folder, "main")
    pointer = stored.pointer()
    assert pointer is not None
    assert sha256_of(stored.file(pointer.current)) == pointer.current
    return pointer.current


def _collect(folder: Path, number: int) -> None:
    frames = FrameFolder(folder)
    frames.prepare()
    record: Any = FrameRecord(id=f"{number}-belt", number=number, group="1-belt", age_clock_s=0.0, **FRAME)
    frames.write(record, TINY.read_bytes(), ".jpg")


def _collected(folder: Path) -> object:
    """The frames, whose images have to be whole."""
    frames = FrameFolder(folder)
    found = frames.scan()
    assert all(frames.read(frame) == TINY.read_bytes() for frame in found)
    return [frame.record.number for frame in found]


def _bundle(folder: Path, version: int) -> None:
    write_bundle(
        BundleRequest(
            model=TINY, out=folder / "device", target=Target("linux-aarch64"), version=version, force=True,
            sign=folder.parent / "signing.pem",
        )
    )  # fmt: skip


def _bundled(folder: Path) -> object:
    found = verify_bundle(folder / "device", folder.parent / "signing.pub.pem")
    assert found.ok, found.findings
    return found.findings[0].what


@dataclass(frozen=True)
class Kept:
    """Something that is written anew now and then."""

    old: Callable[[Path], object]
    new: Callable[[Path], object]
    read: Callable[[Path], object]


def _old_regions(folder: Path) -> None:
    _draw(folder, "old")


def _new_regions(folder: Path) -> None:
    _draw(folder, "new")


def _old_model(folder: Path) -> None:
    _swap(folder, TINY)


def _new_model(folder: Path) -> None:
    _swap(folder, TINY_INT8)


def _first_frame(folder: Path) -> None:
    _collect(folder, 1)


def _second_frame(folder: Path) -> None:
    _collect(folder, 2)


def _old_bundle(folder: Path) -> None:
    _bundle(folder, 1)


def _new_bundle(folder: Path) -> None:
    _bundle(folder, 2)


def _old_version(folder: Path) -> None:
    VersionRecord(1, "0" * 64).save(folder / "record.json")


def _new_version(folder: Path) -> None:
    VersionRecord(2, "0" * 64).save(folder / "record.json")


def _version(folder: Path) -> object:
    return VersionRecord.load(folder / "record.json")


def _old_thresholds(folder: Path) -> None:
    write_smoothing(folder / "smoothing.json", SmoothingOptions(hold_s=1.0))
    FrameQualityThresholds(dark_level=10).save(folder / "health.json")


def _new_thresholds(folder: Path) -> None:
    write_smoothing(folder / "smoothing.json", SmoothingOptions(hold_s=2.0))


def _thresholds(folder: Path) -> object:
    return read_smoothing(folder / "smoothing.json"), FrameQualityThresholds.load(folder / "health.json")


KEPT = {
    "regions": Kept(_old_regions, _new_regions, _regions),
    "swapped model": Kept(_old_model, _new_model, _serving),
    "collected frame": Kept(_first_frame, _second_frame, _collected),
    "bundle": Kept(_old_bundle, _new_bundle, _bundled),
    "record of versions": Kept(_old_version, _new_version, _version),
    "thresholds": Kept(_old_thresholds, _new_thresholds, _thresholds),
}


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keys(tmp_path_factory.mktemp("keys"), "signing")


def numbers(changes: list[str]) -> list[int]:
    """All of few changes; of a bundle's many, one, and those at whose end it takes its place."""
    count = len(changes)
    if count <= 16:
        return [*range(1, count + 1)]
    renames = {number for number, change in enumerate(changes, 1) if change.startswith("os.rename")}
    return sorted({count // 2, *renames, count - 1, count})


@pytest.mark.parametrize("what", KEPT)
def test_killed_at_every_change_of_a_file_the_old_or_the_new_is_there(
    what: str, signing: KeyPair, tmp_path: Path
) -> None:
    kept = KEPT[what]
    for key in signing:
        shutil.copy(key, tmp_path)
    old = tmp_path / "old"
    old.mkdir()
    kept.old(old)
    before, whole = kept.read(old), Path(shutil.copytree(old, tmp_path / "whole"))
    changes = changes_of(kept.new, whole, tmp_path / "changes")
    after = kept.read(whole)
    assert before != after
    assert len(changes) >= 4, changes  # opened, flushed, renamed, and the folder flushed
    found = []
    for number in numbers(changes):
        folder = Path(shutil.copytree(old, tmp_path / f"{number}"))
        assert killed_at(number, kept.new, folder), changes[number - 1]
        found.append(kept.read(folder))
        assert found[-1] in (before, after), changes[number - 1]
        if found[-1] == before:
            kept.new(folder)
            assert kept.read(folder) == after
    assert found[0] == before
    assert found == sorted(found, key=[before, after].index)  # never back again
