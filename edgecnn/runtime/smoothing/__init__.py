"""Smoothing: combines the predictions of several frames into one stable answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.smoothing.smoother import Held as Held
    from edgecnn.runtime.smoothing.smoother import Method as Method
    from edgecnn.runtime.smoothing.smoother import Smoothed as Smoothed
    from edgecnn.runtime.smoothing.smoother import Smoother as Smoother
    from edgecnn.runtime.smoothing.smoother import SmoothingOptions as SmoothingOptions
    from edgecnn.runtime.smoothing.smoother import Window as Window
    from edgecnn.runtime.smoothing.smoother import read_smoothing as read_smoothing
    from edgecnn.runtime.smoothing.smoother import write_smoothing as write_smoothing

__all__ = ["Held", "Method", "Smoothed", "Smoother", "SmoothingOptions", "Window", "read_smoothing", "write_smoothing"]

_MODULES = {
    "Held": "smoother",
    "Method": "smoother",
    "Smoothed": "smoother",
    "Smoother": "smoother",
    "SmoothingOptions": "smoother",
    "Window": "smoother",
    "read_smoothing": "smoother",
    "write_smoothing": "smoother",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
