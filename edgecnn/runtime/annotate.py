"""Pictures with their answers written on them, into a folder or a window."""

from __future__ import annotations

from pathlib import Path

import cv2

from edgecnn.atomic import make_folder, write_bytes
from edgecnn.errors import OutputError, UsageError
from edgecnn.preprocess import Image
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame

__all__ = ["Album", "Window", "annotate"]

_COLORS = {"ok": (80, 175, 76), "unknown": (0, 165, 255)}  # BGR: green, orange; anything else is red
_RED = (60, 60, 220)


def annotate(frame: Frame, prediction: Prediction) -> Image:
    """The picture, BGR, with a banner above it that tells the answer."""
    top = prediction.top[0] if prediction.top else None
    text = {
        "ok": f"{prediction.label} {prediction.score or 0:.2f}",
        "unknown": f"unknown ({top.label} {top.score:.2f})" if top else "unknown",
    }.get(prediction.status, "no decision")
    banner = max(24, frame.image.shape[0] // 12)
    picture = cv2.copyMakeBorder(frame.image, banner, 0, 0, 0, cv2.BORDER_CONSTANT, value=_COLORS.get(prediction.status, _RED))
    scale = banner / 40
    plain = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    cv2.putText(picture, plain, (4, int(banner * 0.75)), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), max(1, round(2 * scale)), cv2.LINE_AA)
    return picture  # type: ignore[return-value]


class Album:
    """Writes annotated pictures into a folder: number and name of the source, as JPEG. Raises :class:`OutputError`."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Writes one picture."""
        done, data = cv2.imencode(".jpg", annotate(frame, prediction))
        target = self._folder / f"{frame.index:06d}_{Path(frame.name).stem}.jpg"
        if not done:
            raise OutputError(f"{target}: OpenCV cannot encode the picture; name another --save")
        write_bytes(target, data.tobytes())


class Window:
    """Shows annotated pictures where OpenCV was built with windows. Raises :class:`UsageError` where not."""

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Shows one picture."""
        try:
            cv2.imshow("edgecnn", annotate(frame, prediction))
            cv2.waitKey(1)
        except cv2.error as error:
            raise UsageError(
                "--show: this OpenCV has no windows; install opencv-python in place of opencv-python-headless, or use --save DIR"
            ) from error
