"""ExecuTorch's program for XNNPACK from the torch network; int8 by torchao's PT2E, as its documentation has it.

python executorch_program.py float|int8 FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower


def main(form: str, folder: Path) -> None:
    """Writes executorch.FORM.pte."""
    program = torch.export.load(folder / "torch_one.pt2")
    if form == "int8":
        program = quantized(program, np.load(folder / "calibration.npy"))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    (folder / f"executorch.{form}.pte").write_bytes(lowered.to_executorch().buffer)


def quantized(program: torch.export.ExportedProgram, images: np.ndarray) -> torch.export.ExportedProgram:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (  # noqa: PLC0415  # float does without
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # noqa: PLC0415

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(program.module(), quantizer)
    inputs = ((torch.from_numpy(images).float() - 127) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        for image in inputs:
            prepared(image[None])
    return torch.export.export(convert_pt2e(prepared), (inputs[:1],))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
