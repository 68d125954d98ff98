"""Makes clips whose class shows only in their motion: FOLDER/train, FOLDER/val and FOLDER/test, one folder per class.

    scripts/make_clips clips --backgrounds photographs
    scripts/make_clips clips --backgrounds photographs --task camera

Task objects, ten classes: an object moves left, right, up or down, grows, shrinks, opens, closes, or blinks slowly or
fast. A single frame does not tell the class (``motion.py`` says why). The camera shakes, and the light changes. Lengths
and frame rates differ. No object and no background of one split occurs in another.

Task camera, eight classes: photographs, filmed by a camera that pans, zooms, shakes or stands still (``camera.py``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from backgrounds import background, photographs
from camera import CAMERA_CLASSES, film, photograph_for
from motion import CLASSES, draw_phases
from numpy.typing import NDArray
from objects import MadeObject, make_object
from scene import render

Image = NDArray[np.uint8]
FRAME_RATES = (10, 12, 15, 24, 25, 30)  # frames per second, of videos without --fps
FOLDER_RATE = 12  # frames per second, of folders of frames without --fps
OBJECTS = {"train": 1000, "val": 200, "test": 200}
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}  # of the photographs
_QUANTIZER = 3  # of the MPEG-4 encoder, 1 to 31: high quality


@dataclass(frozen=True)
class Options:
    """What all clips have in common."""

    seed: int
    side: int  # pixels
    shortest_s: float
    longest_s: float
    frame_rates: tuple[int, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """One of train, val and test, with its own objects and photographs."""

    name: str
    number: int
    objects: tuple[MadeObject, ...]
    photographs: tuple[Path, ...]  # none: backgrounds are drawn by code


@dataclass(frozen=True)
class Clip:
    """RGB frames, uint8 ``[T, side, side, 3]``, at a constant rate in frames per second."""

    frames: Image
    rate: int


def make_split(name: str, seed: int, images: Sequence[Path]) -> Split:
    """The objects of a split, and its share of the photographs."""
    number = list(SHARES).index(name)
    order = np.random.default_rng((seed, 1)).permutation(len(images))
    ends = np.round(np.cumsum([0.0, *SHARES.values()]) * len(images)).astype(int)
    own = tuple(images[i] for i in order[ends[number] : ends[number + 1]])
    if images and not own:
        raise SystemExit(f"make_clips: {len(images)} photographs are too few for three splits; give at least 10")
    things = tuple(make_object(np.random.default_rng((seed, 2, number, i))) for i in range(OBJECTS[name]))
    return Split(name, number, things, own)


def make_clip(split: Split, label: str, index: int, options: Options) -> Clip:
    """Makes a clip; the same arguments make the same one."""
    random = np.random.default_rng((options.seed, 3, split.number, options.classes.index(label), index))
    rate = int(random.choice(options.frame_rates))
    count = max(1, round(random.uniform(options.shortest_s, options.longest_s) * rate))
    times_s = np.arange(count) / rate
    if label in CAMERA_CLASSES:
        chosen = photograph_for(str(split.photographs[random.integers(len(split.photographs))]), options.side)
        return Clip(film(random, options.side, chosen, CAMERA_CLASSES[label], times_s), rate)
    phases = draw_phases(random, CLASSES[label], times_s)
    photograph = split.photographs[random.integers(len(split.photographs))] if split.photographs else None
    ground = background(random, options.side, photograph)
    thing = split.objects[random.integers(len(split.objects))]
    return Clip(render(random, options.side, thing, ground, phases, times_s), rate)


def write_video(path: Path, clip: Clip) -> None:
    """Writes MPEG-4. Each frame is coded by itself, so that the coding shows nothing of the motion either."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "mpeg4", rate=clip.rate, options={"qmin": str(_QUANTIZER), "qmax": str(_QUANTIZER)}
        )
        stream.height, stream.width = clip.frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 1
        for number, image in enumerate(clip.frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, clip.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_frames(folder: Path, clip: Clip) -> None:
    """Writes PNG files 0000.png, 0001.png, ..."""
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(clip.frames):
        cv2.imwrite(str(folder / f"{number:04d}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="make_clips", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the clips are written")
    parser.add_argument("--backgrounds", type=Path, help="a folder of photographs; without it, backgrounds are drawn")
    parser.add_argument(
        "--task", choices=("objects", "camera"), default="objects", help="what moves in the clips (default: objects)"
    )
    parser.add_argument("--train", type=int, default=500, help="training clips per class (default: 500)")
    parser.add_argument("--val", type=int, default=20, help="validation clips per class (default: 20)")
    parser.add_argument("--test", type=int, default=100, help="test clips per class (default: 100)")
    parser.add_argument("--side", type=int, default=64, help="side of the square frames in pixels (default: 64)")
    parser.add_argument(
        "--seconds", type=float, nargs=2, default=(1.5, 3.0), help="shortest and longest clip (default: 1.5 3)"
    )
    parser.add_argument("--fps", type=int, help="frame rate of all clips; without it, videos have 10 to 30")
    parser.add_argument("--frames", action="store_true", help="folders of PNG files, 12 frames/s without --fps")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default: 0)")
    options = parser.parse_args(arguments)
    if options.side < 16 or options.side % 2:
        parser.error(f"--side {options.side}: give an even number of at least 16")
    if not 0 < options.seconds[0] <= options.seconds[1]:
        parser.error("--seconds: give the shortest and the longest clip, both above 0")
    if options.task == "camera" and not options.backgrounds:
        parser.error("--task camera films photographs; give a folder of them with --backgrounds")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the clips."""
    given = parse(arguments)
    rates = (given.fps,) if given.fps else (FOLDER_RATE,) if given.frames else FRAME_RATES
    classes = tuple(CAMERA_CLASSES if given.task == "camera" else CLASSES)
    options = Options(given.seed, given.side, given.seconds[0], given.seconds[1], rates, classes)
    images = photographs(given.backgrounds) if given.backgrounds else []
    if given.backgrounds and not images:
        raise SystemExit(f"make_clips: {given.backgrounds}: holds no photographs; name a folder of JPEGs or PNGs")
    for name, count in (("train", given.train), ("val", given.val), ("test", given.test)):
        split = make_split(name, given.seed, images)
        for label in classes:
            folder = given.folder / name / label
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                clip = make_clip(split, label, index, options)
                path = folder / f"{index:04d}"
                if given.frames:
                    write_frames(path, clip)
                else:
                    write_video(path.with_suffix(".mp4"), clip)
        print(f"{given.folder / name}: {count * len(classes)} clips")


if __name__ == "__main__":
    main()
