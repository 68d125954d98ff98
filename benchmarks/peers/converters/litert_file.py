"""LiteRT's file from the torch network, and its int8 by Google's quantizer: weights a channel, activations static.

python litert_file.py float|int8 FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(form: str, folder: Path) -> None:
    """Writes litert.FORM.tflite. Its input is a float image [1, 224, 224, 3], its output logits."""
    if form == "float":
        convert(folder)
    else:
        quantize(folder)


def convert(folder: Path) -> None:
    import litert_torch  # noqa: PLC0415  # slow, and only one of the two forms needs it
    import torch  # noqa: PLC0415

    network = torch.export.load(folder / "torch_one.pt2").module()
    # Channels last, as LiteRT's own kernels want them and as an image lies in memory
    network = litert_torch.to_channel_last_io(network, args=[0])
    litert_torch.convert(network, (torch.zeros(1, 224, 224, 3),)).export(str(folder / "litert.float.tflite"))


def quantize(folder: Path) -> None:
    from ai_edge_quantizer import quantizer, recipe  # noqa: PLC0415

    images = (np.load(folder / "calibration.npy").astype(np.float32) - 127) / 128
    tool = quantizer.Quantizer(str(folder / "litert.float.tflite"), recipe.static_wi8_ai8())
    key = next(iter(signatures(folder / "litert.float.tflite")))
    name = next(iter(signatures(folder / "litert.float.tflite")[key]["inputs"]))
    ranges = tool.calibrate({key: [{name: image[None]} for image in images]})
    tool.quantize(ranges).export_model(str(folder / "litert.int8.tflite"), overwrite=True)


def signatures(model: Path) -> dict[str, dict[str, list[str]]]:
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415

    found: dict[str, dict[str, list[str]]] = Interpreter(str(model)).get_signature_list()
    return found


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
