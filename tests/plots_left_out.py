"""Trainings of tests leave out the plots of their report: drawing takes half of the time of a tiny training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edgecnn.training.report import plots, timelines

__all__ = ["drawn_plots", "leave_out_plots"]

_DRAW = plots.plot_svg


def leave_out_plots() -> None:
    """From now on a plot is its description alone, in this process."""
    plots.plot_svg = timelines.plot_svg = _describe


@contextmanager
def drawn_plots() -> Iterator[None]:
    """Plots are drawn meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "plot_svg", _DRAW)
        patch.setattr(timelines, "plot_svg", _DRAW)
        yield


def _describe(_: Any, description: str) -> str:
    return f'<figure class="plot"><svg role="img" aria-label="{description}"></svg></figure>'
