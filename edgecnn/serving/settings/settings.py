"""Everything that can be set of the service, with its defaults. ``docs/serve.schema.json`` is made from it."""

from __future__ import annotations

import socket
from pathlib import Path as AnyPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edgecnn.serving.settings.names import check_name, check_path, check_topic, check_unique

__all__ = [
    "COLLECT_REASONS",
    "MOST_REGIONS",
    "CollectReason",
    "CollectSettings",
    "LimitSettings",
    "ModelSettings",
    "MqttSettings",
    "RegionSettings",
    "Settings",
    "SourceSettings",
    "SwapSettings",
    "TeachSettings",
    "WebhookSettings",
]

Name = Annotated[str, AfterValidator(check_name)]
"""Part of a URL, an MQTT topic and a file name: letters, digits, ``-`` and ``_``."""

Topic = Annotated[str, AfterValidator(check_topic)]
"""First part of MQTT topics: without wildcards."""

Path = Annotated[AnyPath, AfterValidator(check_path)]

Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
"""At most a year: clocks and timers of the system cannot count for ever."""

WaitSeconds = Annotated[float, Field(gt=0, le=86_400)]
"""For a network peer: in milliseconds within 32 bits."""

Megabytes = Annotated[float, Field(gt=0, le=1e9)]

MOST_REGIONS = 32
"""Of a source: each costs an inference a frame."""

CollectReason = Literal["uncertain", "unknown", "changed", "disagreement"]
COLLECT_REASONS: tuple[CollectReason, ...] = ("uncertain", "unknown", "changed", "disagreement")


class _Part(BaseModel):
    """A table of the file. A key that it does not have is an error, as a typing mistake would go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(_Part):
    """A model that the service runs."""

    name: Name = Field("main", description="Name in addresses, topics and metrics.")
    file: Path = Field(description="Model file (.onnx).")
    ep: str = Field("auto", description="Execution provider, as for `edgecnn predict --ep`.")
    threads: int | None = Field(
        None, ge=1, description="CPU threads per inference; without it, the cores divided by the sources."
    )
    threshold: float | None = Field(None, description="Rejection threshold; without it, the model file's.")


class RegionSettings(_Part):
    """A part of a source's frames that is classified by itself."""

    name: Name = Field(description="Name in addresses, topics and metrics.")
    roi: str = Field(description="X,Y,W,H: fractions of the frame, or pixels.")


class SourceSettings(_Part):
    """A camera or a stream."""

    name: Name = Field("camera", description="Name in addresses, topics and metrics.")
    address: str = Field("", description="As for `edgecnn predict`: 0, rtsp:, http:, csi:, loop: or fake:", repr=False)
    address_file: Path | None = Field(
        None, description="File with the address, for an address with a password; in place of `address`."
    )
    models: tuple[Name, ...] = Field((), description="Names of the models that see it; without it, all.")
    regions: tuple[RegionSettings, ...] = Field(
        (), max_length=MOST_REGIONS, description="Without any, the whole frame is classified."
    )
    health: Path | None = Field(None, description="Thresholds that `edgecnn health` learned for this camera.")
    smoothing: Path | None = Field(None, description="Smoothing settings that `edgecnn tune` found.")
    every: int = Field(1, ge=1, le=1_000_000_000, description="Classify every N-th frame.")
    interval_s: float | None = Field(
        None, gt=0, lt=86400, description="Seconds between two requests of a still image over HTTP."
    )

    @model_validator(mode="after")
    def _check(self) -> SourceSettings:
        if bool(self.address) == (self.address_file is not None):
            raise ValueError("give either address or address_file")
        check_unique("region", [region.name for region in self.regions])
        return self


class LimitSettings(_Part):
    """What a client may ask of the service."""

    body_mb: Megabytes = Field(32.0, description="Largest image that is accepted, in megabytes.")
    model_mb: Megabytes = Field(512.0, description="Largest model file that is accepted, in megabytes.")
    megapixels: float = Field(64.0, gt=0, le=1000, description="Largest image that is decoded, in megapixels.")
    connections: int = Field(100, ge=1, le=100_000, description="Connections at the same time.")
    request_s: WaitSeconds = Field(10.0, description="Seconds in which the head of a request must arrive.")
    silent_s: WaitSeconds = Field(10.0, description="Seconds without a byte after which a client is given up.")


