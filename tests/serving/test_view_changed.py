"""A camera that was moved gives no decision in any of its regions, until it is back or its regions follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mjpeg_server import MjpegCamera
from serving.moved_camera import MOVED, REGIONS, WIDTH, frames, view
from serving.running import ask, running
from waiting import until

from edgecnn.errors import UsageError
from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
from edgecnn.runtime.frame_quality.view_reference import read_reference, shifted_reference, small_grey, write_reference
from edgecnn.serving.running import RunningService


@pytest.fixture
def camera() -> Iterator[MjpegCamera]:
    camera = MjpegCamera(fps=20)
    camera.frames = frames(0)
    yield camera
    camera.close()


@pytest.fixture
def source(camera: MjpegCamera, tmp_path: Path) -> dict[str, Any]:
    """Its health file has a reference of the view, and compares often."""
    limits = HealthThresholds(view_every_s=0.05, view_checks=2).with_references(write_reference(small_grey(view(0))))
    limits.save(tmp_path / "health.json")
    return {"name": "door", "address": camera.url, "health": tmp_path / "health.json", "regions": REGIONS}


def reasons(service: RunningService) -> list[str | None]:
    return [
        s["reason"] if s["status"] == "no_decision" else None for s in ask(f"{service.url}/api/state").json["states"]
    ]


def test_no_region_is_decided_on_while_the_view_is_another(
    camera: MjpegCamera, source: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, sources=[source]) as service:
        until(lambda: reasons(service) == [None, None])
        camera.frames = frames(MOVED)
        until(lambda: all(r and r.startswith("view changed: moved by 2") for r in reasons(service)))
        shift = ask(f"{service.url}/api/state").json["sources"][0]["view_shift"]
        assert (shift["dx_px"], shift["dy_px"]) == pytest.approx((MOVED, 0), abs=1)
        camera.frames = frames(0)
        until(lambda: reasons(service) == [None, None])


def test_the_regions_follow_on_request_and_stay_so(camera: MjpegCamera, source: dict[str, Any], tmp_path: Path) -> None:
    with running(tmp_path, sources=[source]) as service:
        realign = f"{service.url}/api/sources/door/realign"
        camera.frames = frames(MOVED)
        until(lambda: len(found := reasons(service)) == 2 and all(found))
        assert ask(realign, method="POST").status == 401
        answer = ask(realign, method="POST", token=service.token)
        assert answer.status == 200, answer.json
        left, right = answer.json["regions"]
        assert [int(part) for part in left["roi"].split(",")] == pytest.approx([32 + MOVED, 48, 96, 96], abs=1)
        assert float(right["roi"].split(",")[0]) == pytest.approx(0.5 + MOVED / WIDTH, abs=0.005)
        until(lambda: reasons(service) == [None, None])
    with running(tmp_path, sources=[source]) as service:
        until(lambda: reasons(service) == [None, None])
        assert ask(f"{service.url}/api/state").json["sources"][0]["regions"] == answer.json["regions"]


def test_a_shift_moves_the_regions_once(camera: MjpegCamera, source: dict[str, Any], tmp_path: Path) -> None:
    with running(tmp_path, sources=[source]) as service:
        camera.frames = frames(MOVED)
        until(lambda: len(found := reasons(service)) == 2 and all(found))
        service.service.stop()  # no frame comes between the two requests
        service.service.realign("door")
        with pytest.raises(UsageError, match="no shift was measured"):
            service.service.realign("door")


def test_what_cannot_follow_is_refused_in_one_line(camera: MjpegCamera, source: dict[str, Any], tmp_path: Path) -> None:
    at_edge = {**source, "regions": [{"name": "edge", "roi": "0.9,0,0.1,1"}]}
    with running(tmp_path, sources=[at_edge, {"name": "yard", "address": "fake:64x64@20"}]) as service:
        camera.frames = frames(MOVED)
        until(lambda: any(found := reasons(service)) and "view changed" in str(found))
        edge = ask(f"{service.url}/api/sources/door/realign", method="POST", token=service.token)
        assert (edge.status, "leaves the frame of 320 x 240" in edge.json["error"]) == (422, True)
        without = ask(f"{service.url}/api/sources/yard/realign", method="POST", token=service.token)
        assert (without.status, "no shift was measured" in without.json["error"]) == (422, True)


def test_a_shifted_reference_is_the_view_after_the_move() -> None:
    moved = read_reference(shifted_reference(write_reference(small_grey(view(0))), MOVED / WIDTH, 0))
    inner = slice(MOVED // 2 + 2, None)  # of 160 pixels: what came into view is not known
    assert np.abs(moved[:, inner].astype(int) - small_grey(view(MOVED))[:, inner]).mean() < 3
