"""Finds label leakage: file properties that predict the label without showing the object.

A classifier learns such a property first, and fails on images without it.

For each property and each class, this module compares the share of files with the property inside and outside the
class. For numbers (size, shape, compression) it uses the Kolmogorov-Smirnov distance D, which also gives the value that
separates the two distributions best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.data_quality.finding import Finding, Level
from edgecnn.data_quality.image_stats import ImageStats

__all__ = ["find_label_leakage"]

_NOTED, _WARNED = 0.3, 0.5  # difference of shares; 0 where the property tells nothing, 1 where it tells the class
_MIN_CHANCE = 2.2  # times sqrt(1 / n + 1 / m): chance comes to that in one of 8,000 comparisons (Smirnov 1948)


@dataclass(frozen=True)
class _Property:
    values: Callable[[ImageStats], str | float | None]  # None: the file is left out of the comparison
    unit: str  # for figures; empty: the value is a word
    remedy: str
    files: str = ""  # which files are compared; empty: all


_ENCODE_ALIKE = "encode all images in the same way, from the same kind of source"
_PROPERTIES = {
    "format": _Property(lambda f: f.format, "", "convert all images to one format, from the same kind of source"),
    "colour": _Property(
        lambda f: "grey" if f.grey else "in colour", "", "make all images grey, or collect colour images of every class"
    ),
    "EXIF orientation": _Property(
        lambda f: "upright" if f.orientation == 1 else "rotated by EXIF",
        "",
        "take the images of all classes in the same way",
    ),
    "size": _Property(
        lambda f: f.pixels**0.5,
        "px (root of width x height)",
        "take the images of all classes with one camera, or resize them to one size",
    ),
    "shape": _Property(lambda f: f.width / f.height, "aspect ratio", "crop all images to one aspect ratio"),
    "compression": _Property(
        # Not bits per pixel: these differ by what the images show, and tell nothing of lossless files
        lambda f: f.quantization,
        "(mean quantization step)",
        _ENCODE_ALIKE,
        "JPEG files",
    ),
    "WebP compression": _Property(
        lambda f: f.webp_quantizer or 0 if f.format == "WebP" else None,
        "(quantizer index, 0 for lossless)",
        _ENCODE_ALIKE,
        "WebP files",
    ),
}


@dataclass(frozen=True)
class _Difference:
    class_name: str
    share: float  # of the class that has the property
    others: float  # of the other classes
    words: str


def find_label_leakage(facts: Sequence[ImageStats], where: str) -> Iterator[Finding]:
    """Yields one finding per property that predicts the label, for the class where it does so most."""
    for name, prop in _PROPERTIES.items():
        compared = [(f.file.class_name or "", value) for f in facts if (value := prop.values(f)) is not None]
        labels, values = np.array([label for label, _ in compared]), [value for _, value in compared]
        classes = sorted(set(labels))
        if len(classes) < 2:
            continue
        differences = [d for c in classes if (d := _difference(c, labels == c, values, prop.unit))]
        if not differences:
            continue
        worst = max(differences, key=lambda d: d.share - d.others)
        more = (
            f"; this holds for {len(differences)} of {len(classes)} classes"
            if len(classes) > 2 and len(differences) > 1
            else ""
        )
        level: Level = "warning" if worst.share - worst.others >= _WARNED else "note"
        of_files = f"the {prop.files} of " if prop.files else ""
        shares = (
            f"{worst.share:.0%} of {of_files}'{worst.class_name}' are {worst.words}, {worst.others:.0%} of the others"
        )
        yield Finding(level, f"{name} predicts the label (label leakage): {shares}{more}", where, prop.remedy)


def _difference(name: str, of_class: NDArray[np.bool_], values: Sequence[str | float], unit: str) -> _Difference | None:
    inside, outside = int(of_class.sum()), int((~of_class).sum())
    least = max(_NOTED, _MIN_CHANCE * (1 / inside + 1 / outside) ** 0.5)
    if least > 1:
        return None
    found = (
        _figures(name, of_class, np.array(values, float), unit) if unit else _words(name, of_class, np.array(values))
    )
    return found if found.share - found.others >= least else None


def _words(name: str, of_class: NDArray[np.bool_], values: NDArray[np.str_]) -> _Difference:
    found = [
        _Difference(name, float((values[of_class] == v).mean()), float((values[~of_class] == v).mean()), str(v))
        for v in np.unique(values)
    ]
    return max(found, key=lambda d: d.share - d.others)


def _figures(name: str, of_class: NDArray[np.bool_], values: NDArray[np.float64], unit: str) -> _Difference:
    """Finds the threshold at which the shares above it differ most."""
    cuts = np.unique(values)
    one, other = np.sort(values[of_class]), np.sort(values[~of_class])
    above, others = (1 - np.searchsorted(x, cuts, "right") / len(x) for x in (one, other))
    k = int(np.argmax(np.abs(above - others)))
    if above[k] >= others[k]:
        return _Difference(name, float(above[k]), float(others[k]), f"above {cuts[k]:.4g} {unit}")
    return _Difference(name, 1 - float(above[k]), 1 - float(others[k]), f"at most {cuts[k]:.4g} {unit}")
