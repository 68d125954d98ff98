"""Cameras are found without starting them, and named by number, path or name.

What cannot be had is told in one line.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

from edgecnn.errors import SourceError
from edgecnn.runtime.sources import cameras
from edgecnn.runtime.sources.cameras import Camera, NodeFacts, find_cameras, query_node, resolve_camera


class Tree:
    """A /sys and a /dev with video devices, as Linux lays them out."""

    def __init__(self, folder: Path) -> None:
        self.sys, self.dev = folder / "sys", folder / "dev"
        self.dev.mkdir()
        self.captures: dict[str, bool] = {}

    def add(self, number: int, name: str, rank: int = 0, captures: bool = True, *, node: bool = True) -> Path:
        described = self.sys / "class" / "video4linux" / f"video{number}"
        described.mkdir(parents=True)
        (described / "name").write_text(f"{name}\n")
        (described / "index").write_text(f"{rank}\n")
        path = self.dev / f"video{number}"
        if node:
            path.touch()
        self.captures[path.name] = captures
        return path

    def add_chip(self, number: int, name: str) -> None:
        described = self.sys / "class" / "video4linux" / f"v4l-subdev{number}"
        described.mkdir(parents=True)
        (described / "name").write_text(f"{name}\n")

    def query(self, path: Path) -> NodeFacts | None:
        return NodeFacts("card", "usb-1", self.captures[path.name])

    def find(self) -> tuple[Camera, ...]:
        return find_cameras(self.sys, self.dev, self.query)

    def resolve(self, source: str) -> Camera:
        return resolve_camera(source, sys_root=self.sys, dev_root=self.dev, query=self.query)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def two(tree: Tree) -> Tree:
    tree.add(0, "HD Pro Webcam C920")
    tree.add(1, "HD Pro Webcam C920", rank=1, captures=False)
    tree.add(2, "USB Camera: C270")
    return tree


def test_a_machine_without_cameras_has_none(tree: Tree) -> None:
    assert tree.find() == ()


def test_nodes_that_only_give_metadata_are_no_cameras(two: Tree) -> None:
    assert [(c.index, c.path, c.name, c.problem) for c in two.find()] == [
        (0, str(two.dev / "video0"), "HD Pro Webcam C920", ""),
        (2, str(two.dev / "video2"), "USB Camera: C270", ""),
    ]


def test_a_driver_that_may_not_be_asked_leaves_the_first_node_of_each_device(two: Tree) -> None:
    assert [c.index for c in find_cameras(two.sys, two.dev, lambda path: None)] == [0, 2]


def test_a_driver_that_says_it_takes_no_images_is_believed(tree: Tree) -> None:
    tree.add(0, "loopback", captures=False)
    assert tree.find() == ()


def test_a_name_cannot_write_to_the_terminal(tree: Tree) -> None:
    tree.add(0, "cam\x1b[2Jera")
    assert tree.find()[0].name == "cam[2Jera"


def test_video10_comes_after_video2(tree: Tree) -> None:
    for number in (10, 2):
        tree.add(number, f"camera {number}")
    assert [c.index for c in tree.find()] == [2, 10]


def test_a_raspberry_pi_has_its_sensor_and_not_its_codecs_and_processors(tree: Tree) -> None:
    for number, name in (
        (0, "unicam-image"),
        (10, "bcm2835-codec-decode"),
        (14, "bcm2835-isp-capture0"),
        (20, "pispbe-output0"),
    ):
        tree.add(number, name)
    tree.add_chip(0, "imx708 10-001a")
    tree.add_chip(1, "dw9807 10-000c")  # focuses the lens
    tree.add_chip(2, "csi2")
    (camera,) = tree.find()
    assert (camera.index, camera.path, camera.name, camera.kind, camera.source) == (0, None, "imx708", "csi", "csi:0")
    with pytest.raises(SourceError, match="^camera:IMX708: 'imx708' is on the camera connector; use csi:0"):
        tree.resolve("camera:IMX708")
    with pytest.raises(SourceError, match="unicam-image.*libcamera.*csi:"):
        tree.resolve("0")
    with pytest.raises(SourceError, match="processes images"):
        tree.resolve("10")


@pytest.mark.parametrize("source", ["2", "USB Camera: C270", "camera:USB Camera: C270", "camera:c270", "c270", "usb"])
def test_a_camera_goes_by_number_and_by_a_part_of_its_name(two: Tree, source: str) -> None:
    assert two.resolve(source).index == 2


def test_a_camera_goes_by_its_path_and_by_a_link_to_it(two: Tree) -> None:
    path = two.dev / "video2"
    link = two.dev / "by-id-usb-camera"
    link.symlink_to(path)
    assert two.resolve(str(path)).index == two.resolve(str(link)).index == 2


def test_a_whole_name_goes_before_names_that_hold_it(tree: Tree) -> None:
    tree.add(0, "Camera 2")
    tree.add(2, "Camera")
    assert tree.resolve("camera").index == 2


def test_a_name_that_several_have_is_an_error_that_lists_them(two: Tree) -> None:
    with pytest.raises(
        SourceError, match="2 cameras.*video0 'HD Pro Webcam C920'.*video2 'USB Camera: C270'"
    ) as raised:
        two.resolve("c")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("source", ["7", "/dev/video7", "camera:logitech", "camera:", ""])
def test_a_camera_that_is_not_there_is_an_error_that_lists_what_is(two: Tree, source: str) -> None:
    with pytest.raises(SourceError, match="no such camera; available cameras: .*C920.*C270"):
        two.resolve(source)


def test_a_metadata_node_asked_for_is_told_from_a_camera(two: Tree) -> None:
    with pytest.raises(SourceError, match="this node of 'HD Pro Webcam C920' gives no images.*video0"):
        two.resolve("1")
    with pytest.raises(SourceError, match="gives no images"):
        two.resolve(str(two.dev / "video1"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists cameras")
def test_without_any_camera_that_is_said(tree: Tree) -> None:
    with pytest.raises(SourceError, match=r"^0: no camera was found; connect a camera"):
        tree.resolve("0")


def test_where_the_system_lists_no_cameras_a_number_is_taken_on_trust(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tree.resolve("1") == Camera(1, None, "camera 1", "unknown")
    with pytest.raises(SourceError, match="does not list its cameras; give a number"):
        tree.resolve("facetime")


def test_a_camera_that_this_user_may_not_open_is_told_with_the_group(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(0, "C920")
    monkeypatch.setattr(cameras.os, "access", lambda path, mode: False)  # root may open everything
    (camera,) = tree.find()
    assert "permission denied" in camera.problem
    with pytest.raises(
        SourceError, match=r"^C920: 'C920' permission denied for this user; run sudo usermod -aG \S+ \$USER"
    ):
        tree.resolve("C920")


def test_a_camera_that_a_container_was_not_given_is_told(tree: Tree) -> None:
    path = tree.add(0, "C920", node=False)
    (camera,) = find_cameras(tree.sys, tree.dev, query_node)
    assert f"--device {path}" in camera.problem


def test_a_file_that_is_no_video_device_answers_no_query(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert query_node(tmp_path / "file") is None
    assert query_node(tmp_path / "nothing") is None
    assert query_node(Path(os.devnull)) is None


def capability(capabilities: int, device_caps: int) -> bytes:
    """struct v4l2_capability, as the kernel's header lays it out."""
    return struct.pack(
        "=16s32s32sIII3I",
        b"uvcvideo",
        b"HD Pro Webcam C920",
        b"usb-0000:00:14.0-1",
        0x60100,
        capabilities,
        device_caps,
        0,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("capabilities", "device_caps", "captures"),
    [
        (0x84A00001, 0x04200001, True),  # a UVC camera's first node
        (0x84A00001, 0x04A00000, False),  # its metadata
        (0x04000001, 0, True),  # a driver before device_caps
        (0x84001000, 0x04001000, True),  # several planes
        (0x84004000, 0x04004000, False),  # a codec: memory to memory
    ],
)
def test_what_a_driver_says_is_read_as_the_kernel_lays_it_out(
    capabilities: int, device_caps: int, captures: bool
) -> None:
    answer = capability(capabilities, device_caps)
    assert len(answer) == 104 == cameras._QUERYCAP >> 16 & 0x3FFF  # the size is part of the request's number
    assert cameras._read_capability(answer) == NodeFacts("HD Pro Webcam C920", "usb-0000:00:14.0-1", captures)
