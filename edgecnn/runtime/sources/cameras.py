"""Lists cameras without capturing an image, and resolves a camera name."""

from __future__ import annotations

import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecnn.errors import SourceError

__all__ = ["Camera", "NodeFacts", "find_cameras", "query_node", "resolve_camera"]

_SYS, _DEV = Path("/sys"), Path("/dev")

# Linux's uapi header videodev2.h: VIDIOC_QUERYCAP is _IOR('V', 0, struct v4l2_capability)
_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_CAPTURE, _CAPTURE_PLANES, _HAS_DEVICE_CAPS = 0x1, 0x1000, 0x8000_0000

# Capture nodes that give no image of the world by themselves: a Raspberry Pi's codecs and image processors …
_PROCESSORS = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc")
# … and the receivers behind its camera connector, whose raw images only libcamera turns into colours
_RECEIVERS = ("unicam", "rp1-cfe")
# How the kernel calls a chip on an I2C bus: imx708 10-001a
_SENSOR = re.compile(r"^([a-z]+[0-9][a-z0-9_]*) \d+-[0-9a-f]{4}$")
_LENSES = ("ad5", "ak7", "dw9", "lm3")  # chips on the same bus that focus or light


@dataclass(frozen=True)
class Camera:
    """A camera, as the system describes it without starting it."""

    index: int  # OpenCV's number; libcamera's for those on the camera connector
    path: str | None  # /dev/videoN; None where it has none
    name: str
    kind: Literal["v4l2", "csi", "unknown"]
    problem: str = ""  # why it cannot be opened, and what to do after a semicolon

    @property
    def source(self) -> str:
        """The source address for `edgecnn predict`."""
        return f"csi:{self.index}" if self.kind == "csi" else str(self.index)


@dataclass(frozen=True)
class NodeFacts:
    """Properties of a /dev/videoN device node, from its driver."""

    card: str
    bus: str
    captures: bool


Query = Callable[[Path], "NodeFacts | None"]


def query_node(path: Path) -> NodeFacts | None:
    """Queries the driver. Starts no capture, and works while another program uses the camera.

    Returns:
        The properties; None if the node is not a video device or may not be opened.
    """
    try:
        import fcntl  # noqa: PLC0415  # Windows has none
    except ImportError:
        return None
    answer = bytearray(_CAPABILITY.size)
    try:
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.ioctl(file, _QUERYCAP, answer)
    except OSError:
        return None
    finally:
        os.close(file)
    return _read_capability(bytes(answer))


def _read_capability(answer: bytes) -> NodeFacts:
    """Each node of a camera has its own `device_caps`; `capabilities` is the union over all nodes."""
    _, card, bus, _, capabilities, device_caps = _CAPABILITY.unpack(answer)
    own = device_caps if capabilities & _HAS_DEVICE_CAPS else capabilities
    return NodeFacts(_text(card), _text(bus), bool(own & (_CAPTURE | _CAPTURE_PLANES)))


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode(errors="replace")


def find_cameras(sys_root: Path = _SYS, dev_root: Path = _DEV, query: Query = query_node) -> tuple[Camera, ...]:
    """Returns the cameras, by number; those on a Raspberry Pi camera connector last.

    Only Linux lists cameras. On macOS and Windows OpenCV would have to start each one, so the tuple is empty there.

    Args:
        sys_root: root of sysfs.
        dev_root: folder of the device nodes.
        query: queries the driver of a node.
    """
    nodes = _nodes(sys_root)
    cameras = [
        _camera(n, dev_root)
        for n in nodes
        if not n.name.startswith((*_PROCESSORS, *_RECEIVERS)) and _captures(n, dev_root, query)
    ]
    behind = any(n.name.startswith(_RECEIVERS) for n in nodes)
    return (*cameras, *(_on_connector(sys_root) if behind else ()))


def resolve_camera(
    source: str,
    cameras: Sequence[Camera] | None = None,
    *,
    sys_root: Path = _SYS,
    dev_root: Path = _DEV,
    query: Query = query_node,
) -> Camera:
    """Finds the camera for `0`, `/dev/video0` (or a link to it), or `camera:` and a part of its name.

    Args:
        source: the address; a name may be given without `camera:`.
        cameras: the cameras to choose from; None: those found here.
        sys_root, dev_root, query: as in :func:`find_cameras`.

    Raises:
        SourceError: no camera matches, several match, or the camera cannot be opened. The message lists the cameras.
    """
    if cameras is None:
        cameras = find_cameras(sys_root, dev_root, query)
    wanted = source.removeprefix("camera:")
    if wanted.isdecimal() and not cameras and not sys.platform.startswith("linux"):
        return Camera(int(wanted), None, f"camera {wanted}", "unknown")  # these systems tell only by opening it
    fitting = _fitting(wanted, cameras)
    if not fitting:
        raise SourceError(f"{source}: {_why_none(wanted, cameras, sys_root, dev_root)}; {_listed(cameras)}")
    if len(fitting) > 1:
        raise SourceError(f"{source}: {len(fitting)} cameras match this name; give the path of one: {_names(fitting)}")
    if fitting[0].kind == "csi":
        raise SourceError(f"{source}: '{fitting[0].name}' is on the camera connector; use {fitting[0].source} instead")
    if fitting[0].problem:
        what, _, remedy = fitting[0].problem.partition("; ")
        raise SourceError(f"{source}: '{fitting[0].name}' {what}; {remedy}")
    return fitting[0]


