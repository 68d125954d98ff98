#!/usr/bin/env bash
# OpenCV 5.0 (opencv-python-headless 5.0.0.93, x86-64): resizing bytes with INTER_CUBIC gives other pixels on a processor with AVX-512 than on one with AVX2 or SSE4.2.
#
# OpenCV leaves this resize to Intel's IPP (2026.0.0 in this wheel), which has other code for each instruction set; OPENCV_IPP chooses one of them. They round
# otherwise. INTER_LINEAR, INTER_AREA and INTER_NEAREST_EXACT do not use IPP. So a network that was trained or compared on one machine sees other pixels on
# another one, and their difference is one level.
#
# Seen on x86-64 Linux with AVX-512, Python 3.11; an image of 500 x 375 pixels of noise on a gradient, to 224 x 224; bytes that differ from those of SSE4.2:
#   cubic: avx2 2, avx512 3, without IPP 5502 of 150528, by 1 at most
#   linear: avx2 0, avx512 0, without IPP 0 of 150528, by 0 at most
#   area: avx2 0, avx512 0, without IPP 0 of 150528, by 0 at most
#   nearest_exact: avx2 0, avx512 0, without IPP 0 of 150528, by 0 at most
#
# So docs/adopt.md says which interpolations give the same pixels on every processor. Exits 0 where cubic differs, by one level, and the others do not; 1 where that changed.
set -euo pipefail
grep -qw avx2 /proc/cpuinfo || { echo "this processor has no AVX2, so there is nothing to compare" >&2; exit 1; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > "$folder/resize.py" <<'PY'
import sys

import cv2
import numpy as np

random = np.random.default_rng(0)
corners = random.integers(0, 256, (3, 4, 3)).astype(np.float32)
gradient = cv2.resize(corners, (500, 375), interpolation=cv2.INTER_LINEAR)
image = np.clip(gradient + random.normal(0, 12, gradient.shape), 0, 255).astype(np.uint8)
kinds = {
    "cubic": cv2.INTER_CUBIC,
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "nearest_exact": cv2.INTER_NEAREST_EXACT,
}
np.savez(sys.argv[1], **{name: cv2.resize(image, (224, 224), interpolation=kind) for name, kind in kinds.items()})
PY
sets="sse42 avx2"
if grep -qw avx512f /proc/cpuinfo; then sets="$sets avx512"; fi
for set in $sets disabled; do
  OPENCV_IPP="$set" "$folder/venv/bin/python" "$folder/resize.py" "$folder/$set.npz" 2> "$folder/said" || { cat "$folder/said" >&2; exit 1; }
done
"$folder/venv/bin/python" - "$folder" $sets <<'PY'
import sys
from pathlib import Path

import numpy as np

folder, sets = Path(sys.argv[1]), sys.argv[3:]
first = np.load(folder / "sse42.npz")
others = {name: np.load(folder / f"{name}.npz") for name in [*sets, "disabled"]}
holds = True
for kind in first:
    apart = {name: np.abs(first[kind].astype(int) - other[kind]) for name, other in others.items()}
    counts = {name: np.count_nonzero(values) for name, values in apart.items()}
    largest = max(int(values.max()) for values in apart.values())
    told = ", ".join(f"{'without IPP' if name == 'disabled' else name} {count}" for name, count in counts.items())
    print(f"{kind}: {told} of {first[kind].size}, by {largest} at most")
    holds &= (largest == 1 and all(counts.values())) if kind == "cubic" else not any(counts.values())
print("still so" if holds else "it changed")
sys.exit(0 if holds else 1)
PY
