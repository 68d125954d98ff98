"""Draws the live page of a running service as PNG files, at the widths of a desktop and of a phone.

    python scripts/screenshot_page.py tests/models/tiny.onnx docs/images

The cameras are simulated, so everybody gets the same images but for their times. It needs playwright and Chromium
(``CHROMIUM`` names another one).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, sync_playwright

from edgecnn.serving.running import RunningService
from edgecnn.serving.settings.settings import Settings

NARROW = 500  # pixels: phones have finer ones
NOISE = 5  # levels of the camera's image that are drawn as one: its noise makes a PNG large
FILLED_S = 58  # in which the chart of the last minute fills
SOURCES = (
    {"name": "line", "address": "fake:640x480@10"},
    {
        "name": "yard",
        "address": "fake:640x480@10,outage=280",
        "regions": [{"name": "gate", "roi": "0,0,0.5,1"}, {"name": "ramp", "roi": "0.5,0,0.5,1"}],
    },
)


def main() -> None:
    model, out = Path(sys.argv[1]), Path(sys.argv[2])
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        given = {"port": 0, "device": "line-3", "models": [{"file": model}], "sources": SOURCES}
        settings = Settings.model_validate({**given, "state_dir": Path(folder) / "state"})
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with RunningService(settings) as service:
            address = f"{service.url}/#token={service.token}"
            draw(browser, address, out / "live-page.png", (1280, 960), "light")
            draw(browser, address, out / "live-page-phone.png", (390, 844), "dark")
        browser.close()


def draw(browser: Browser, address: str, file: Path, size: tuple[int, int], scheme: str) -> None:
    """Opens the page, lets it run for a while, and draws what is seen without scrolling."""
    width, height = size
    scale = 1 if width > NARROW else 2
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale)
    page.goto(address)
    page.locator("#live-image").wait_for()
    page.wait_for_timeout(1000 * FILLED_S)
    area = page.locator("#stage").bounding_box()
    assert area is not None
    shown = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    left, top, right, bottom = (
        round(scale * edge) for edge in (area["x"], area["y"], area["x"] + area["width"], area["y"] + area["height"])
    )
    stage = shown[top:bottom, left:right]
    stage[:] = stage // NOISE * NOISE
    cv2.imwrite(str(file), shown, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")
    page.close()


if __name__ == "__main__":
    main()
