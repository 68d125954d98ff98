#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93): VideoCapture.read() returns True for a frame whose colour conversion was refused. The
# array is then the frame before, or memory that nobody wrote.
#
# The video is valid: MPEG-2, a progressive part, then an interlaced one (4:2:0), as DVB, DVDs and camcorders have it. PyAV, which is
# FFmpeg too, decodes and converts all of it. OpenCV prints "Cannot convert interlaced to progressive frames or vice versa" on
# standard error for each interlaced frame, and gives the last progressive frame again with True. A program that heeds the return
# value takes an old image for the new one.
#
# Seen on x86-64 Linux, Python 3.11:
#   OpenCV 5.0.0: 23 frames read, all with True; PyAV decodes 23
#   bright frames: PyAV 12, OpenCV 0
#   frames of OpenCV that are the frame before, to the bit: 12
#
# Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 av==17.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys
from fractions import Fraction

import av
import cv2
import numpy as np

INTERLACED = 0x2004_0000  # libavcodec: AV_CODEC_FLAG_INTERLACED_DCT | AV_CODEC_FLAG_INTERLACED_ME


def write(path, level, interlaced):
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 4_000_000
        if interlaced:
            stream.codec_context.flags |= INTERLACED
        for index in range(12):
            image = np.full((240, 320, 3), level, np.uint8)
            image[:, 16 * index : 16 * index + 16] = 255 - level  # a bar that moves, so that no two frames are alike
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


write("dark.ts", 40, interlaced=False)
write("bright.ts", 215, interlaced=True)
with open("mixed.ts", "wb") as joined:
    for part in ("dark.ts", "bright.ts"):
        joined.write(open(part, "rb").read())
with av.open("mixed.ts") as container:
    right = [float(frame.to_ndarray(format="bgr24").mean()) for frame in container.decode(video=0)]
capture, seen = cv2.VideoCapture("mixed.ts", cv2.CAP_FFMPEG), []
while True:
    read, image = capture.read()
    if not read:
        break
    seen.append(image.copy())
levels = [float(image.mean()) for image in seen]
repeated = sum(np.array_equal(a, b) for a, b in zip(seen, seen[1:]))
print(f"OpenCV {cv2.__version__}: {len(seen)} frames read, all with True; PyAV decodes {len(right)}")
print(f"bright frames: PyAV {sum(level > 128 for level in right)}, OpenCV {sum(level > 128 for level in levels)}")
print(f"frames of OpenCV that are the frame before, to the bit: {repeated}")
holds = sum(level > 128 for level in right) > 8 and repeated > 8 and sum(level > 128 for level in levels) == 0
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
