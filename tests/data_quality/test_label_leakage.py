"""Properties of the files that tell the label, which a network would learn in place of what the images show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from scenes import scene
from spoiled_data import of, with_orientation, write

from edgecnn.data_quality.finding import Finding
from edgecnn.runtime.doctor.run import examine


def spoiled(data: Path, change: Callable[[Path], None]) -> Finding:
    """What is said where all dogs were changed."""
    for path in sorted((data / "dog").iterdir()):
        change(path)
    return next(f for f in of(data, "warning") if "predicts the label" in f.what)


def as_png(path: Path) -> None:
    cv2.imwrite(str(path.with_suffix(".png")), cv2.imread(str(path)))
    path.unlink()


def test_a_format_that_tells_the_label_is_a_warning_with_its_shares(data: Path) -> None:
    finding = spoiled(data, as_png)
    assert (
        "100% of 'cat' are JPEG, 0% of the others" in finding.what
        or "100% of 'dog' are PNG, 0% of the others" in finding.what
    )


def test_a_format_that_both_classes_have_is_nothing(data: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(6):
            as_png(data / name / f"{i}.jpg")
    assert not any("format predicts the label" in f.what for f in examine(data).findings)


def test_grey_images_that_tell_the_label_are_a_warning(data: Path) -> None:
    finding = spoiled(data, lambda p: write(p, cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2GRAY)))
    assert finding.what.startswith("colour")
    assert "grey" in finding.what or "in colour" in finding.what


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("size", lambda p: write(p, cv2.resize(cv2.imread(str(p)), None, fx=2, fy=2))),
        ("shape", lambda p: write(p, cv2.resize(cv2.imread(str(p)), (200, 240)))),
        ("compression", lambda p: write(p, cv2.imread(str(p)), 30)),
        ("EXIF orientation", lambda p: with_orientation(p, 3)),
    ],
)
def test_what_else_of_the_files_tells_the_label_is_a_warning(
    data: Path, name: str, change: Callable[[Path], None]
) -> None:
    for path in sorted((data / "dog").iterdir()):
        change(path)
    assert any(f.what.startswith(f"{name} predicts the label (label leakage): 100%") for f in of(data, "warning"))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_classes_of_plain_and_of_detailed_images_encoded_alike_tell_nothing_of_compression(
    suffix: str, tmp_path: Path
) -> None:
    """Skies take fewer bits per pixel than frogs, whoever encodes them."""
    for i in range(20):
        write(tmp_path / f"sky/{i}.{suffix}", cv2.GaussianBlur(scene(i), (0, 0), 9))
        write(tmp_path / f"frog/{i}.{suffix}", scene(100 + i))
    sizes = [[p.stat().st_size for p in (tmp_path / name).iterdir()] for name in ("sky", "frog")]
    assert max(sizes[0]) < min(sizes[1]), "the bits tell the label"
    assert not any("compression" in f.what for f in examine(tmp_path).findings)


def test_a_few_images_prove_no_shortcut(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"cat/{i}.png", scene(i))
        write(tmp_path / f"dog/{i}.jpg", scene(100 + i))
    assert not any("predicts the label" in f.what for f in examine(tmp_path).findings)
