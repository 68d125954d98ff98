"""Frame quality thresholds, and the JSON file that stores those learned for one camera."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgecnn.atomic import write_text
from edgecnn.error_text import format_remedy
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.plain_json import parse_json

__all__ = ["FrameQualityThresholds", "HealthThresholds"]

_SCHEMA = 1
_WIDER_BELOW = ("least_sharpness", "still_difference", "still_breaks")  # smaller values accept more
_WIDER_ABOVE = ("bright_share", "seam_share", "filled_share")
_MOST = {"_level": 255.0, "_share": 1.0}


def _most(name: str) -> float:
    """Returns the largest allowed value of a threshold, by the suffix of its name."""
    return next((most for end, most in _MOST.items() if name.endswith(end)), math.inf)


def _value(name: str, found: object) -> Any:
    """A value from JSON, which has lists in place of tuples."""
    return tuple(found) if name == "references" and isinstance(found, list) else found


@dataclass(frozen=True)
class FrameQualityThresholds:
    """Thresholds that a frame must meet.

    The defaults reject only frames that no working camera gives. Thresholds learned from a camera's own frames are
    tighter.

    Levels are grey levels, 0 to 255. Shares are fractions.

    Raises:
        UsageError: a value has the wrong type or is out of range.
    """

    dark_level: int = 24  # a pixel below is dark
    dark_share: float = 0.99  # black: more of the frame than this is dark …
    dark_shape: int = 4  # … and its parts differ by less than so many levels: nothing is to be seen, unlike at night
    bright_level: int = 230  # a sensor or an encoder burns out at this level or above
    bright_share: float = 0.9  # overexposed: more of the frame than this is as bright as the brightest of it
    least_sharpness: float = (
        0.25  # blurred: the steepest step of a line is a smaller part of its largest change, see `sharpness`
    )
    still_difference: float = 0.02  # frozen: the mean difference from the frame before is no larger …
    still_s: float = (
        12.0  # … for so many seconds: encoders repeat a quiet scene until their next whole image, x264 for 10 s
    )
    still_breaks: int = 1  # larger differences in a row that end a freeze; a whole image of a frozen one is one or two
    seam_share: float = 0.4  # torn: one row breaks with the next over more of the width than this
    filled_share: float = 0.05  # torn: one row is repeated over more of the height, from the lower edge
    oldest_s: float = 2.0  # too old: taken longer ago, by the monotonic clock
    view_found_share: float = 0.3  # view changed: fewer of a reference's blocks are where it shows them …
    view_shift_share: float = 0.015  # … or the view moved by more than this share of the frame's width …
    view_every_s: float = 0.5  # … when it was compared after so many seconds …
    view_checks: int = 4  # … and so many times in a row; as many let it return
    # What the camera shows by day, by night …: small PNG images in base64; none: the view is not checked
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_references()
        for field in fields(self):
            if field.name == "references":
                continue
            value, whole, most = getattr(self, field.name), field.type == "int", _most(field.name)
            number = isinstance(value, int | (int if whole else float)) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and 0 <= value <= most):
                kind = "an integer" if whole else "a number"
                raise UsageError(
                    f"{field.name} is {value!r}, expected {kind} "
                    + (f"from 0 to {most:g}" if math.isfinite(most) else "of at least 0")
                )

    def _check_references(self) -> None:
        if not isinstance(self.references, tuple):
            raise UsageError(f"references is {self.references!r:.40}, expected a list of images as text")
        if self.references:
            # Not at the top: without references nothing of it is needed
            from edgecnn.runtime.frame_quality.view_reference import read_reference  # noqa: PLC0415

            for text in self.references:
                read_reference(text)

    def with_references(self, *references: str) -> FrameQualityThresholds:
        """The same thresholds with these references in place of their own."""
        return replace(self, references=references)

    def joined(self, other: FrameQualityThresholds) -> FrameQualityThresholds:
        """Thresholds that accept what either accepts, for example by day and by night, with the references of both.

        What `edgecnn health` does not learn stays as it is here.
        """
        wider: dict[str, float] = {name: min(getattr(self, name), getattr(other, name)) for name in _WIDER_BELOW}
        wider |= {name: max(getattr(self, name), getattr(other, name)) for name in _WIDER_ABOVE}
        references = tuple(dict.fromkeys(self.references + other.references))
        return replace(self, **wider, references=references)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Writes the thresholds as JSON. Raises :class:`OutputError`."""
        write_text(path, json.dumps({"schema": _SCHEMA, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> FrameQualityThresholds:
        """Reads what :meth:`save` wrote; keys that it lacks keep their defaults.

        Raises:
            InputNotFoundError: the file does not exist.
            UsageError: the file has no thresholds, or has another schema.
        """
        try:
            found = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputNotFoundError(
                f"{path}: no such file; create it with `edgecnn health SOURCE --out {path}`"
            ) from error
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{path}: is not a file of frame-health thresholds ({error}); create it again with `edgecnn health`"
            ) from error
        names = {field.name for field in fields(cls)}
        schema = found.get("schema") if isinstance(found, dict) else None
        if schema != _SCHEMA or not set(found) <= {*names, "schema"}:
            raise UsageError(
                f"{path}: is not a file of frame-health thresholds with schema {_SCHEMA}"
                f"{f' (it has {schema!r:.20})' if schema is not None and schema != _SCHEMA else ''}; "
                f"{format_remedy(schema, _SCHEMA, 'create it again with `edgecnn health`')}"
            )
        try:
            return cls(**{name: _value(name, value) for name, value in found.items() if name in names})
        except UsageError as error:
            raise UsageError(f"{path}: {error}; create it again with `edgecnn health`") from error


HealthThresholds = FrameQualityThresholds
"""The old name of :class:`FrameQualityThresholds`, kept for programs that use it."""
