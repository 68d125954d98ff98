"""How many cuts are detected, and how often one scene is taken for two (edgecnn/runtime/temporal/scene_cuts.py).

Each photograph of a folder is a scene. A cut is a photograph followed by the next one. Everything else is a photograph
followed by itself, changed.

    python benchmarks/bench_scene_cuts.py data
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.dataset import find_images
from edgecnn.errors import ImageError
from edgecnn.preprocess import Image, read_image
from edgecnn.runtime.temporal.scene_cuts import SceneCuts

_SIDE, _MARGIN = 224, 32  # pixels: of a frame, and of the photograph around it


def main() -> None:
    """Prints the share of pairs that are called a cut, and the processor time of a frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of photographs")
    parser.add_argument("--images", type=int, default=300)
    arguments = parser.parse_args()
    scenes = list(_scenes(find_images(arguments.data), arguments.images))
    frames = [_view(scene) for scene in scenes]
    print(f"{len(scenes)} photographs")
    _report("cut to another photograph", list(zip(frames, frames[1:] + frames[:1], strict=True)))
    for name, change in _changes().items():
        random = np.random.default_rng(0)
        _report(name, [(_view(scene), change(scene, random)) for scene in scenes])
    _time("one scene", frames[:1])
    _time("a cut at each frame", frames[:2])


def _scenes(paths: list[Path], count: int) -> Iterator[Image]:
    side = _SIDE + 2 * _MARGIN
    for index in np.random.default_rng(0).permutation(len(paths))[:count]:
        try:
            image = read_image(paths[index])
        except ImageError:
            continue
        if min(image.shape[:2]) >= _SIDE:
            yield cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)  # type: ignore[misc]


def _view(scene: Image, dx: int = 0, dy: int = 0, zoom: float = 1.0) -> Image:
    """What a camera sees of a scene: the middle, moved by pixels, enlarged."""
    side = int(_SIDE / zoom)
    x, y = (scene.shape[0] - side) // 2 + dx, (scene.shape[0] - side) // 2 + dy
    return cv2.resize(scene[y : y + side, x : x + side], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _lit(frame: Image, gain: float | np.ndarray, random: np.random.Generator) -> Image:
    return np.clip(frame * gain + random.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


def _with_square(frame: Image, side: int, random: np.random.Generator) -> Image:
    shown = frame.copy()
    x, y = random.integers(0, _SIDE - side, 2)
    shown[y : y + side, x : x + side] = random.integers(0, 256, 3)
    return shown


def _changes() -> dict[str, Callable[[Image, np.random.Generator], Image]]:
    lamp = np.linspace(0.2, 1.6, _SIDE)[None, :, None]
    tint = np.array([0.5, 1.0, 1.4])
    return {
        "shaken by 8 pixels": lambda s, _: _view(s, 8, -8),
        "shaken by 20 pixels": lambda s, _: _view(s, 20, -20),
        "shaken by 30 pixels": lambda s, _: _view(s, 30, -30),
        "zoomed by 1.1": lambda s, _: _view(s, zoom=1.1),
        "light times 0.08": lambda s, r: _lit(_view(s), 0.08, r),
        "light times 2": lambda s, r: _lit(_view(s), 2.0, r),
        "lit from one side": lambda s, r: _lit(_view(s), lamp, r),
        "tinted": lambda s, r: _lit(_view(s), tint, r),
        "square over 7 %": lambda s, r: _with_square(_view(s), 60, r),
        "square over 24 %": lambda s, r: _with_square(_view(s), 110, r),
        "square over 51 %": lambda s, r: _with_square(_view(s), 160, r),
        "shaken by 12, light times 0.7, square over 24 %": lambda s, r: _with_square(
            _lit(_view(s, 12, 12), 0.7, r), 110, r
        ),
        "black": lambda s, _: np.zeros_like(_view(s)),
    }


def _report(name: str, pairs: list[tuple[Image, Image]]) -> None:
    found = 0
    for before, after in pairs:
        cuts = SceneCuts()
        cuts.is_cut(before)
        found += cuts.is_cut(after)
    print(f"{name:50} {found / len(pairs):7.1%}")


def _time(name: str, frames: list[Image], count: int = 2000) -> None:
    cuts = SceneCuts()
    begin = time.process_time()
    for k in range(count):
        cuts.is_cut(frames[k % len(frames)])
    print(f"{name:50} {(time.process_time() - begin) / count * 1e6:5.0f} µs of processor time a frame")


if __name__ == "__main__":
    main()
