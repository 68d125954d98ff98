#!/usr/bin/env bash
# Home Assistant (2025.4.4): an `update` entity whose versions are hashes shows no update where both hashes read as numbers and the new one is smaller.
#
# The MQTT integration takes any text as installed_version and latest_version. UpdateEntity first asks the package awesomeversion whether the latest is newer, and
# takes "cannot be compared" for yes. But some hexadecimal hashes are numbers to it, such as 582893433432 and 8277303271c2: those it compares.
#
# Seen on x86-64 Linux, Python 3.13, with random hashes of 12 digits:
#   hexadecimal hashes: 6 of 30000 updates are not shown
#   with the prefix sha256: 0 of 30000 updates are not shown
#
# So the service sends `sha256:` before the digits. Exits 0 where that still holds, 1 where it changed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_home_assistant
.home-assistant/bin/python -W ignore - <<'PY'
import random
import sys

from homeassistant.components.update import UpdateEntity


def hidden(prefix):
    random.seed(1)
    count = 0
    for _ in range(30000):
        entity = UpdateEntity()
        entity._attr_installed_version, entity._attr_latest_version = (
            prefix + "".join(random.choices("0123456789abcdef", k=12)) for _ in range(2)
        )
        count += entity.state != "on"
    return count


bare, prefixed = hidden(""), hidden("sha256:")
print(f"hexadecimal hashes: {bare} of 30000 updates are not shown")
print(f"with the prefix sha256: {prefixed} of 30000 updates are not shown")
sys.exit(not (bare > 0 and prefixed == 0))
PY
