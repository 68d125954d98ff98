"""Finds where the view of a reference image lies in another image of the same camera.

Both are small and normalised: each pixel's difference from its surroundings over what is usual there, so that light,
exposure and contrast cancel out. A candidate is a similarity transform; its support is the fraction of the reference's
blocks that are found under it. Objects in front of the scene take blocks away, but do not move the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["ViewDetails", "ViewMatch", "ViewMatcher"]

_Floats: TypeAlias = "NDArray[np.float32]"
_Transform: TypeAlias = "NDArray[np.float64]"  # [2, 3]: from points of the reference to points of the image

_AROUND = 13  # pixels: the surroundings of a pixel
_LEAST_STRENGTH = 1.0  # grey levels: noise of a small image stays below
_SHARE_OF_STRENGTH = 0.3  # of the image's mean: what is fainter than that is not enlarged to the full
_MOST = 3.0  # of a normalised value
_BLOCK = 16  # pixels, the side of a block
# Mean difference from the surroundings, in grey levels, of a block that shows something: a share of the reference's
# mean, so that a night scene is held to less, but above noise
_SHOWS_SHARE, _LEAST_SHOWS, _MOST_SHOWS = 0.3, 0.5, 1.5
_STILL_SHOWS = 0.5  # the same in an image, as a share of the reference's block
_FOUND = 0.5  # correlation of a block that counts as found
_TINY = 1e-6
_INSIDE = 0.9  # of a block's pixels: fewer are in the image, and the block says nothing
_LEAST_BLOCKS = 8
_POINTS, _APART = 100, 5  # that are followed, and pixels between two of them
_WINDOW = (15, 15)  # pixels around a point
_LEVELS = 2  # of the image pyramid
_NEAR = 1.0  # pixels: a point that lies there agrees with a transform
_FEWEST_POINTS = 8
_ROUNDS, _GAIN = 3, 0.02  # of following the points; a round that adds less to the correlation is the last
_COARSE = 2  # the search reduces the images by this factor
_ANGLES = tuple(range(-33, 34, 3))  # degrees that it tries
_LEAST_OVERLAP = 0.3
_CANDIDATES = 3  # of the search that are looked at closely
_ZOOM = 0.1  # a transform that scales by more is a chance match
_IDENTITY: _Transform = np.eye(2, 3)


class ViewDetails:
    """An image in the form that is compared.

    Args:
        grey: uint8 ``[H, W]``, about 160 pixels wide.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        plain = cv2.GaussianBlur(grey.astype(np.float32), (3, 3), 0)  # against noise
        detail = cv2.subtract(plain, cv2.blur(plain, (_AROUND, _AROUND)))
        size = cv2.absdiff(detail, np.zeros((), np.float32))
        strength = cv2.blur(size, (_AROUND, _AROUND))
        floor = _LEAST_STRENGTH + _SHARE_OF_STRENGTH * cv2.mean(strength)[0]
        self.values = cast("_Floats", np.clip(detail / (strength + floor), -_MOST, _MOST))
        """Normalised, float32 ``[H, W]``, from -3 to 3."""
        self.contrast = _block_means(size)
        """Mean difference of the pixels of each block from their surroundings, float32 ``[R, C]``."""

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """The values as grey levels."""
        return cv2.convertScaleAbs(self.values, alpha=42.0, beta=128.0)  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class ViewMatch:
    """How a reference lies in an image."""

    support: float  # share of the reference's blocks that are found under the transform
    likeness: float  # mean correlation of these blocks, found or not
    transform: _Transform  # [2, 3], in pixels of the reference

    @property
    def angle_degrees(self) -> float:
        """How far the scene turned, clockwise."""
        return math.degrees(math.atan2(self.transform[1, 0], self.transform[0, 0]))

    @property
    def zoom(self) -> float:
        """How much larger the scene appears, as a factor."""
        return math.hypot(self.transform[1, 0], self.transform[0, 0])

    def moved(self, x: float, y: float) -> tuple[float, float]:
        """How far a point of the reference moved to the right and down, in pixels."""
        there = self.transform @ (x, y, 1.0)
        return float(there[0]) - x, float(there[1]) - y


