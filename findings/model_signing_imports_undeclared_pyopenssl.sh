#!/usr/bin/env bash
# model-signing 1.1.1 cannot be imported as pip installs it: it imports OpenSSL (pyOpenSSL), which it does not require. sigstore 4.0 brought
# pyOpenSSL along; sigstore 4.5.1 does not.
#
# So our extra `serve` requires pyOpenSSL itself.
#
# Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check model-signing==1.1.1 sigstore==4.5.1
if said="$("$folder/venv/bin/python" -c 'import model_signing' 2>&1)"; then
  echo "changed: model-signing can be imported"
  exit 1
fi
echo "${said##*$'\n'}"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyOpenSSL
"$folder/venv/bin/python" -c 'import model_signing' && echo "with pyOpenSSL it can be imported"
