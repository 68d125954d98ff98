"""Writes with the version that is imported what later versions must read; the files lie beside this program.

    git worktree add /tmp/earlier 0900be4
    PYTHONPATH=/tmp/earlier python tests/earlier_versions/write_files.py 0.1
    PYTHONPATH=$PWD python tests/earlier_versions/write_files.py 0.2

`0.1` was written by 0900be4, the last commit of that version, `0.2` by the commit that added the folder. A version that
is out is never written anew: its folder is what its users have. The images are in `images`, which every version gets.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import torch

import edgecnn
from edgecnn.runtime.classifier import Classifier
from edgecnn.training import TrainOptions, train
from exporters import QuantizeOptions, export_onnx, quantize

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from network_layers import digests  # noqa: E402
from shapes import CLASSES, shape_image  # noqa: E402
from small_network import SmallNetwork  # noqa: E402

IMAGES = Path("images")
IMAGES_PER_CLASS, SIDE = 12, 16  # BMP: every version of OpenCV writes and reads the same bytes


def main() -> None:
    version = sys.argv[1]
    assert edgecnn.__version__.startswith(version), f"this is EdgeCNN {edgecnn.__version__}; set PYTHONPATH"
    os.chdir(HERE)  # what is written names no path of the machine
    out = Path(version)
    shutil.rmtree(out, ignore_errors=True)
    torch.set_num_threads(1)
    write_images()
    write_run(out / "run")
    write_models(out)
    write_thresholds(out)
    (out / "network_layers.json").write_text(json.dumps(digests(), indent=1) + "\n")
    if version != "0.1":  # which neither taught nor had a service
        from service_files import write_service_files
        from taught_file import write_taught_file

        write_taught_file(out / "model.onnx", out / "taught.onnx")
        write_service_files(out)
    write_answers(out)


def write_images() -> None:
    if IMAGES.exists():
        return
    for name in CLASSES:
        (IMAGES / name).mkdir(parents=True)
        for seed in range(IMAGES_PER_CLASS):
            cv2.imwrite(str(IMAGES / name / f"{seed:02}.bmp"), shape_image(name, seed, SIDE))


def write_run(run: Path) -> None:
    """A run of two epochs; the page for people, which no command reads, would be most of its bytes."""
    torch.manual_seed(0)
    options = TrainOptions(IMAGES, out=run, imgsz=SIDE, epochs=2, batch=4, val_split=0.25, device="cpu", workers=1)
    train(options, network=SmallNetwork())
    (run / "report.html").unlink()
    (run / "weights" / "last.previous.pt").unlink(missing_ok=True)


def write_models(out: Path) -> None:
    """A float and an int8 model file."""
    export_onnx(out / "run/weights/best.pt", out / "model.onnx", network=SmallNetwork())
    gates = QuantizeOptions(method="minmax", samples=12, max_drop=1.0, min_speedup=0.0)
    result = quantize(out / "model.onnx", IMAGES, out / "model.int8.onnx", gates)
    assert result.decision == "int8", result


def write_answers(out: Path) -> None:
    """What each model file answers."""
    files = sorted(out.rglob("*.onnx"))
    answers = {file.relative_to(out).as_posix(): probabilities(file) for file in files}
    (out / "answers.json").write_text(json.dumps(answers) + "\n")


def probabilities(model: Path) -> list[dict[str, float]]:
    """By label, of each image."""
    classifier = Classifier(model, ep="cpu", threads=1)
    found = (classifier(path).top for path in sorted(IMAGES.rglob("*.bmp")))
    return [{score.label: round(score.score, 6) for score in sorted(top, key=lambda s: s.label)} for top in found]


def write_thresholds(out: Path) -> None:
    """What `edgecnn tune` and `edgecnn health` write."""
    from edgecnn.runtime.smoothing import SmoothingOptions, write_smoothing

    try:
        from edgecnn.runtime.health_thresholds import HealthThresholds
    except ModuleNotFoundError:  # since 0.2
        from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
    write_smoothing(out / "smoothing.json", SmoothingOptions("average", 1.5, 0.7, 0.4, 0.5, 3.0))
    HealthThresholds(dark_level=20, bright_share=0.8, oldest_s=1.5).save(out / "health.json")


if __name__ == "__main__":
    main()
