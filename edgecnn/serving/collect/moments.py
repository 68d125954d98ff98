"""Groups the frames that show one moment: a hundred copies of it teach a model nothing.

Frames of a fixed camera share their background, so that nearly all of them are alike as a whole. Two frames are of one
moment only if no part of the view differs.
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data_quality.blas_threads import one_blas_thread
from edgecnn.data_quality.image_alignment import Floats, align, structure
from edgecnn.data_quality.thumbnail import THUMBNAIL_SIDE, Thumbnail

__all__ = ["Moments", "is_same_moment"]

_MOST = 200  # moments that are remembered, a view: 4 MB
_CANDIDATES = 3  # moments that are compared part by part
_MIN_ALIKE = 0.5  # correlation of the structure: shaken by one pixel in a hundred, frames have more
_MIN_CONTRAST = 2.0  # grey levels (standard deviation): below it, an image shows nothing
_PARTS = 8  # along each side of the view
_BLUR_PX = 1.2  # of a thumbnail: the finest structure changes with the encoding
_LEAST_DIFFERENCE = 3.0  # grey levels, of a part: more than noise leaves
_SHARE_OF_CONTRAST = 0.12  # of the view's contrast: a part that differs by more shows something else
_GAINS = (0.5, 2.0)  # of the brightness between two frames of one moment
_FURTHEST = 0.05  # of a side: a camera that shakes
_EDGE = 2  # pixels of a thumbnail: a camera that shakes shows something else there
_WHOLE = np.array([[0, 1, 0, 1]], np.float32)


class Moments:
    """Remembers the newest moments of every view. One thread uses it."""

    def __init__(self) -> None:
        self._views: dict[str, _View] = {}

    def group(self, view: str, image: Thumbnail, frame_id: str) -> str:
        """Returns the id of the first frame that shows the same moment: ``frame_id`` itself if there is none.

        Args:
            view: frames are compared within a view.
            image: thumbnail of the frame.
            frame_id: id of the frame.
        """
        with one_blas_thread():
            return self._views.setdefault(view, _View()).group(image, frame_id)


class _View:
    def __init__(self) -> None:
        self._images: OrderedDict[str, tuple[Thumbnail, int]] = OrderedDict()  # and its row
        self._structures: Floats = np.zeros((0, THUMBNAIL_SIDE**2), np.float32)

    def group(self, image: Thumbnail, frame_id: str) -> str:
        shown = structure(image[None].astype(np.float32))[0]
        candidates = self._candidates(image, shown)
        blurred = _blurred(image)
        known = next((k for k in candidates if _is_same_in_every_part(_blurred(self._images[k][0]), blurred)), None)
        # Aligning takes 6 ms: the most similar one alone is worth it
        if known is None and candidates and _is_same_shaken(self._images[candidates[0]][0], image):
            known = candidates[0]
        if known is None:
            self._remember(image, shown, frame_id)
            return frame_id
        self._images.move_to_end(known)
        return known

    def _candidates(self, image: Thumbnail, shown: Floats) -> list[str]:
        """The most similar moments."""
        if image.std() < _MIN_CONTRAST:
            return [known for known, (other, _) in self._images.items() if other.std() < _MIN_CONTRAST][-_CANDIDATES:]
        likeness = self._structures @ shown
        found = sorted(((likeness[row], known) for known, (_, row) in self._images.items()), reverse=True)
        return [known for like, known in found[:_CANDIDATES] if like > _MIN_ALIKE]

    def _remember(self, image: Thumbnail, shown: Floats, frame_id: str) -> None:
        if len(self._images) == _MOST:
            _, (_, row) = self._images.popitem(last=False)
        else:
            row = len(self._images)
            if row == len(self._structures):
                more = np.zeros((max(8, row), len(shown)), np.float32)
                self._structures = np.concatenate([self._structures, more])
        self._structures[row] = shown
        self._images[frame_id] = image, row


def is_same_moment(first: Thumbnail, second: Thumbnail) -> bool:
    """Whether two thumbnails show the same everywhere, but for light, noise and a camera that shakes."""
    return _is_same_in_every_part(_blurred(first), _blurred(second)) or _is_same_shaken(first, second)


def _is_same_shaken(first: Thumbnail, second: Thumbnail) -> bool:
    source, target = first[None].astype(np.float32), second[None].astype(np.float32)
    found = align(source, target, _WHOLE, np.empty((0, THUMBNAIL_SIDE**2), np.float32))
    left, width, top, height = (float(v) for v in found.windows[0])
    if max(abs(v) for v in (left, top, 1 - left - width, 1 - top - height)) > _FURTHEST:
        return False
    # Pixel x of the second shows the place left + width * x of the first, in shares of a side
    side = THUMBNAIL_SIDE
    across, down = (width, 0.0, left * side + width / 2 - 0.5), (0.0, height, top * side + height / 2 - 0.5)
    moved = cv2.warpAffine(
        first,
        np.array([across, down], np.float32),
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _is_same_in_every_part(_blurred(np.asarray(moved, np.uint8)), _blurred(second))


def _is_same_in_every_part(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    contrast_a, contrast_b = float(a.std()), float(b.std())
    if max(contrast_a, contrast_b) < _MIN_CONTRAST:
        return True
    gain, offset = _light(a, b)
    if not _GAINS[0] <= gain <= _GAINS[1]:
        return False
    rest = (b - gain * a - offset) ** 2
    inner = rest[_EDGE:-_EDGE, _EDGE:-_EDGE]
    parts = cv2.resize(inner, (_PARTS, _PARTS), interpolation=cv2.INTER_AREA)
    most = max(_LEAST_DIFFERENCE, _SHARE_OF_CONTRAST * min(contrast_a, contrast_b))
    return float(parts.max()) <= most**2


def _blurred(image: Thumbnail) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image.astype(np.float32), (0, 0), _BLUR_PX), np.float32)


def _light(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """Gain and offset that make ``a`` most like ``b``; fitted twice, the second time without what differs most."""
    kept = np.ones(a.shape, bool)
    gain, offset = 1.0, 0.0
    for _ in range(2):
        x, y = a[kept], b[kept]
        mean_x, mean_y = float(x.mean()), float(y.mean())
        power = float(((x - mean_x) ** 2).mean())
        gain = float(((x - mean_x) * (y - mean_y)).mean()) / max(power, 1e-3)
        offset = mean_y - gain * mean_x
        rest = np.abs(b - gain * a - offset)
        kept = rest <= np.quantile(rest, 0.8)
    return gain, offset