def _fitting(source: str, cameras: Sequence[Camera]) -> list[Camera]:
    if source.isdecimal():
        return [c for c in cameras if c.index == int(source) and c.kind != "csi"]
    if "/" in source or Path(source).is_symlink():
        names = {source, os.path.realpath(source)}  # udev links cameras by name: /dev/v4l/by-id
        return [c for c in cameras if c.path in names]
    called = source.casefold()
    whole = [c for c in cameras if c.name.casefold() == called]
    return whole or [c for c in cameras if called and called in c.name.casefold()]


def _why_none(source: str, cameras: Sequence[Camera], sys_root: Path, dev_root: Path) -> str:
    number = (
        source
        if source.isdecimal()
        else Path(source).name.removeprefix("video")
        if source.startswith(f"{dev_root}/video")
        else ""
    )
    node = next((n for n in _nodes(sys_root) if str(n.number) == number), None)
    if node is None:
        return "no such camera" if cameras else "no camera was found"
    if node.name.startswith(_RECEIVERS):
        return f"'{node.name}' gives raw sensor data, which libcamera converts; use csi: instead"
    if node.name.startswith(_PROCESSORS):
        return f"'{node.name}' processes images and does not capture any"
    return f"this node of '{node.name}' gives no images (possibly metadata)"


def _listed(cameras: Sequence[Camera]) -> str:
    if cameras:
        return f"available cameras: {_names(cameras)}"
    if sys.platform.startswith("linux"):
        return "connect a camera; `edgecnn doctor` then lists it"
    return "this system does not list its cameras; give a number, 0 for the first"


def _names(cameras: Sequence[Camera]) -> str:
    return ", ".join(f"{c.path or c.source} '{c.name}'" for c in cameras)


@dataclass(frozen=True)
class _Node:
    """A /dev/videoN device node, as sysfs describes it."""

    number: int
    name: str
    rank: int  # among its device's nodes


def _nodes(sys_root: Path) -> list[_Node]:
    folders = (sys_root / "class" / "video4linux").glob("video[0-9]*")
    found = [
        _Node(int(f.name.removeprefix("video")), _read(f / "name"), int(_read(f / "index") or 0))
        for f in folders
        if f.name[5:].isdecimal()
    ]
    return sorted(found, key=lambda node: node.number)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _captures(node: _Node, dev_root: Path, query: Query) -> bool:
    """Whether a node captures images, according to its driver. If the driver may not be queried, the first node of each
    device counts, because the others of a camera give metadata."""
    facts = query(dev_root / f"video{node.number}")
    return facts.captures if facts else node.rank == 0


def _camera(node: _Node, dev_root: Path) -> Camera:
    path = dev_root / f"video{node.number}"
    name = "".join(letter for letter in node.name if letter.isprintable())  # the device says it, and may say anything
    return Camera(index=node.number, path=str(path), name=name or path.name, kind="v4l2", problem=_problem(path))


def _problem(path: Path) -> str:
    if not path.exists():
        return f"is connected, but {path} does not exist; start a container with --device {path}"
    if not os.access(path, os.R_OK | os.W_OK):
        group = _group(path)
        return f"permission denied for this user; run sudo usermod -aG {group} $USER, then log in again"
    return ""


def _group(path: Path) -> str:
    try:
        import grp  # noqa: PLC0415  # Windows has none

        return grp.getgrgid(path.stat().st_gid).gr_name
    except (ImportError, KeyError, OSError):
        return "video"


def _on_connector(sys_root: Path) -> Iterator[Camera]:
    """Yields camera sensors by chip name, which the kernel lists as sub-devices of the receiver."""
    names = [_read(folder / "name") for folder in sorted((sys_root / "class" / "video4linux").glob("v4l-subdev*"))]
    sensors = sorted(
        {match[1] for name in names if (match := _SENSOR.match(name)) and not match[1].startswith(_LENSES)}
    )
    for number, sensor in enumerate(sensors):
        yield Camera(number, None, sensor, "csi")