class ViewMatcher:
    """Matches images with one reference.

    Args:
        grey: the reference, uint8 ``[H, W]``.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self.height, self.width = grey.shape
        self.details = ViewDetails(grey)
        points = cast("_Floats | None", cv2.goodFeaturesToTrack(self.details.levels, _POINTS, 0.01, _APART))
        self._points = np.empty((0, 1, 2), np.float32) if points is None else points
        least = np.clip(_SHOWS_SHARE * self.details.contrast.mean(), _LEAST_SHOWS, _MOST_SHOWS)
        self._shows: NDArray[np.bool_] = self.details.contrast >= least
        self._energy = _block_means(self.details.values * self.details.values)

    @property
    def usable(self) -> bool:
        """Whether the reference shows enough to be found again."""
        return int(self._shows.sum()) >= _LEAST_BLOCKS and len(self._points) >= _FEWEST_POINTS

    def share_shown(self, image: ViewDetails) -> float:
        """Of the blocks in which the reference shows something, the share in which the image does, too."""
        least = np.clip(_STILL_SHOWS * self.details.contrast, _LEAST_SHOWS, _MOST_SHOWS)
        there: NDArray[np.bool_] = (image.contrast >= least)[self._shows]
        return float(there.mean()) if there.size else 1.0

    def in_place(self, image: ViewDetails) -> ViewMatch:
        """The match without any movement."""
        return self._match(image, _IDENTITY)

    def under(self, image: ViewDetails, earlier: ViewMatch) -> ViewMatch:
        """The match under the transform of an earlier match."""
        return self._match(image, earlier.transform)

    def near(self, image: ViewDetails, start: ViewMatch) -> ViewMatch:
        """The match after small movements from where another match lies; that one if there is none better."""
        best = start
        for _ in range(_ROUNDS):
            better = self._nearer(image, best)
            if better is None or better.likeness <= best.likeness:
                break
            gained, best = better.likeness - best.likeness, better
            if gained < _GAIN:
                break
        return best

    def _nearer(self, image: ViewDetails, start: ViewMatch) -> ViewMatch | None:
        """The match after the movement that most of the points make from where another match lies."""
        first = start.transform
        moved = image.levels if first is _IDENTITY else _moved(image.levels, first)
        there, found, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
            self.details.levels, moved, self._points, None, winSize=_WINDOW, maxLevel=_LEVELS
        )
        followed = found.ravel() == 1
        if followed.sum() < _FEWEST_POINTS:
            return None
        step, agree = cv2.estimateAffinePartial2D(
            self._points[followed], there[followed], method=cv2.RANSAC, ransacReprojThreshold=_NEAR, maxIters=300
        )
        if step is None or agree.sum() < _FEWEST_POINTS:
            return None
        both = first @ np.vstack([step, (0.0, 0.0, 1.0)])
        if abs(math.hypot(both[1, 0], both[0, 0]) - 1) > _ZOOM:
            return None
        return self._match(image, both)

    def anywhere(self, image: ViewDetails) -> ViewMatch:
        """The best match among all shifts and all angles up to 33 degrees; takes some milliseconds."""
        found = [self._match(image, transform) for transform in self._search.best(image.values)]
        return max((self.near(image, match) for match in found), key=lambda match: match.support)

    @cached_property
    def _search(self) -> _Search:
        return _Search(self.details.values)

    def _match(self, image: ViewDetails, transform: _Transform) -> ViewMatch:
        values, shows = image.values, self._shows
        if transform is not _IDENTITY:
            values = _moved(values, transform)
            shows = shows & (_block_means(_moved(np.ones_like(values), transform)) >= _INSIDE)
        together = _block_means(self.details.values * values)
        energy = self._energy * _block_means(values * values)
        alike = (together / np.sqrt(energy + _TINY))[shows]
        if len(alike) < _LEAST_BLOCKS:
            return ViewMatch(0.0, 0.0, transform)
        return ViewMatch(float(np.mean(alike > _FOUND)), float(np.mean(alike)), transform)


class _Search:
    """Correlates turned copies of a reference with an image at all shifts."""

    def __init__(self, values: _Floats) -> None:
        self._height, self._width = (side // _COARSE for side in values.shape)
        self._padded = tuple(cv2.getOptimalDFTSize(2 * side) for side in (self._height, self._width))
        small = self._reduced(values)
        ones = np.ones_like(small)
        self._turned = []
        for angle in _ANGLES:
            turn = cv2.getRotationMatrix2D((self._width / 2, self._height / 2), -angle, 1.0)
            turned = cv2.warpAffine(small, turn, (self._width, self._height))
            mask = cv2.warpAffine(ones, turn, (self._width, self._height))
            self._turned.append((turn, self._spectrum(turned), self._spectrum(mask)))
        self._ones = self._spectrum(ones)
        self._overlaps = [self._correlated(self._ones, mask) for _, _, mask in self._turned]

    def best(self, values: _Floats) -> list[_Transform]:
        """The likeliest transforms, one of an angle each."""
        spectrum = self._spectrum(self._reduced(values))
        scored: list[tuple[float, _Transform]] = []
        for (turn, turned, _), overlap in zip(self._turned, self._overlaps, strict=True):
            alike = self._correlated(spectrum, turned)
            # Of images that have nothing in common the sum grows with the root of the overlap
            alike /= np.sqrt(np.maximum(overlap, _LEAST_OVERLAP * self._height * self._width))
            alike[overlap < _LEAST_OVERLAP * self._height * self._width] = 0
            _, score, _, (x, y) = cv2.minMaxLoc(alike)
            rows, columns = self._padded
            dx, dy = (x - columns if x > columns // 2 else x), (y - rows if y > rows // 2 else y)
            transform = cast("_Transform", turn.copy())
            transform[:, 2] = (turn[:, 2] + (dx, dy)) * _COARSE
            scored.append((score, transform))
        scored.sort(key=lambda pair: -pair[0])
        return [transform for _, transform in scored[:_CANDIDATES]]

    def _reduced(self, values: _Floats) -> _Floats:
        return cast("_Floats", cv2.resize(values, (self._width, self._height), interpolation=cv2.INTER_AREA))

    def _spectrum(self, values: cv2.typing.MatLike) -> cv2.typing.MatLike:
        padded = np.zeros(self._padded, np.float32)
        padded[: self._height, : self._width] = values
        return cv2.dft(padded)

    def _correlated(self, spectrum: cv2.typing.MatLike, other: cv2.typing.MatLike) -> _Floats:
        product = cv2.mulSpectrums(spectrum, other, 0, conjB=True)
        return cast("_Floats", cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT))


def _moved(values: cv2.typing.MatLike, transform: _Transform) -> NDArray[np.float32]:
    """The image as the reference's camera would see it: of each point of the reference, what lies there."""
    size = values.shape[1], values.shape[0]
    return cast("_Floats", cv2.warpAffine(values, transform, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


def _block_means(values: cv2.typing.MatLike) -> _Floats:
    """Means of blocks, ``[R, C]``."""
    size = max(1, round(values.shape[1] / _BLOCK)), max(1, round(values.shape[0] / _BLOCK))
    return cast("_Floats", cv2.resize(values, size, interpolation=cv2.INTER_AREA))
