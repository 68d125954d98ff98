#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93): a binary PGM or PPM file is read without its largest value (maxval), so that the image is
# too dark. The same image as text is read right up to 255, and too dark above.
#
# The third number of the header says which value is white (netpbm, pgm(5) and ppm(5)). Industrial and scientific cameras write 1023 or
# 4095 there, small encoders 15 or 127. OpenCV takes the bytes as they are, or the upper eight bits of sixteen, and says nothing: of 12
# bits 16 grey levels remain, and white becomes 15. Pillow reads the colour files right.
#
# Seen on x86-64 Linux, Python 3.11, what white becomes:
#   largest value 127: binary 127, text 255; Pillow 255
#   largest value 1023: binary 3, text 3; Pillow 255
#   largest value 4095: binary 15, text 15; Pillow 255
#   largest value 65535: binary 255, text 255; Pillow 255
#
# So edgecnn/image/formats/pnm.py spreads the values itself. Exits 0 where that still holds, 1 where it changed.
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

found = {}
for largest in (127, 1023, 4095, 65535):
    header = f"8 8\n{largest}\n".encode()
    pixels = np.full((8, 8, 3), largest, ">u2" if largest > 255 else "u1")
    binary = b"P6\n" + header + pixels.tobytes()
    text = b"P3\n" + header + b" ".join(b"%d" % value for value in pixels.ravel()) + b"\n"
    seen = [int(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).max()) for data in (binary, text)]
    right = int(np.asarray(Image.open(io.BytesIO(binary)).convert("RGB")).max())
    print(f"largest value {largest}: binary {seen[0]}, text {seen[1]}; Pillow {right}")
    found[largest] = (*seen, right)
holds = found == {127: (127, 255, 255), 1023: (3, 3, 255), 4095: (15, 15, 255), 65535: (255, 255, 255)}
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
