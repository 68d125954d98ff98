"""Sheets of small images with captions, under a title, with a colour scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray

from edgecnn.preprocess import Image

__all__ = ["Scale", "Tile", "draw_sheet", "resized"]

_DPI = 100
_GAP, _MARGIN = 8, 14  # pixels
_TITLE_PX, _CAPTION_PX, _SCALE_PX = 30, 18, 34
_BAR_PX = (180, 10)
_STYLE: dict[Any, Any] = {"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"]}  # ships with matplotlib
_CHARACTER_PX, _TITLE_CHARACTER_PX = 6.2, 9.0  # the mean width of one, in captions of 7.5 points and titles of 10


@dataclass(frozen=True)
class Tile:
    """One small image."""

    image: Image
    caption: str


@dataclass(frozen=True)
class Scale:
    """The colour scale: the name of a matplotlib colour map, from ``low`` to ``high``."""

    colors: str
    low: float
    high: float

    def paint(self, values: NDArray[np.floating]) -> Image:
        """``[H, W]`` numbers -> uint8 ``[H, W, 3]`` RGB."""
        span = max(self.high - self.low, float(np.finfo(np.float32).tiny))
        rgba = _colormap(self.colors)(np.clip((np.asarray(values, np.float64) - self.low) / span, 0, 1), bytes=True)
        return cast("Image", np.ascontiguousarray(np.asarray(rgba)[..., :3]))


def draw_sheet(title: str, tiles: Sequence[Tile], tile_px: int, columns: int, scale: Scale | None = None) -> Image:
    """Draws a sheet.

    Args:
        title: a line above the tiles.
        tiles: at least one; the longer side of each is resized to ``tile_px``.
        tile_px: pixels.
        columns: largest number of tiles per row.
        scale: colour scale, drawn below the tiles.

    Returns:
        uint8 ``[H, W, 3]`` RGB.
    """
    shown = [resized(tile.image, tile_px) for tile in tiles]
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    cell_width, cell_height = max(p.shape[1] for p in shown), max(p.shape[0] for p in shown)
    width = 2 * _MARGIN + max(
        columns * cell_width + (columns - 1) * _GAP, round(_TITLE_CHARACTER_PX * len(title)), _BAR_PX[0]
    )
    height = 2 * _MARGIN + _TITLE_PX + rows * (cell_height + _CAPTION_PX + _GAP) - _GAP + (_SCALE_PX if scale else 0)
    canvas = np.full((height, width, 3), 255, np.uint8)
    captions: list[tuple[str, int, int]] = []
    for i, (image, tile) in enumerate(zip(shown, tiles, strict=True)):
        top = _MARGIN + _TITLE_PX + i // columns * (cell_height + _CAPTION_PX + _GAP)
        left = _MARGIN + i % columns * (cell_width + _GAP)
        canvas[top + _CAPTION_PX : top + _CAPTION_PX + image.shape[0], left : left + image.shape[1]] = image
        captions.append((_shortened(tile.caption, cell_width), left, top + _CAPTION_PX - 5))
    if scale:
        top = height - _MARGIN - _BAR_PX[1]
        canvas[top : top + _BAR_PX[1], _MARGIN : _MARGIN + _BAR_PX[0]] = scale.paint(
            np.linspace(scale.low, scale.high, _BAR_PX[0])[None]
        )
        captions.append((f"{scale.low:.2g}", _MARGIN, top - 4))
        captions.append((f"{scale.high:.2g}", _MARGIN + _BAR_PX[0] - 18, top - 4))
    return _with_words(canvas, title, captions)


def resized(image: Image, longer_px: int) -> Image:
    """Resizes an image to ``longer_px`` on its longer side.

    Large enlargements repeat pixels, small ones are smooth, and reductions average pixels.
    """
    height, width = image.shape[:2]
    factor = longer_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_NEAREST_EXACT if factor >= 2 else cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA
    return cast("Image", cv2.resize(image, size, interpolation=how))


def _with_words(canvas: Image, title: str, captions: Sequence[tuple[str, int, int]]) -> Image:
    """Writes the title and captions (words, left, baseline; pixels from the top left) on the canvas."""
    height, width = canvas.shape[:2]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        drawn = FigureCanvasAgg(figure)
        figure.figimage(canvas, 0, 0, origin="upper")
        figure.text(
            _MARGIN / width, 1 - (_MARGIN + 13) / height, _drawable(title), fontsize=10, weight="bold", parse_math=False
        )
        for words, left, baseline in captions:
            figure.text(
                left / width, 1 - baseline / height, _drawable(words), fontsize=7.5, color="#333333", parse_math=False
            )
        drawn.draw()  # type: ignore[no-untyped-call]
        return np.array(drawn.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]


def _shortened(caption: str, width_px: int) -> str:
    most = max(3, int(width_px / _CHARACTER_PX))
    return caption if len(caption) <= most else f"{caption[: most - 1]}…"


def _drawable(words: str) -> str:
    """Replaces characters that the font lacks by an empty box, as matplotlib would do with a warning."""
    return "".join(c if ord(c) in _characters() else "\u25a1" for c in words)


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def _colormap(name: str) -> Callable[..., Any]:
    return cast("Callable[..., Any]", mpl.colormaps[name])
