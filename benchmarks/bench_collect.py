"""What collecting frames costs, in processor time, and what storing them as JPEG changes.

    python benchmarks/bench_collect.py [DATA]

The costs are measured on drawn frames of 640 x 480: choosing every frame in the deciding thread; preparing and writing
a kept one in the writer's thread, of a camera that sees one still scene, and of one where something moves; reading the
records of 10,000 frames at the start. With DATA, a folder of photographs, it compares JPEG and PNG.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.dataset import find_images
from edgecnn.preprocess import Image, decode
from edgecnn.runtime.decision import LatencyMs, Prediction, Score
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.candidate import Candidate
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.reasons import FrameChooser
from edgecnn.serving.collect.record import FrameRecord
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.collect.writer import FrameWriter, encode
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.settings.settings import CollectSettings

_WIDTH, _HEIGHT, _FRAMES = 640, 480, 80
_MODEL_SIDE = 224
_STORED = 10_000
_TOP = (Score("cat", 0.7), Score("dog", 0.3))
_PREDICTION = Prediction(
    "door",
    0,
    "2026-01-01T00:00:00.000Z",
    None,
    1.0,
    "ok",
    None,
    "cat",
    0,
    0.7,
    _TOP,
    LatencyMs(None, None, None, 1.0),
    "cpu",
    "0" * 64,
)


def main() -> None:
    """Prints a line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of photographs")
    data = parser.parse_args().data
    print(f"choosing, a frame: {_choosing_ms() * 1e3:.1f} us")
    for moving in (False, True):
        prepared_ms, written_ms = _keeping_ms(moving=moving)
        scene = "something moves" if moving else "a still scene"
        print(f"keeping, {scene}: {prepared_ms:.1f} ms to prepare, {written_ms:.1f} ms to write")
    print(f"opening a folder of {_STORED:,} frames: {_opening_s():.2f} s")
    if data is not None:
        _compare_formats(data)


def _processor_ms(step: Callable[[], object]) -> float:
    begun_s = time.process_time()
    step()
    return (time.process_time() - begun_s) * 1e3


def _choosing_ms() -> float:
    chooser = FrameChooser(CollectSettings(uncertain_below=0.5), {"door": ("main",)}, lambda _: ("cat", "dog"))
    frame = Frame(np.zeros((_HEIGHT, _WIDTH, 3), np.uint8), "door")
    decisions = [
        Decided("door", "door", None, "main", _PREDICTION, changed=False, frame=frame, number=i) for i in range(20_000)
    ]
    return _processor_ms(lambda: [chooser.decided(decision) for decision in decisions]) / len(decisions)


def _keeping_ms(*, moving: bool) -> tuple[float, float]:
    """Medians of processor time: to encode and group a frame, and to write it."""
    random = np.random.default_rng(0)
    background = cv2.GaussianBlur(random.integers(0, 256, (_HEIGHT, _WIDTH, 3)).astype(np.uint8), (0, 0), 6)
    background = cv2.normalize(background, background, 0, 255, cv2.NORM_MINMAX)
    prepared, written = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FrameFolder(Path(folder)), 10**10, 30)
        writer = FrameWriter(lambda: store)
        for i in range(_FRAMES):
            image = np.clip(background + random.normal(0, 4, background.shape), 0, 255).astype(np.uint8)
            if moving:
                place = int(320 + 250 * np.sin(i)), int(240 + 150 * np.sin(1.3 * i))
                cv2.circle(image, place, 40, (0, 0, 255), -1)
            candidate = Candidate(Frame(image, "door"), "door", "door", "main", "uncertain", _PREDICTION)
            made: list[tuple[FrameRecord, bytes, str]] = []
            prepared.append(_processor_ms(lambda c=candidate, m=made: m.append(writer.prepare(store, c))))
            written.append(_processor_ms(lambda m=made: store.add(*m[0])))
    return statistics.median(prepared), statistics.median(written)


def _opening_s() -> float:
    with tempfile.TemporaryDirectory() as root:
        folder = FrameFolder(Path(root))
        folder.prepare()
        for i in range(_STORED):
            name = f"{i:06d}-door-20260101T000000000Z"
            record = FrameRecord(
                id=name,
                number=i,
                source="door",
                view="door",
                model="main",
                model_sha256="0" * 64,
                captured_at="2026-01-01T00:00:00.000Z",
                reason="uncertain",
                status="ok",
                label="cat",
                score=0.7,
                top=_TOP,
                others=(),
                group=name,
                age_clock_s=0.0,
            )
            (Path(root) / "records" / f"{name}.json").write_bytes(record.to_json())
            (Path(root) / "unlabelled" / f"{name}.jpg").write_bytes(b"")
        return _processor_ms(lambda: FrameStore(folder, 10**10, 30)) / 1e3


def _compare_formats(data: Path) -> None:
    """How far the pixels that a model sees change by the JPEG, and how much larger a PNG is."""

    def seen(image: Image) -> np.ndarray:
        return cv2.resize(image, (_MODEL_SIDE, _MODEL_SIDE), interpolation=cv2.INTER_AREA).astype(int)

    differences, ratios = [], []
    for path in find_images(data)[::20]:
        image = cv2.resize(decode(path.read_bytes(), color="bgr"), (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        stored, _ = encode(image)
        differences.append(float(np.abs(seen(image) - seen(decode(stored, color="bgr"))).mean()))
        ratios.append(len(cv2.imencode(".png", image)[1]) / len(stored))
    print(
        f"{len(ratios)} photographs at {_WIDTH} x {_HEIGHT} as JPEG: at {_MODEL_SIDE} x {_MODEL_SIDE} they differ by "
        f"{statistics.mean(differences):.2f} levels on average, at most {max(differences):.2f}; as PNG they are "
        f"{statistics.median(ratios):.1f} times as large"
    )


if __name__ == "__main__":
    main()
