"""False alarms an hour and delay of one model, raw and tuned, on clips made of images that move.

    python benchmarks/bench_smoothing.py                                    # circles and squares, the tests' tiny model
    python benchmarks/bench_smoothing.py --model M.onnx --images DATA     # real images, one folder a class

In a clip images of all classes follow each other, each for 4 to 16 seconds: it drifts, it is lit unevenly in time, its
sensor is noisy, and now and
then it is smeared by motion or half covered for up to half a second. Clips are dealt into two halves again and again;
settings are fitted to a budget
on one and counted on the other. Of real images each is in one clip alone, so no image is in both halves.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from shapes import CLASSES, shape_image  # noqa: E402

from edgecnn import Classifier  # noqa: E402
from edgecnn.data.dataset import select_eval_images  # noqa: E402
from edgecnn.preprocess import decode, read_bytes  # noqa: E402
from edgecnn.runtime.smoothing.clips import find_clips  # noqa: E402
from edgecnn.runtime.smoothing.false_alarms import Counts, tally  # noqa: E402
from edgecnn.runtime.smoothing.smoother import SmoothingOptions  # noqa: E402
from edgecnn.runtime.smoothing.tune import RAW, TuneOptions, choose_settings, run_model, try_settings  # noqa: E402

ImageFile = NDArray[np.uint8]
NextImage = Callable[[], "tuple[str, ImageFile]"]


@dataclass(frozen=True)
class Row:
    """One deal."""

    budget_per_h: float | None
    settings: SmoothingOptions
    fitted: Counts
    checked: Counts


def main() -> None:
    options = arguments()
    cv2.setNumThreads(1)
    random = np.random.default_rng(options.seed)
    classifier = Classifier(options.model, ep="cpu", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        images = real_images(options.images, classifier, random) if options.images else shape_images(random)
        tables = [make_clip(Path(folder), i, images, options, random) for i in range(options.clips)]
        start = time.monotonic()
        clips = [clip for table in tables for clip in find_clips([table], classifier.manifest)]
        tracks = [run_model(classifier, clip, TuneOptions(0.0, health=None)) for clip in clips]
        ran = time.monotonic()
    tried = try_settings(tracks, TuneOptions(0.0))
    frames = sum(len(t.times_s) for t in tracks)
    print(
        f"{options.model.name}: {len(clips)} clips, {frames} frames, {sum(t.labelled_s for t in tracks) / 3600:.2f} "
        f"h at {options.fps:g} fps"
    )
    print(
        f"model {ran - start:.0f} s, {len(tried)} settings {time.monotonic() - ran:.0f} s; {options.deals} deals "
        "into halves; medians\n"
    )
    print(
        "| budget an hour | false alarms an hour, fitted | checked | checked over budget | right | delay | longest "
        "| missed | most often chosen |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for budget in (None, *options.budget):
        rows = [deal(tried, len(tracks), budget, np.random.default_rng(d)) for d in range(options.deals)]
        print(line(budget, rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "tests" / "models" / "tiny.int8.onnx")
    parser.add_argument(
        "--images", type=Path, help="one folder a class; those that the model was trained on are left out"
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120, help="of a clip")
    parser.add_argument("--fps", type=float, default=10)
    parser.add_argument("--side", type=int, default=64, help="of the video, in pixels")
    parser.add_argument("--budget", type=float, nargs="+", default=[60, 20, 6, 0])
    parser.add_argument("--deals", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def shape_images(random: np.random.Generator) -> NextImage:
    def following() -> tuple[str, ImageFile]:
        name = CLASSES[int(random.integers(2))]
        return name, shape_image(name, int(random.integers(10_000, 10_000_000)))

    return following


def real_images(root: Path, classifier: Classifier, random: np.random.Generator) -> NextImage:
    evaluated = select_eval_images(root, classifier.manifest, classifier.split_record)
    assert evaluated.truth is not None
    print(evaluated.note, file=sys.stderr)
    order = iter(random.permutation(len(evaluated.paths)).tolist())

    def following() -> tuple[str, ImageFile]:
        index = next(order, None)
        if index is None:
            raise SystemExit(f"{root}: {len(evaluated.paths)} images are too few; make fewer or shorter clips")
        path = evaluated.paths[index]
        return classifier.labels[evaluated.truth[index]], decode(read_bytes(path), name=str(path), color="bgr")

    return following


def make_clip(
    folder: Path, number: int, following: NextImage, options: argparse.Namespace, random: np.random.Generator
) -> Path:
    """A lossless video and the table of what it shows when."""
    video, table = folder / f"{number:03d}.mkv", folder / f"{number:03d}.csv"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"FFV1"), options.fps, (options.side, options.side))
    assert writer.isOpened(), "this OpenCV cannot write FFV1"
    rows, frames = ["path,start_s,end_s,label"], 0
    while frames < options.seconds * options.fps:
        label, image = following()
        lasts = int(random.uniform(4, 16) * options.fps)
        for frame in scene(image, lasts, options.side, options.fps, random):
            writer.write(frame)
        rows.append(f"{video.name},{frames / options.fps},{(frames + lasts) / options.fps},{label}")
        frames += lasts
    writer.release()
    table.write_text("\n".join(rows) + "\n")
    return table


def scene(image: ImageFile, frames: int, side: int, fps: float, random: np.random.Generator) -> Iterator[ImageFile]:
    """The image drifting under a camera."""
    height, width = image.shape[:2]
    crop = min(height, width) * 0.9
    phase, speed = random.uniform(0, 2 * np.pi, 3), random.uniform(0.2, 1.0, 3)
    trouble, left = "", 0
    for index in range(frames):
        t = index / fps
        swing = np.sin(phase + 2 * np.pi * speed * t)
        x, y = (width - crop) / 2 * (1 + swing[0]), (height - crop) / 2 * (1 + swing[1])
        matrix = np.array([[side / crop, 0, -x * side / crop], [0, side / crop, -y * side / crop]])
        frame = cv2.warpAffine(
            image, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32)
        if left == 0:
            trouble, left = "", 1
            if random.random() < 0.15 / fps * 2:  # about every seven seconds
                trouble, left = random.choice(["smear", "cover"]), int(random.uniform(0.1, 0.5) * fps) + 1
        left -= 1
        if trouble == "smear":
            frame = cv2.blur(frame, (side // 4, 1))
        if trouble == "cover":
            frame[:, : side // 2] = random.uniform(0, 255)
        frame = frame * (1 + 0.15 * swing[2]) + random.normal(0, 8, frame.shape)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def deal(tried: dict, tracks: int, budget: float | None, random: np.random.Generator) -> Row:
    order = random.permutation(tracks)
    first, second = order[: tracks // 2], order[tracks // 2 :]
    settings = (
        RAW
        if budget is None
        else choose_settings({s: [counted[i] for i in first] for s, counted in tried.items()}, budget)
    )
    return Row(budget, settings, *(tally(tried[settings][i] for i in half) for half in (first, second)))


def line(budget: float | None, rows: list[Row]) -> str:
    def median(of: Callable[[Row], float | None]) -> float:
        return float(np.median([value for row in rows if (value := of(row)) is not None]))

    settings = [row.settings for row in rows]
    chosen = max(settings, key=settings.count)
    rates = [row.checked.per_hour for row in rows]
    cells = (
        "raw" if budget is None else f"{budget:g}",
        f"{median(lambda r: r.fitted.per_hour):.1f}",
        f"{np.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})",
        "" if budget is None else f"{sum(rate > budget for rate in rates)} of {len(rows)}",
        f"{median(lambda r: r.checked.right):.1%}",
        f"{median(lambda r: r.checked.mean_delay_s):.2f} s",
        f"{median(lambda r: r.checked.longest_delay_s):.2f} s",
        f"{median(lambda r: r.checked.missed / r.checked.onsets):.1%}",
        (
            f"{chosen.method} {chosen.window_s:g} s, enter {chosen.enter:g}, leave {chosen.leave:g}, hold "
            f"{chosen.hold_s:g} s ({settings.count(chosen)})"
        ),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
