"""Checks this machine for `doctor`: Python, packages, providers, processor and cameras. Recommends the next command.

OpenCV and onnxruntime are imported only after a check that they load.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgecnn._version import __version__
from edgecnn.data_quality.finding import Finding
from edgecnn.runtime.doctor.machine import examine_machine
from edgecnn.runtime.doctor.packages import LoadFault, examine_onnxruntime, examine_opencv, load_faults
from edgecnn.runtime.doctor.recommendation import Recommendation
from edgecnn.runtime.system.cpu_features import has_fast_int8, has_vnni, is_x86, physical_cores

if TYPE_CHECKING:
    from edgecnn.runtime.sources.cameras import Camera

__all__ = ["examine_environment"]

_MIN_PYTHON = (3, 10)

# Distributions that install the same module, each over the other's files. Plugins, onnxruntime-ep-* for example,
# install another one
_OPENCVS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIMES = (
    "onnxruntime",
    *(
        f"onnxruntime-{kind}"
        for kind in (
            "gpu",
            "openvino",
            "directml",
            "qnn",
            "rocm",
            "migraphx",
            "vitisai",
            "webgpu",
            "training",
            "silicon",
        )
    ),
    *("ort-nightly", "ort-nightly-gpu", "ort-nightly-directml"),
)
_TRAINING = ("torch", "onnx", "onnxscript", "matplotlib")


def examine_environment() -> tuple[list[Finding], Recommendation | None]:
    """Returns all findings and the recommended next command.

    Conflicting packages and packages that do not load are faults. The command is None if no command fixes the fault.
    """
    broken = load_faults()
    asked = (
        ("OpenCV", "cv2", _OPENCVS, "opencv-python-headless"),
        ("onnxruntime", "onnxruntime", _ONNXRUNTIMES, _engine(broken)),
    )
    clashes = [clash for title, module, names, keep in asked if (clash := _clash(title, module, names, keep))]
    findings = [
        *_python(sys.version_info[:2]),
        *(clash.finding for clash in clashes),
        *examine_onnxruntime(),
        *examine_opencv(),
        *examine_machine(),
    ]
    findings += [] if broken else _int8()
    cameras = _cameras(broken)
    findings += [*_camera_findings(cameras), *_extras()]
    if clashes:
        return findings, _mend(clashes)
    if broken:
        return findings, broken[0].recommendation
    if any(f.level == "fault" for f in findings):
        return findings, None
    return findings, _next(cameras or ())


def _python(running: tuple[int, int]) -> Iterator[Finding]:
    found = (
        f"{platform.python_version()} with EdgeCNN {__version__} on {platform.system()}, {platform.machine()} "
        f"({sys.executable})"
    )
    if running < _MIN_PYTHON:
        least = ".".join(map(str, _MIN_PYTHON))
        yield Finding(
            "fault",
            f"{found}: {least} or later is required",
            "Python",
            "create a virtual environment with a newer Python",
        )
    else:
        yield Finding("ok", found, "Python", "")


@dataclass(frozen=True)
class _Clash:
    """Installed distributions that provide the same module."""

    title: str
    installed: dict[str, str]  # name -> version
    keep: str

    @property
    def finding(self) -> Finding:
        listed = ", ".join(f"{name} {version}" for name, version in self.installed.items())
        others = " or ".join(name for name in self.installed if name != self.keep)
        told = (
            f"{len(self.installed)} conflicting packages install {self.title} and overwrite each other's "
            f"files: {listed}"
        )
        remedy = (
            f"pip uninstall {' '.join(self.installed)}, then pip install {self.keep} (or {others}, if you want that)"
        )
        return Finding("fault", told, self.title, remedy)


def _clash(title: str, module: str, names: tuple[str, ...], keep: str) -> _Clash | None:
    found = {name: installed for name in names if (installed := _installed(name)) and _brings(name, module)}
    return _Clash(title, found, keep) if len(found) > 1 else None


def _brings(name: str, module: str) -> bool:
    """Whether a distribution installs the module, according to its metadata.

    onnxruntime-qnn did in older versions; now it is a plugin with another module name.
    """
    files = distribution(name).files
    return not files or any(file.parts[0] == module for file in files)


def _mend(clashes: Sequence[_Clash]) -> Recommendation:
    """Recommends to uninstall all conflicting packages, because they share files, and to install one again."""
    command = (
        f"pip uninstall -y {' '.join(name for c in clashes for name in c.installed)} && pip install "
        f"{' '.join(c.keep for c in clashes)}"
    )
    return Recommendation(
        command,
        f"packages conflict, so results are unpredictable: keep one {' and one '.join(c.title for c in clashes)}",
    )


def _engine(broken: Sequence[LoadFault]) -> str:
    """Returns the onnxruntime package to keep: the GPU build if the machine has an NVIDIA GPU."""
    if any(fault.name == "onnxruntime" for fault in broken):
        return "onnxruntime"
    # Imports onnxruntime, which is seen to load by now
    from edgecnn.runtime.providers.availability import this_machine  # noqa: PLC0415

    return "onnxruntime-gpu" if this_machine().nvidia == "driver" and _installed("onnxruntime-gpu") else "onnxruntime"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cameras(broken: Sequence[LoadFault]) -> tuple[Camera, ...] | None:
    if any(fault.name == "OpenCV" for fault in broken):
        return None
    # Its package imports OpenCV, which is seen to load by now
    from edgecnn.runtime.sources.cameras import find_cameras  # noqa: PLC0415

    return find_cameras()


def _camera_findings(cameras: tuple[Camera, ...] | None) -> Iterator[Finding]:
    if cameras is None:
        yield Finding("note", "not checked, because OpenCV does not load", "camera", "")
        return
    for camera in cameras:
        what = f"'{camera.name}' ({camera.path or 'on the camera connector'})"
        if camera.problem:
            problem, _, remedy = camera.problem.partition("; ")
            yield Finding("warning", f"{what} {problem}", "camera", remedy)
        else:
            yield Finding("ok", f"{what}: predict MODEL {camera.source}", "camera", "")
    if not cameras and sys.platform.startswith("linux"):
        remedy = (
            "connect a camera; start a container with --device /dev/video0; on a Raspberry Pi camera connector, "
            "`rpicam-hello` tests it"
        )
        yield Finding("note", "none found", "camera", remedy)
    elif not cameras:
        yield Finding(
            "note",
            f"{platform.system()} does not give OpenCV a list of cameras",
            "camera",
            "try `edgecnn predict MODEL 0`, which uses the first camera",
        )


def _extras() -> Iterator[Finding]:
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing:
        what = f"{', '.join(missing)} not installed: EdgeCNN can run models, but not train or export them"
        yield Finding("note", what, "training", "pip install 'edgecnn[train]'")
    else:
        yield Finding("note", "installed: training, export and quantization work", "training", "")


def _int8() -> Iterator[Finding]:
    """Reports whether 7-bit or 8-bit int8 weights are faster. Only on x86; other processors run both the same way."""
    if not is_x86():
        return
    # Imports onnxruntime, which is seen to load by now
    from edgecnn.runtime.analysis.weight_bits_timing import time_convolutions  # noqa: PLC0415

    yield Finding("ok", f"int8 convolutions: {time_convolutions()}", "processor", "")


def _next(cameras: tuple[Camera, ...]) -> Recommendation:
    """Recommends a command with model form, provider, threads and camera, from what is known without a model file."""
    # Imports onnxruntime, which is seen to load by now
    from edgecnn.runtime.providers.availability import missing_providers, this_machine  # noqa: PLC0415
    from edgecnn.runtime.providers.registry import available  # noqa: PLC0415

    lacking = {reason.provider for reason in missing_providers()}
    # Elsewhere it runs where it was built in, and only a race tells whether it gains
    lacking |= set() if this_machine().intel else {"openvino"}
    ep = next(p.name for p in available() if p.name not in lacking)
    model, why = _file_for(ep)
    source = next((camera.source for camera in cameras if not camera.problem), "image.jpg")
    threads = ("--threads", physical_cores()) if ep == "cpu" else ()
    return Recommendation.of(
        f"{why}; `edgecnn doctor {model}` verifies and times the model first",
        "edgecnn",
        "predict",
        model,
        source,
        "--ep",
        ep,
        *threads,
    )


def _file_for(ep: str) -> tuple[str, str]:
    """Returns the model form that is fast on a provider, and the reason."""
    if ep == "cuda":
        return "model.onnx", "CUDA has no int8 convolutions: use the float file"
    if ep in ("tensorrt", "openvino"):
        return "model.int8.onnx", f"use the int8 file of `edgecnn quantize --target {ep}`"
    if ep != "cpu":
        return "model.onnx", f"use the float file on {ep}"
    target = "x86" if is_x86() else "arm64"
    if not has_vnni():
        return "model.int8.onnx", f"use an int8 file that was quantized on this machine (target {target})"
    if has_fast_int8() is False:
        return "model.onnx", "use the float file, because int8 is hardly faster on this processor"
    return "model.int8.onnx", f"use the int8 file for the target {target}"
