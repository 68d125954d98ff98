#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93): an AVIF image is not turned or mirrored as its file says, while JPEG, PNG and WebP are.
#
# AVIF has no use for EXIF's orientation: the properties `irot` and `imir` of the image say how it is to be shown, and a reader has to know
# them (ISO/IEC 23000-22). libavif leaves the turning to its caller. OpenCV's flags are the same for all formats (IMREAD_COLOR turns,
# IMREAD_IGNORE_ORIENTATION does not), but of an AVIF both give the stored pixels. Pillow writes and reads the two properties.
#
# Seen on x86-64 Linux, Python 3.11: an image 96 wide and 64 high, to be turned by a quarter; width x height of what is read:
#   JPEG: OpenCV 64 x 96, Pillow 64 x 96
#   PNG: OpenCV 64 x 96, Pillow 64 x 96
#   WEBP: OpenCV 64 x 96, Pillow 64 x 96
#   AVIF: OpenCV 96 x 64, Pillow 64 x 96
#
# So edgecnn/image/formats/avif_boxes.py reads both properties. Exits 0 where that still holds, 1 where it changed.
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
from PIL import Image, ImageOps

image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8))
exif = Image.Exif()
exif[0x0112] = 6  # to be turned clockwise by a quarter; Pillow writes it as `irot` into an AVIF
found = {}
for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
    file = io.BytesIO()
    image.save(file, kind, exif=exif.tobytes())
    height, width = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR).shape[:2]
    upright = ImageOps.exif_transpose(Image.open(file)).size
    print(f"{kind}: OpenCV {width} x {height}, Pillow {upright[0]} x {upright[1]}")
    found[kind] = (width, height), upright
holds = found.pop("AVIF") == ((96, 64), (64, 96)) and all(pair == ((64, 96), (64, 96)) for pair in found.values())
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
