"""Options that cannot be used: one line that names them, before anything is read; and the limit of image sizes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from refused import refused
from scenes import scene
from shapes import write_shapes

from edgecnn.runtime.streaming.annotate import VideoWriter
from tests.small_foreign import save_classifier, write_labels


def test_options_that_cannot_be_used(edgecnn, shapes: Path, tmp_path: Path) -> None:
    for option, value in (
        ("--model", "nonsense"),
        ("--preset", "nonsense"),
        ("--epochs", "0"),
        ("--val-split", "1.5"),
        ("--imgsz", "4"),
        ("--augment", "x"),
    ):
        done = edgecnn("train", shapes, "--weights", "none", "--out", tmp_path / "x", option, value)
        refused(done, option)
    assert not (tmp_path / "x" / "weights").exists()


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("train DATA --preset foo", "transfer, adapt, scratch, classic"),
        ("train DATA --preset qat", "--qat CHECKPOINT"),
        ("train DATA --model foo", "efficientnet_lite0, efficientnet_lite1"),
        ("train DATA --augment foo", "none, light, standard, strong, symmetric, tiny"),
        ("train DATA --weights foo", "auto, none, or a checkpoint file"),
        ("train DATA --group (", "not a regular expression"),
        ("train DATA --balance foo", "'none', 'weights', 'sampling'"),
        ("export resnet8 --weights foo", "imagenet"),
        ("export foo --weights imagenet", "efficientnet_lite0, efficientnet_lite1"),
        ("quantize MODEL --data DATA --target foo", "x86, x86-avx2, arm64, tensorrt, openvino"),
        ("predict MODEL DATA --ep foo", "auto, tensorrt, cuda"),
        ("inspect MODEL --ep foo", "auto, tensorrt, cuda"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused_with_the_choices(
    command: str, choices: str, edgecnn, shapes: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Before an image is read."""
    words = [{"DATA": shapes, "MODEL": tiny_model}.get(word, word) for word in command.split()]
    done = edgecnn(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert choices in done.stderr
    assert "reading images" not in done.stderr
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize(
    "command",
    [
        "train DATA --model resnet8 --weights none --imgsz 16 --epochs 1 --out OUT",
        "val MODEL --data DATA",
        "doctor DATA",
        "predict MODEL DATA",
        "verify MODEL MODEL --data DATA",
        "quantize MODEL --data DATA --method minmax --out OUT.onnx",
        "export CKPT --data DATA --out OUT.onnx",
    ],
)
def test_an_image_above_the_limit_is_named_with_the_option_that_raises_it(
    command: str, edgecnn, tiny_model: Path, small_run: Path, tmp_path: Path
) -> None:
    data = write_shapes(tmp_path / "data", 6, side=40, first_seed=3)
    cv2.imwrite(
        str(data / "circle" / "large.png"), cv2.resize(cv2.imread(str(next((data / "circle").iterdir()))), (150, 100))
    )
    places = {"DATA": data, "MODEL": tiny_model, "OUT": tmp_path / "run", "OUT.onnx": tmp_path / "out.onnx"}
    places["CKPT"] = small_run / "run" / "weights" / "best.pt"
    words = [places.get(w, w) for w in command.split()]
    refused_one = edgecnn(*words, "--max-megapixels", 0.01)
    told = refused_one.stdout + refused_one.stderr
    assert "large.png" in told
    assert "--max-megapixels" in told
    assert refused_one.returncode == (3 if "doctor" in words else 0)
    taken = edgecnn(*words, "--max-megapixels", 0.015, *(["--force"] if "train" in words else []))
    assert taken.returncode == 0
    assert "exceed the limit" not in taken.stdout + taken.stderr
    refused(edgecnn(*words[:2], *words[2:], "--max-megapixels", 2000), "--max-megapixels 2000", "at most 1000")


@pytest.mark.parametrize(
    "command",
    [
        "explain CKPT large.png --out out",
        "benchmark MODEL --source large.png --seconds 0.1",
        "capture large.mkv --label cat --every 0 --count 2 --health off",
        "health large.mkv --seconds 5 --out health.json",
        "adopt THEIRS --data folder --labels labels.txt --std 1 --mean 0",
        "tune MODEL clips --fps 10 --budget 1000",
    ],
)
def test_a_command_refuses_an_image_or_video_above_the_limit_and_takes_it_below(
    command: str, edgecnn, tiny_model: Path, small_run: Path, tmp_path: Path
) -> None:
    shape = scene(1, 150, 100)
    cv2.imwrite(str(tmp_path / "large.png"), shape)
    for folder in ("folder", *(f"clips/{label}/{number}" for label in ("circle", "square") for number in range(2))):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), np.roll(shape, number, 1))
    writer = VideoWriter(tmp_path / "large.mkv", 10)
    for number in range(40):
        writer.add(np.roll(shape, number, 1))
    writer.close()
    save_classifier(tmp_path / "theirs.onnx", 2)
    write_labels(tmp_path / "labels.txt", 2)
    places = {
        "MODEL": tiny_model,
        "CKPT": small_run / "run" / "weights" / "best.pt",
        "THEIRS": tmp_path / "theirs.onnx",
    }
    words = [places.get(w, w) for w in command.split()]
    too_large = edgecnn(*words, "--max-megapixels", 0.01, cwd=tmp_path)
    assert too_large.returncode == 2
    assert "--max-megapixels" in too_large.stderr
    taken = edgecnn(*words, "--max-megapixels", 0.015, cwd=tmp_path)
    assert "--max-megapixels" not in taken.stderr
    assert taken.returncode in ((0, 3) if "tune" in words else (0,)), taken.stderr


@pytest.mark.parametrize(
    "command",
    [
        "predict MODEL DATA --batch 99999999999999999999",
        "predict MODEL DATA --every 99999999999999999999",
        "benchmark MODEL --batch 99999999999999999999",
        "health fake: --seconds inf",
        "train DATA --workers -3",
        "train DATA --seed -1",
        "train DATA --seed 99999999999999999999",
    ],
)
def test_a_number_beyond_reason_is_refused(
    command: str, edgecnn, shapes: Path, tiny_model: Path, tmp_path: Path
) -> None:
    words = [{"DATA": shapes, "MODEL": tiny_model}.get(word, word) for word in command.split()]
    option = str(words[-2])
    refused(edgecnn(*words, cwd=tmp_path, timeout=60), option.lstrip("-"), "expected")
