#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93): of an animated PNG whose default image is no frame of the animation, `imread` gives the
# first frame of the animation.
#
# A PNG may hold an image for readers without animation (IDAT), and an animation beside it: it is a frame only where an fcTL chunk comes
# before IDAT (PNG, third edition, clause 4.9). A reader of single images shows the first, as Pillow does. OpenCV reads such a file as the
# animation that it is not asked for: another image than every thumbnail shows, with no word.
#
# Seen on x86-64 Linux, Python 3.11: a dark default image (40), then an animation of 120 and 200:
#   default image not a frame: OpenCV 120, Pillow 40
#   default image the first frame: OpenCV 40, Pillow 40
#
# EdgeCNN decodes by OpenCV in training as on the device, so both see the same frame. Exits 0 where that still holds, 1 where it changed.
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

frames = [Image.fromarray(np.full((64, 96, 3), level, np.uint8)) for level in (40, 120, 200)]
found = {}
for name, apart in (("not a frame", True), ("the first frame", False)):
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, default_image=apart, append_images=frames[1:], duration=100)
    opencv = int(cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR).mean())
    pillow = int(np.asarray(Image.open(file).convert("RGB")).mean())
    print(f"default image {name}: OpenCV {opencv}, Pillow {pillow}")
    found[name] = opencv, pillow
holds = found == {"not a frame": (120, 40), "the first frame": (40, 40)}
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