class SwapSettings(_Part):
    """How a new model takes over."""

    mode: Literal["auto", "confirm"] = Field("auto", description="By itself within the limits, or by a click.")
    shadow_frames: int = Field(
        50, ge=0, le=1_000_000_000, description="Live frames that the new model answers in the shadow."
    )
    min_agreement: float = Field(0.8, ge=0, le=1, description="Least share of them on which both models agree.")
    watch: Path | None = Field(None, description="Folder that is watched for new model files, as NAME.onnx.")
    watch_s: Seconds = Field(2.0, description="Seconds between two looks at that folder.")


class CollectSettings(_Part):
    """Which frames are kept for labelling. Off unless `dir` is given: images may show people."""

    dir: Path | None = Field(None, description="Folder of the collected frames; labelled ones are a dataset.")
    when: tuple[CollectReason, ...] = Field(COLLECT_REASONS, description="Which frames are kept.")
    uncertain_below: float = Field(0.8, ge=0, le=1, description="A score below it is uncertain.")
    max_mb: Megabytes = Field(500.0, description="Size limit of the unlabelled frames; the oldest go first.")
    max_age_days: float = Field(30.0, gt=0, le=36_500, description="Age limit of the unlabelled frames.")
    min_interval_s: float = Field(1.0, ge=0, le=31_536_000, description="Seconds between two frames of one source.")


class TeachSettings(_Part):
    """How a model is taught the labelled frames of `collect`."""

    max_drop: float = Field(0.01, ge=0, le=1, description="Largest loss of accuracy on the classes that it knew.")
    nice: int = Field(19, ge=0, le=19, description="How far teaching gives way to decisions; 19: as far as it can.")


class MqttSettings(_Part):
    """The broker that hears the states."""

    url: str = Field(description="mqtt://HOST:1883 or mqtts://HOST:8883", repr=False)
    username: str | None = Field(None, description="User name at the broker.")
    password_file: Path | None = Field(None, description="File with the password.")
    ca_file: Path | None = Field(None, description="Certificate of the authority that signed the broker's.")
    cert_file: Path | None = Field(None, description="Certificate of this client.")
    key_file: Path | None = Field(None, description="Key of that certificate.")
    base_topic: Topic = Field("edgecnn", min_length=1, max_length=200, description="First part of every topic.")
    discovery: bool = Field(True, description="Announce the device to Home Assistant.")
    discovery_prefix: Topic = Field("homeassistant", min_length=1, description="Home Assistant's discovery topic.")


class WebhookSettings(_Part):
    """An address that is called when a decision changes."""

    url: str = Field(description="http:// or https:// address.", repr=False)
    secret_file: Path | None = Field(None, description="File with the key of the signature header.")
    retries: int = Field(5, ge=0, le=100, description="Further attempts, after 1, 2, 4 … seconds.")
    timeout_s: WaitSeconds = Field(5.0, description="Seconds an attempt may take.")
    sources: tuple[Name, ...] = Field((), description="Names of the sources; without it, all.")


class Settings(_Part):
    """The settings of the service."""

    host: str = Field("127.0.0.1", description="Address to listen on. Any other than loopback needs a token.")
    port: int = Field(4912, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names by which clients may call the service, besides its address."
    )
    token_file: Path | None = Field(
        None, description="File with the token; without it, a new token is written into `state_dir`."
    )
    device: Name = Field(default_factory=lambda: host_name(), description="Name of this device.")  # noqa: PLW0108
    state_dir: Path | None = Field(
        None, description="Folder for what must outlive a restart; without it, that of the system's user."
    )
    max_state_age_s: Seconds = Field(10.0, description="An older decision is no decision any more.")
    models: tuple[ModelSettings, ...] = Field(min_length=1, description="The models.")
    sources: tuple[SourceSettings, ...] = Field((), description="The cameras and streams.")
    limits: LimitSettings = LimitSettings()
    swap: SwapSettings = SwapSettings()
    collect: CollectSettings = CollectSettings()
    teach: TeachSettings = TeachSettings()
    mqtt: MqttSettings | None = None
    webhooks: tuple[WebhookSettings, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Settings:
        check_unique("model", [model.name for model in self.models])
        check_unique("source", [source.name for source in self.sources])
        known = {model.name for model in self.models}
        for source in self.sources:
            if unknown := [name for name in source.models if name not in known]:
                raise ValueError(
                    f"source '{source.name}' names the model '{unknown[0]}'; there are {', '.join(sorted(known))}"
                )
        return self


def host_name() -> str:
    """The name of this machine, in the letters that a name may have."""
    first = socket.gethostname().partition(".")[0]
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in first) or "device"
