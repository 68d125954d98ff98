"""Frame quality thresholds, and the JSON file that stores those learned for one camera."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgecnn.atomic import write_text
from edgecnn.errors import InputNotFoundError, UsageError

__all__ = ["FrameQualityThresholds", "HealthThresholds"]

_SCHEMA = 1
_MOST = {"_level": 255.0, "_share": 1.0}


def _most(name: str) -> float:
    """Returns the largest allowed value of a threshold, by the suffix of its name."""
    return next((most for end, most in _MOST.items() if name.endswith(end)), math.inf)


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

    def __post_init__(self) -> None:
        for field in fields(self):
            value, whole, most = getattr(self, field.name), field.type == "int", _most(field.name)
            number = isinstance(value, int | (int if whole else float)) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and 0 <= value <= most):
                kind = "an integer" if whole else "a number"
                raise UsageError(
                    f"{field.name} is {value!r}, expected {kind} "
                    + (f"from 0 to {most:g}" if math.isfinite(most) else "of at least 0")
                )

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
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputNotFoundError(
                f"{path}: no such file; create it with `edgecnn health SOURCE --out {path}`"
            ) from error
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{path}: is not a file of frame-health thresholds ({error}); create it again with `edgecnn health`"
            ) from error
        names = {field.name for field in fields(cls)}
        if not isinstance(found, dict) or found.get("schema") != _SCHEMA or not set(found) <= {*names, "schema"}:
            raise UsageError(
                f"{path}: is not a file of frame-health thresholds with schema {_SCHEMA}; create it "
                "again with `edgecnn health`"
            )
        try:
            return cls(**{name: value for name, value in found.items() if name in names})
        except UsageError as error:
            raise UsageError(f"{path}: {error}; create it again with `edgecnn health`") from error


HealthThresholds = FrameQualityThresholds
"""The old name of :class:`FrameQualityThresholds`, kept for programs that use it."""
