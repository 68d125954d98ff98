"""Options that several commands have in common, as options classes to inherit from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgecnn.command_options import Option

if TYPE_CHECKING:
    from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
    from edgecnn.runtime.session.run_options import RunOptions
    from edgecnn.runtime.streaming.region import Region

__all__ = [
    "AdmissionOption",
    "EngineOption",
    "FrameRateOption",
    "HealthOption",
    "IntervalOption",
    "JsonOption",
    "ProviderOption",
    "RegionOption",
    "SessionOptions",
    "StreamStartOption",
    "require_extra",
]


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """``--json``."""

    json: Annotated[bool, Option("Print the result as one JSON object on standard output.", repeated=False)] = False


@dataclass(frozen=True, kw_only=True)
class ProviderOption:
    """``--ep``."""

    ep: Annotated[
        str,
        Option(
            "Execution provider: cpu, cuda, tensorrt, openvino …; several in order of preference, with commas; or "
            "auto: the best one here on which the golden samples pass."
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class AdmissionOption:
    """``--admission-seconds``."""

    admission_seconds: Annotated[
        float | None,
        Option(
            "Processor time in seconds that the trial run of a new model file may take.",
            metavar="N",
            default="by its size and this machine's speed",
            repeated=False,
        ),
    ] = None

    def admit_models(self, *paths: Path, remedy: str | None = None) -> None:
        """Tries out the model files among the paths with the time given; without one, whatever opens them does so.

        Args:
            paths: of model files or checkpoints.
            remedy: what the error of a refused file advises; None: a file that `edgecnn export` wrote.

        Raises:
            UsageError: the time cannot be used.
            ModelError: a file is refused.
        """
        if self.admission_seconds is None:
            return
        from edgecnn.runtime.admission.admission import REMEDY, admit, check_admission
        from edgecnn.runtime.session.model_file import is_checkpoint, read_model_file

        check_admission(self.admission_seconds)
        for path in paths:
            if path.is_file() and not is_checkpoint(path):
                admit(read_model_file(path), seconds=self.admission_seconds, remedy=remedy or REMEDY)


@dataclass(frozen=True, kw_only=True)
class SessionOptions(ProviderOption, AdmissionOption):
    """How an onnxruntime session runs."""

    threads: Annotated[int | None, Option("CPU threads per inference.", default="the physical cores")] = None
    power: Annotated[
        Literal["normal", "low"],
        Option("low: threads sleep between inferences instead of spinning; saves energy, costs latency."),
    ] = "normal"
    arena: Annotated[
        bool,
        Option("Keep the CPU provider's memory between inferences; without, less memory.", flag="--arena/--no-arena"),
    ] = True
    strict_ep: Annotated[bool, Option("Refuse a model if the provider leaves any node to the CPU.")] = False
    ep_option: Annotated[
        tuple[str, ...],
        Option("Option passed unchanged to the first provider named; may be repeated.", metavar="KEY=VALUE"),
    ] = ()

    def run_options(self) -> RunOptions:
        """The same for :func:`edgecnn.runtime.session.opening.open_session`. Raises :class:`UsageError`."""
        from edgecnn.runtime.session.run_options import RunOptions, read_provider_options

        return RunOptions(
            threads=self.threads,
            power=self.power,
            arena=self.arena,
            strict=self.strict_ep,
            admission_seconds=self.admission_seconds,
            provider_options=read_provider_options(self.ep_option),
        )


@dataclass(frozen=True, kw_only=True)
class HealthOption:
    """``--health``."""

    health: Annotated[
        str | None,
        Option(
            "Frame health limits of cameras and videos: a file that `edgecnn health` wrote; off: accept every frame.",
            metavar="FILE|off",
            default="built-in wide limits",
        ),
    ] = None

    def health_thresholds(self) -> HealthThresholds | None:
        """The limits; None for ``off``. Raises :class:`InputNotFoundError` or :class:`UsageError`."""
        if self.health == "off":
            return None
        from edgecnn.runtime.frame_quality.thresholds import HealthThresholds

        return HealthThresholds() if self.health is None else HealthThresholds.load(Path(self.health))


def _checked_region(text: str) -> str:
    """Refuses a wrong region while the options are read, before a model is opened."""
    from edgecnn.runtime.streaming.region import Region

    return str(Region.parse(text))


@dataclass(frozen=True, kw_only=True)
class RegionOption:
    """``--roi``."""

    roi: Annotated[
        str | None,
        Option(
            "Use this part of each image or frame alone: the left and upper edge, width and height, as fractions of "
            "the frame or in pixels.",
            metavar="X,Y,W,H",
            default="the whole frame",
            parse=_checked_region,
        ),
    ] = None

    def region(self) -> Region | None:
        """What ``--roi`` says; None: the whole frame."""
        if self.roi is None:
            return None
        from edgecnn.runtime.streaming.region import Region

        return Region.parse(self.roi)


@dataclass(frozen=True, kw_only=True)
class StreamStartOption:
    """``--fail-fast``."""

    fail_fast: Annotated[
        bool, Option("End with status 2 if a camera or stream cannot be opened at the start, instead of retrying.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class FrameRateOption:
    """``--fps``."""

    fps: Annotated[
        float | None,
        Option(
            "Frames per second of clips that are folders of frames. Without it a recurrent model takes the rate of its "
            "training clips.",
            metavar="N",
            repeated=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class IntervalOption:
    """``--interval``."""

    interval: Annotated[
        float | None,
        Option(
            "Request an image over HTTP again every N seconds: for cameras that offer snapshots only.",
            metavar="N",
            default="one image",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class EngineOption:
    """``--engine`` and what belongs to it."""

    engine: Annotated[
        Literal["local", "ray"],
        Option("local: this process; ray: many processes, or many machines, into --out (docs/scale.md)."),
    ] = "local"
    out: Annotated[
        Path | None,
        Option(
            "With --engine ray: output folder. Another run of the same job adds what is missing.",
            short="-o",
            metavar="DIR",
        ),
    ] = None
    address: Annotated[
        str | None,
        Option(
            "With --engine ray: head of the cluster, or auto for the one that this machine is part of.",
            metavar="HOST:PORT",
            default="this machine alone",
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option("With --engine ray: processes of one thread each.", metavar="N", default="the cluster's cores"),
    ] = None
    shard_size: Annotated[
        int | None,
        Option("With --engine ray: images in one Parquet file.", metavar="N", default="16 to 1000, by their number"),
    ] = None
    core_price: Annotated[
        float | None,
        Option("With --engine ray: price of a core for an hour, to tell what the run costs.", metavar="PRICE"),
    ] = None
    dry_run: Annotated[
        bool, Option("With --engine ray: list the images, estimate time and cost on a few of them, and write nothing.")
    ] = False

    def check_engine(self) -> None:
        """Refuses options of another engine. Raises :class:`UsageError`."""
        if self.engine == "ray":
            return
        of_ray = ("out", "address", "workers", "shard_size", "core_price", "dry_run")
        if given := [name for name in of_ray if getattr(self, name) not in (None, False)]:
            from edgecnn.errors import UsageError

            flag = f"--{given[0].replace('_', '-')}"
            raise UsageError(f"{flag}: is an option of --engine ray; add that, or leave {flag} out")


_PACKAGES = {
    "train": ("torch", "onnx", "onnxscript", "matplotlib"),
    "ray": ("fsspec", "pyarrow", "ray"),
    "serve": ("cyclonedx", "model_signing", "OpenSSL", "packageurl", "packaging", "pydantic_settings", "tomlkit"),
}
"""What commands import of an extra."""


def require_extra(what: str, extra: Literal["ray", "serve", "train"] = "train") -> None:
    """Raises :class:`MissingExtraError` where packages of an extra are not installed."""
    from importlib.util import find_spec

    from edgecnn.errors import MissingExtraError

    missing = [name for name in _PACKAGES[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, not installed here; run pip install 'edgecnn[{extra}]'"
        )
