"""The options of ``edgecnn val``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from edgecnn.cli.options import AdmissionOption, EngineOption, FrameRateOption, JsonOption, ProviderOption
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

__all__ = ["ValOptions"]


@dataclass(frozen=True, kw_only=True)
class ValOptions(ProviderOption, AdmissionOption, FrameRateOption, LargeImageOption, JsonOption, EngineOption):
    """Options of ``edgecnn val``."""

    model: Annotated[Path, Argument("Checkpoint or model file.")]
    data: Annotated[
        str,
        Option(
            "Folder of labelled images, or of clips for a recurrent model, one folder per class. With --engine ray "
            "also a bucket (s3://, gs://, hf://).",
            metavar="DIR",
        ),
    ]
    split: Annotated[
        Literal["val", "test", "all"] | None,
        Option("Images to evaluate on.", default="all; on the data that the model was trained on, the held-out images"),
    ] = None
