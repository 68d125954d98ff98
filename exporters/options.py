"""The options of export, adoption and quantization."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from edgecnn.command_options import Option
from edgecnn.errors import UsageError
from edgecnn.image_size import LargeImageOption, height_width, read_image_size
from edgecnn.manifest import Decode, Interpolation, Resize

__all__ = ["OPSET", "AdoptOptions", "ExportOptions", "Layout", "QuantizeOptions", "ScoreKind", "TargetName"]

OPSET = 18  # read by every onnxruntime since 1.14

Golden = Literal["synthetic", "data", "none"]
Layout = Literal["nchw", "nhwc"]
ScoreKind = Literal["logits", "probabilities", "sigmoid"]
TargetName = Literal["x86", "x86-avx2", "arm64", "tensorrt", "openvino"]

_GOLDEN = "Images of the golden samples; data: images of --data, which the file then contains."


@dataclass(frozen=True)
class ExportOptions(LargeImageOption):
    """Options of ``edgecnn export``."""

    weights: Annotated[
        str | None, Option("imagenet: the pretrained weights of a built-in network.", metavar="imagenet")
    ] = None
    precision: Annotated[
        Literal["fp32", "fp16"], Option("Precision of the weights and activations; fp16 is for GPUs.")
    ] = "fp32"
    layout: Annotated[
        Literal["nhwc-uint8", "nchw-float32"],
        Option("Input of the graph; nchw-float32: a classic float graph, for other tools."),
    ] = "nhwc-uint8"
    opset: Annotated[int, Option("ONNX operator set version.")] = OPSET
    golden: Annotated[Golden, Option(_GOLDEN)] = "synthetic"
    data: Annotated[
        Path | None,
        Option(
            "Folder of images on which the file is compared with torch.",
            metavar="DIR",
            default="the held-out images of the run",
        ),
    ] = None


@dataclass(frozen=True)
class QuantizeOptions(LargeImageOption):
    """Options of ``edgecnn quantize``."""

    method: Annotated[
        Literal["auto", "minmax", "mse", "entropy", "percentile"],
        Option("Calibration method of the activation ranges; auto: the one with the smallest KL divergence."),
    ] = "auto"
    samples: Annotated[int, Option("Number of calibration images.")] = 300
    target: TargetName = "x86"
    max_drop: Annotated[float, Option("Maximum drop of top-1 accuracy, as a fraction.")] = 0.005
    min_speedup: Annotated[
        float, Option("Minimum speedup over the float file, on one thread; 1.1: ten percent faster.")
    ] = 1.1
    fps: float | None = None  # of clips that are folders of frames; None: that of the training clips
    strict: Annotated[bool, Option("End with status 3 and write nothing if accuracy or speed fail.")] = False
    seed: int = 0


def _read_numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers with commas between, each as it is or as a fraction, such as ``1/255``."""
    try:
        parts = [part.split("/") for part in text.split(",")]
        return tuple(float(part[0]) / float(*part[1:]) if len(part) > 1 else float(part[0]) for part in parts)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise UsageError(
            f"{option} {text}: expected one number, or three with commas between; fractions such as 1/255 are allowed"
        ) from error


def _read_size(text: str) -> tuple[int, int]:
    return height_width(read_image_size(text))


@dataclass(frozen=True)
class AdoptOptions(LargeImageOption):
    """Options of ``edgecnn adopt``.

    Mean and standard deviation count pixels from 0 to 1, as torchvision does; one number, or one per channel.
    """

    labels: Annotated[
        Path | None,
        Option("File of labels, one per line, or JSON.", metavar="FILE", default="the names in the file"),
    ] = None
    mean: Annotated[
        tuple[float, ...] | None,
        Option(
            "Mean subtracted from pixels scaled to 0..1: one number, or three.",
            metavar="R,G,B",
            parse=partial(_read_numbers, "--mean"),
        ),
    ] = None
    std: Annotated[
        tuple[float, ...] | None,
        Option(
            "Standard deviation that they are divided by: one number, or three. For pixels of 0..255: 1/255, mean 0.",
            metavar="R,G,B",
            parse=partial(_read_numbers, "--std"),
        ),
    ] = None
    color: Annotated[Literal["rgb", "bgr"], Option("Channel order that the network was trained on.")] = "rgb"
    resize: Annotated[
        Resize, Option("How an image is fitted to the input size; crop: the centre, letterbox: with borders.")
    ] = "stretch"
    interpolation: Annotated[
        Interpolation, Option("Resize interpolation; antialias: as torchvision and timm resize.")
    ] = "linear"
    decode: Annotated[
        Decode | None,
        Option(
            "JPEG decoding on the device; scaled: large ones at 1/8, 1/4 or 1/2 of their size.",
            default="scaled with the interpolations area, antialias and antialias-cubic, else full",
        ),
    ] = None
    crop_fraction: Annotated[
        float, Option("With --resize crop: scale the shorter side to the input size / this fraction first.")
    ] = 1.0
    imgsz: Annotated[
        tuple[int, int] | None,
        Option(
            "Input size in pixels, if the file leaves it open: one side, or HEIGHTxWIDTH.",
            metavar="N|HxW",
            parse=_read_size,
        ),
    ] = None
    layout: Annotated[Layout | None, Option("Order of the input's dimensions, if the file leaves it open.")] = None
    output: Annotated[
        str | None,
        Option("Name of the output, or inner tensor, with the class scores, if the file has several.", metavar="NAME"),
    ] = None
    scores: Annotated[
        ScoreKind | None,
        Option(
            "Meaning of the scores, if the file leaves it open; sigmoid: a probability of its own for each class.",
            default="what the graph ends in",
        ),
    ] = None
    data: Annotated[
        Path | None,
        Option(
            "Folder of images on which the file is compared with the original.",
            metavar="DIR",
            default="synthetic images",
        ),
    ] = None
    golden: Annotated[Golden, Option(_GOLDEN)] = "synthetic"
