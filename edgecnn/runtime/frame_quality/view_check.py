"""Tells whether a camera still shows the view of its references: it was not moved, turned or covered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.preprocess import ColorOrder, Image
from edgecnn.runtime.frame_quality.view_matching import ViewDetails, ViewMatch, ViewMatcher
from edgecnn.runtime.frame_quality.view_reference import ViewLearner, grey_of_size, read_reference, write_reference

if TYPE_CHECKING:
    from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds

__all__ = ["ViewCheck", "ViewShift", "learned_reference"]

_SURE = 0.9  # of the mean correlation: nothing moved, and there is no need to look closer
_CLEAR = 0.4  # of the blocks: a movement that is looked for nearby has been found
_CLEAR_FAR = 0.5  # the same anywhere in the frame, where chance has more to choose from
_EVEN = 0.3  # of the blocks that show something in the reference: if fewer show anything, the lens is covered
_RATHER_EVEN = 0.5  # the same, once the reference was looked for everywhere
_LEAST_TURN = 1.0  # degrees
_SAME_SHAPE = 0.02  # by which the ratio of width to height may differ
_STEADY = 0.9  # of the frames that a reference is learned from show it


@dataclass(frozen=True)
class ViewShift:
    """How the scene lies in a frame against where the reference shows it."""

    dx_px: float  # to the right, in pixels of the whole frame, at its centre
    dy_px: float  # down
    angle_degrees: float  # clockwise
    confidence: float  # share of the reference's blocks that were found there, 0 to 1


@dataclass(frozen=True, eq=False)
class _Found:
    matcher: ViewMatcher
    view: ViewDetails  # the frame, in the size of the reference
    match: ViewMatch
    found: bool


class ViewCheck:
    """Compares frames of one camera with its references, in order. The reference that fits best counts.

    A frame is compared every ``view_every_s`` seconds; it takes about 1 ms, and 10 ms where the view is lost. A result
    counts once ``view_checks`` comparisons in a row agree.

    Args:
        thresholds: with at least one reference.
    """

    def __init__(self, thresholds: FrameQualityThresholds) -> None:
        self._limits = thresholds
        self._matchers = [ViewMatcher(read_reference(text)) for text in thresholds.references]
        self._last_far: dict[ViewMatcher, ViewMatch] = {}
        self._checked_s = -math.inf
        self._reason: str | None = None
        self._against = 0  # comparisons in a row that contradict the reason
        self.shift: ViewShift | None = None
        """What the last comparison measured; None if there was none, or the view was not found."""

    def check(self, image: Image, color: ColorOrder, time_s: float) -> str | None:
        """Returns why the view is not that of the references, or None.

        Args:
            image: the whole frame, uint8 ``[H, W, 3]``.
            color: order of its channels.
            time_s: when it was taken, in seconds on the source's clock.
        """
        if 0 <= time_s - self._checked_s < self._limits.view_every_s:
            return self._reason
        self._checked_s = time_s
        self._note(self.compare(image, color))
        return self._reason

    def compare(self, image: Image, color: ColorOrder = "bgr") -> str | None:
        """The same for one frame alone, without the frames before it."""
        height, width = image.shape[:2]
        views: dict[tuple[int, int], ViewDetails] = {}
        found: list[_Found] = []
        for matcher in self._matchers:
            if not _is_like(matcher, height, width):
                continue
            size = matcher.height, matcher.width
            if size not in views:
                views[size] = ViewDetails(grey_of_size(image, *size, color))
            found.append(self._nearby(matcher, views[size]))
            if found[-1].match.likeness >= _SURE:
                break
        if not found:
            self.shift = None
            return f"view changed: not the reference view: no reference has the shape of {width} x {height} pixels"
        best = max(found, key=lambda f: (f.found, f.match.support))
        if best.found:
            self._prefer(best.matcher)
            return self._told(best, width)
        return self._lost(found, width)

    def _note(self, reason: str | None) -> None:
        if (reason is None) == (self._reason is None):
            self._against, self._reason = 0, reason
            return
        self._against += 1
        if self._against >= self._limits.view_checks:
            self._against, self._reason = 0, reason

    def _prefer(self, matcher: ViewMatcher) -> None:
        """It is likely to fit the next frame too."""
        if matcher is not self._matchers[0]:
            self._matchers.remove(matcher)
            self._matchers.insert(0, matcher)

    def _nearby(self, matcher: ViewMatcher, view: ViewDetails) -> _Found:
        """Looks for a reference where it was."""
        place = matcher.in_place(view)
        if place.likeness >= _SURE:
            return _Found(matcher, view, place, found=True)
        near = matcher.near(view, place)
        if near.support >= _CLEAR:
            return _Found(matcher, view, near, found=True)
        if place.support >= self._limits.view_found_share:
            return _Found(matcher, view, place, found=True)
        last = self._last_far.get(matcher)
        if last is not None:
            again = matcher.near(view, matcher.under(view, last))
            if again.support >= _CLEAR_FAR:
                return _Found(matcher, view, again, found=True)
        return _Found(matcher, view, place, found=False)

    def _lost(self, found: Sequence[_Found], width: int) -> str:
        """Looks for the references in the whole frame."""
        shown = max(f.matcher.share_shown(f.view) for f in found)
        self.shift = None
        if shown < _EVEN:
            return "view changed: covered"
        far = [replace(f, match=f.matcher.anywhere(f.view), found=True) for f in found]
        best = max(far, key=lambda f: f.match.support)
        if best.match.support >= _CLEAR_FAR:
            self._last_far[best.matcher] = best.match
            if (reason := self._told(best, width)) is not None:
                return reason
        return f"view changed: {'covered' if shown < _RATHER_EVEN else 'not the reference view'}"

    def _told(self, found: _Found, width: int) -> str | None:
        """Says how the view moved; None if it did not move further than it may."""
        matcher, match = found.matcher, found.match
        scale = width / matcher.width
        dx, dy = (part * scale for part in match.moved(matcher.width / 2, matcher.height / 2))
        angle = match.angle_degrees
        self.shift = ViewShift(dx, dy, angle, match.support)
        most = self._limits.view_shift_share * width
        corners = ((x, y) for x in (0, matcher.width) for y in (0, matcher.height))
        if max(math.hypot(*match.moved(x, y)) for x, y in corners) * scale <= most:
            return None
        turned, moved = abs(angle) >= _LEAST_TURN, math.hypot(dx, dy) > most
        parts = [f"turned by {abs(angle):.1f} degrees"] if turned else []
        parts += [_movement(dx, dy)] if moved else []
        return f"view changed: {', '.join(parts) or f'zoomed by a factor of {match.zoom:.2f}'}"


def learned_reference(learner: ViewLearner, thresholds: FrameQualityThresholds) -> str | None:
    """The reference of the frames that were collected; None if it shows too little, or the camera moved."""
    usual = learner.usual()
    if usual is None or not ViewMatcher(usual).usable:
        return None
    text = write_reference(usual)
    check = ViewCheck(thresholds.with_references(text))
    steady = sum(check.compare(np.repeat(grey[..., None], 3, axis=2)) is None for grey in learner.kept)
    return text if steady >= _STEADY * len(learner.kept) else None


def _movement(dx: float, dy: float) -> str:
    right, down = "right" if dx >= 0 else "left", "down" if dy >= 0 else "up"
    return f"moved by {abs(dx):.0f} pixels {right}, {abs(dy):.0f} {down}"


def _is_like(matcher: ViewMatcher, height: int, width: int) -> bool:
    ratio: float = width * matcher.height / (height * matcher.width)
    return abs(ratio - 1) <= _SAME_SHAPE
