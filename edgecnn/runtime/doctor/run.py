"""Runs the checks of `doctor` on this machine, a model file or a dataset, with a remedy for each fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data.clips.clip_folder import holds_videos
from edgecnn.data_quality.finding import Finding
from edgecnn.errors import UsageError
from edgecnn.progress import Reporter
from edgecnn.runtime.doctor.packages import load_faults
from edgecnn.runtime.doctor.recommendation import Recommendation

__all__ = ["Diagnosis", "Finding", "examine"]


@dataclass(frozen=True)
class Diagnosis:
    """The report of ``edgecnn doctor``."""

    ok: bool  # no fault among the findings
    findings: tuple[Finding, ...]  # the last one says why the command below is recommended, where one is
    recommended: str | None = None  # a command line


def examine(
    target: Path | None = None,
    ep: str = "auto",
    reporter: Reporter | None = None,
    max_pixels: int | None = None,
    *,
    clips: bool = False,
) -> Diagnosis:
    """Checks this machine, a model file on this machine, or a dataset.

    Args:
        target: a model file, a dataset, or None for this machine.
        ep: for a model file, the providers to check it on; ``auto``: all available ones.
        reporter: receives progress while a dataset is read.
        max_pixels: of an image of a dataset; larger ones count as unreadable. None: the usual limit.

        clips: whether folders of images in class folders are clips; class folders of videos alone are known as clips.

    Raises:
        InputNotFoundError, ModelError, ManifestError, DataError: the target cannot be read.
        ProviderError: no named provider is available.
    """
    # Imported when needed: of a machine on which OpenCV or onnxruntime does not load, that must be told
    if target is None:
        from edgecnn.runtime.doctor.environment import examine_environment  # noqa: PLC0415

        return _diagnosis(*examine_environment())
    if broken := load_faults():
        return _diagnosis([fault.finding for fault in broken], broken[0].recommendation)
    if target.is_dir() and (clips or holds_videos(target)):
        from edgecnn.runtime.doctor.clips import examine_clips  # noqa: PLC0415

        return _diagnosis(examine_clips(target, reporter, max_pixels))
    if clips:
        raise UsageError(f"{target}: --clips is for a folder of clips; leave it out")
    if target.is_dir():
        from edgecnn.runtime.doctor.dataset import examine_data  # noqa: PLC0415

        return _diagnosis(examine_data(target, reporter, max_pixels))
    from edgecnn.runtime.doctor.model import examine_model  # noqa: PLC0415

    return _diagnosis(*examine_model(target, ep))


def _diagnosis(findings: Sequence[Finding], recommended: Recommendation | None = None) -> Diagnosis:
    ok = all(f.level != "fault" for f in findings)
    if recommended is None:
        return Diagnosis(ok, tuple(findings))
    return Diagnosis(ok, (*findings, recommended.finding), recommended.command)
