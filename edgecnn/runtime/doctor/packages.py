"""Checks OpenCV and onnxruntime: whether they load, their build options, and why a provider is missing."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from edgecnn.data_quality.finding import Finding, Level
from edgecnn.runtime.doctor.recommendation import Recommendation

if TYPE_CHECKING:
    from edgecnn.runtime.providers.availability import Reason

__all__ = ["LoadFault", "examine_onnxruntime", "examine_opencv", "load_faults"]

_OPENCV = "opencv-python-headless"
_NAMES = {"cv2": "OpenCV", "onnxruntime": "onnxruntime"}
_VIDEO = ("FFMPEG", "V4L2", "GSTREAMER", "AVFOUNDATION", "MSMF", "DSHOW")
_SAID = {"GSTREAMER": "GStreamer", "AVFOUNDATION": "AVFoundation"}
_HEADLESS = "pip uninstall -y opencv-python && pip install --force-reinstall opencv-python-headless"
_REMEDIES = {  # part of the loader's message -> command, and further advice
    "libGL": (_HEADLESS, "or, on Debian, apt install libgl1"),
    "libgthread": (_HEADLESS, "or, on Debian, apt install libglib2.0-0"),
    "numpy": (
        "pip install --upgrade --force-reinstall numpy {package}",
        "the package and numpy were built for different versions of numpy",
    ),
    "DLL load failed": (
        "pip install --force-reinstall {package}",
        "first install Microsoft's Visual C++ Redistributable",
    ),
}


@dataclass(frozen=True)
class LoadFault:
    """A package that is not installed or does not load."""

    name: str
    why: str
    command: str
    advice: str

    @property
    def finding(self) -> Finding:
        """The fault as a finding."""
        return Finding(
            "fault",
            f"does not load: {self.why}",
            self.name,
            f"{self.command} ({self.advice})" if self.advice else self.command,
        )

    @property
    def recommendation(self) -> Recommendation:
        """The command that may fix the fault."""
        return Recommendation(self.command, f"{self.name} does not load, and EdgeCNN cannot run without it")


def loaded(module: str, package: str) -> ModuleType | LoadFault:
    """Imports a module; returns the module, or the reason why it does not load."""
    try:
        return importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  # whatever a broken package raises while it is imported
        why = " ".join(str(error).split()) or type(error).__name__
        command, advice = next(
            (remedy for part, remedy in _REMEDIES.items() if part in why),
            ("pip install --force-reinstall {package}", ""),
        )
        return LoadFault(_NAMES[module], why, command.format(package=package), advice)


def load_faults() -> list[LoadFault]:
    """Returns the load faults of OpenCV and onnxruntime."""
    found = (loaded(module, package) for module, package in (("cv2", _OPENCV), ("onnxruntime", "onnxruntime")))
    return [fault for fault in found if isinstance(fault, LoadFault)]


def examine_onnxruntime() -> Iterator[Finding]:
    """Reports version and build of onnxruntime, the available providers, and why others are not available."""
    found = loaded("onnxruntime", "onnxruntime")
    if isinstance(found, LoadFault):
        yield found.finding
        return
    # Imports onnxruntime, which is seen to load by now
    from edgecnn.runtime.providers.availability import missing_providers  # noqa: PLC0415
    from edgecnn.runtime.providers.registry import available  # noqa: PLC0415

    missing = missing_providers()
    lacking = {reason.provider for reason in missing}
    usable = ", ".join(p.name for p in available() if p.name not in lacking)
    yield Finding("ok", f"{found.__version__}{_build(found)}; runs models on {usable}", "onnxruntime", "")
    yield from _missing(missing)


def _build(onnxruntime: ModuleType) -> str:
    """Returns build type and commit from onnxruntime's build information."""
    notes = onnxruntime.get_build_info() if hasattr(onnxruntime, "get_build_info") else ""
    kind, commit = re.search(r"build type=(\w+)", notes), re.search(r"git-commit-id=(\w+)", notes)
    parts = [*([f"{kind[1]} build"] if kind else []), *([f"commit {commit[1]}"] if commit else [])]
    return f" ({', '.join(parts)})" if parts else ""


def _missing(reasons: Sequence[Reason]) -> Iterator[Finding]:
    """Yields one finding per remedy, and one for all providers that this machine does not support."""
    unfit: dict[str, list[str]] = {}
    told: dict[tuple[str, str], list[Reason]] = {}
    for reason in reasons:
        if reason.kind == "hardware":
            unfit.setdefault(reason.what, []).append(reason.provider)
        else:
            told.setdefault((reason.kind, reason.remedy), []).append(reason)
    for (kind, remedy), alike in told.items():
        # An installed package should work; a missing one may be unwanted
        level: Level = "warning" if kind == "library" else "note"
        whats = "; ".join(dict.fromkeys(r.what for r in alike))
        yield Finding(level, f"no {', '.join(r.provider for r in alike)}: {whats}", "providers", remedy)
    if unfit:
        yield Finding(
            "note",
            "not for this machine: " + "; ".join(f"{', '.join(names)} ({need})" for need, names in unfit.items()),
            "providers",
            "",
        )


def examine_opencv() -> Iterator[Finding]:
    """Reports the libraries that OpenCV reads images and videos with, and whether it can show windows."""
    found = loaded("cv2", _OPENCV)
    if isinstance(found, LoadFault):
        yield found.finding
        return
    notes = found.getBuildInformation()
    video = _video(found)
    read = f"video through {', '.join(video)}" if video else "no video"
    yield Finding(
        "ok",
        f"{found.__version__}; JPEG through {_jpeg(notes)}, {read}{'' if 'GStreamer' in video else '; no GStreamer'}",
        "OpenCV",
        "",
    )
    if _has_windows(found, notes):
        yield Finding("note", "with windows: --show works", "OpenCV", "")
    else:
        yield Finding(
            "note",
            "headless: it shows no windows",
            "OpenCV",
            "for --show, install opencv-python in place of opencv-python-headless",
        )


def _video(cv2: ModuleType) -> list[str]:
    """Returns the video backends that load. The list of backends also has plugins that are not installed."""
    registry = cv2.videoio_registry
    here = {registry.getBackendName(b) for b in set(registry.getBackends()) if registry.hasBackend(b)}
    return [_SAID.get(name, name) for name in _VIDEO if name in here]


def _has_windows(cv2: ModuleType, notes: str) -> bool:
    return bool(cv2.currentUIFramework()) if hasattr(cv2, "currentUIFramework") else _note(notes, "GUI:") != "NONE"


def _jpeg(notes: str) -> str:
    said = _note(notes, "JPEG:")
    return "libjpeg-turbo" if "turbo" in said else said or "an unknown library"


def _note(notes: str, name: str) -> str:
    line = next((line.strip() for line in notes.splitlines() if line.strip().startswith(name)), "")
    return line.removeprefix(name).strip()
