#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93): an AVIF image of grey alone (4:0:0) with the limited range is read with black at 16 and white
# at 235. Of colour it stretches the levels as it should, so the same image as 4:2:0 is read right.
#
# The limited range is that of video. The file states it in its `nclx` box and in the AV1 stream. Pillow, which uses libavif too, stretches
# both. A model trained on the images of the one is given less contrast by the other, with no word.
#
# Seen on x86-64 Linux, Python 3.11, of a ramp from 0 to 255:
#   4:2:0 full: OpenCV 0 to 255, Pillow 0 to 255
#   4:2:0 limited: OpenCV 0 to 255, Pillow 0 to 255
#   4:0:0 full: OpenCV 0 to 255, Pillow 0 to 255
#   4:0:0 limited: OpenCV 16 to 235, Pillow 0 to 255
#
# So edgecnn/image/decoding.py stretches them. Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import io
import sys

import cv2
import numpy as np
from PIL import Image

ramp = Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8)[None, :, None], (64, 1, 3)))
found = {}
for sampling in ("4:2:0", "4:0:0"):
    for levels in ("full", "limited"):
        file = io.BytesIO()
        ramp.save(file, "AVIF", quality=100, subsampling=sampling, range=levels)
        seen = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
        right = np.asarray(Image.open(file).convert("RGB"))
        print(f"{sampling} {levels}: OpenCV {seen.min()} to {seen.max()}, Pillow {right.min()} to {right.max()}")
        found[sampling, levels] = (int(seen.min()), int(seen.max())), (int(right.min()), int(right.max()))
wrong = found.pop(("4:0:0", "limited"))
holds = wrong == ((16, 235), (0, 255)) and all(pair == ((0, 255), (0, 255)) for pair in found.values())
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
