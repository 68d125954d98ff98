"""Measures how surely copies of images are found, and how often images are taken for copies that are none.

    python benchmarks/bench_duplicates.py DATA [--sample 200]

Copies of a sample of the images, changed in known ways, are laid among all images of the folder. Recall: how many of
them are paired with
their original. False pairs: pairs of a copy with some other image, or of two originals, that the folder alone did not
have; what the folder
alone has is listed to look at, since it may be true.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.dataset import find_images
from edgecnn.data_quality.near_duplicates import find_near_duplicates, thumbnail
from edgecnn.errors import ImageError
from edgecnn.preprocess import Image, read_image

Change = Callable[[Image, np.random.Generator], Image]


def jpeg(image: Image, quality: int = 85) -> Image:
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def resized(image: Image, factor: float) -> Image:
    return cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    )  # type: ignore[return-value]


def cropped(image: Image, top: float, bottom: float, left: float, right: float) -> Image:
    height, width = image.shape[:2]
    return np.ascontiguousarray(
        image[round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)]
    )


def shifted(image: Image, levels: int) -> Image:
    return np.clip(image.astype(np.int16) + levels, 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "JPEG q95": lambda p, _: jpeg(p, 95),
    "JPEG q40": lambda p, _: jpeg(p, 40),
    "0.3x, JPEG q85": lambda p, _: jpeg(resized(p, 0.3)),
    "0.6x, JPEG q50": lambda p, _: jpeg(resized(p, 0.6), 50),
    "2x, JPEG q85": lambda p, _: jpeg(resized(p, 2)),
    "mirrored": lambda p, _: jpeg(p[:, ::-1]),
    "upside down": lambda p, _: jpeg(p[::-1]),
    "turned by 90°": lambda p, _: jpeg(np.rot90(p)),
    "5 % off each side": lambda p, _: jpeg(cropped(p, 0.05, 0.05, 0.05, 0.05)),
    "10 % off each side": lambda p, _: jpeg(cropped(p, 0.1, 0.1, 0.1, 0.1)),
    "15 % off each side": lambda p, _: jpeg(cropped(p, 0.15, 0.15, 0.15, 0.15)),
    "0 to 15 % off each side": lambda p, random: jpeg(cropped(p, *random.uniform(0, 0.15, 4))),
    "mirrored, 10 % off": lambda p, _: jpeg(cropped(p, 0.1, 0.1, 0.1, 0.1)[:, ::-1]),
    "40 levels brighter": lambda p, _: jpeg(shifted(p, 40)),
    "40 levels darker": lambda p, _: jpeg(shifted(p, -40)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sample", type=int, default=200, help="images to make copies of")
    options = parser.parse_args()
    paths, thumbnails = read_all(options.data)
    random = np.random.default_rng(0)
    sample = np.sort(random.permutation(len(paths))[: options.sample])
    originals = [read_image(paths[i]) for i in sample]
    begun = time.monotonic()
    alone = find_near_duplicates(thumbnails)
    seconds = time.monotonic() - begun
    print(
        f"{len(paths)} images, {seconds:.1f} s; {'they look alike' if alone.look_alike else 'they do not look alike'}"
    )
    print(
        f"pairs among them: {len(alone.pairs)}, {1000 * len(alone.pairs) / len(paths):.1f} a thousand images; the "
        "least and the most like:"
    )
    by_likeness = sorted(alone.pairs, key=lambda p: p.likeness)
    for pair in dict.fromkeys([*by_likeness[:3], *by_likeness[-3:]]):
        print(f"  {pair.likeness:.3f} {paths[pair.first].name} = {paths[pair.second].name} {pair.change}")
    print(f"\n{'change':<26}{'recall':>8}{'likeness':>10}{'false pairs a thousand':>25}")
    known = {(p.first, p.second) for p in alone.pairs}
    for name, change in CHANGES.items():
        print(row(name, change, originals, sample, thumbnails, known), flush=True)


def read_all(root: Path) -> tuple[list[Path], np.ndarray]:
    paths, thumbnails = [], []
    for path in find_images(root):
        try:
            thumbnails.append(thumbnail(read_image(path)))
            paths.append(path)
        except ImageError as error:
            print(error)
    return paths, np.stack(thumbnails)


def row(
    name: str,
    change: Change,
    originals: list[Image],
    sample: np.ndarray,
    thumbnails: np.ndarray,
    known: set[tuple[int, int]],
) -> str:
    random = np.random.default_rng(1)
    copies = np.stack([thumbnail(change(image, random)) for image in originals])
    found = {(p.first, p.second): p.likeness for p in find_near_duplicates(np.concatenate([thumbnails, copies])).pairs}
    count = len(thumbnails)
    source = {count + k: int(i) for k, i in enumerate(sample)}
    right = [found[pair] for pair in ((i, k) for k, i in source.items()) if pair in found]
    # a copy of an image that has relatives in the folder is related to these too
    false = sum(
        tuple(sorted({source.get(i, i), source.get(j, j)})) not in known and source.get(i, i) != source.get(j, j)
        for i, j in found
    )
    least = f"{min(right):.3f}" if right else "-"
    return f"{name:<26}{len(right) / len(sample):>8.1%}{least:>10}{1000 * false / count:>25.1f}"


if __name__ == "__main__":
    main()
