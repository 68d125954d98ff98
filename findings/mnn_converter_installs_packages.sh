#!/usr/bin/env bash
# MNN (3.6.1): its converter's command installs packages with whichever pip is first on PATH, in another environment than its own where that is.
#
# `mnnconvert` and `mnnquant` of the wheel import MNN/tools/utils/log.py. Where the package aliyun-log-python-sdk is missing, that module runs
# `pip install -U aliyun-log-python-sdk` in a shell before anything is converted: unasked, unpinned, not of the environment that the command belongs to.
#
# Seen on x86-64 Linux, Python 3.11, with a program named pip first on PATH that writes down what it is asked:
#   mnnconvert asked pip for: install -U aliyun-log-python-sdk
#
# So benchmarks/peers calls the converter's C functions and not its command. Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check MNN==3.6.1 numpy==2.4.6
mkdir "$work/first"
printf '#!/bin/sh\necho "$@" >> "%s/asked"\nexit 1\n' "$work" > "$work/first/pip"
chmod +x "$work/first/pip"
PATH="$work/first:$PATH" "$work/venv/bin/mnnconvert" --help > "$work/told" 2>&1 || true # without the package it cannot go on
asked="$(sort -u "$work/asked" 2>/dev/null || echo nothing)"
echo "mnnconvert asked pip for: $asked"
[ "$asked" = "install -U aliyun-log-python-sdk" ]
