"""ncnn's files from TorchScript, by pnnx.

python ncnn_param.py float FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(form: str, folder: Path) -> None:
    """Writes ncnn.FORM.param, with its weights beside it."""
    with tempfile.TemporaryDirectory() as work:
        model = Path(work) / "model.pt"
        shutil.copy(folder / "torchscript.pt", model)
        pnnx = Path(sys.executable).with_name("pnnx")
        # fp16=0: the weights stay in float32, as every other peer's float form has them
        subprocess.run([pnnx, model, "inputshape=[1,3,224,224]", "fp16=0"], cwd=work, check=True)
        for suffix in ("param", "bin"):
            shutil.copy(Path(work) / f"model.ncnn.{suffix}", folder / f"ncnn.{form}.{suffix}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
