"""The options of teaching."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgecnn.command_options import Option
from edgecnn.errors import UsageError
from edgecnn.image_size import LargeImageOption

__all__ = ["TeachOptions"]


@dataclass(frozen=True, kw_only=True)
class TeachOptions(LargeImageOption):
    """Options of ``edgecnn teach``."""

    replace: Annotated[
        bool, Option("Forget the model's classes: the new model knows those of DATA alone. Otherwise they are added.")
    ] = False
    max_drop: Annotated[
        float,
        Option(
            "Largest loss of top-1 accuracy, as a fraction, on the classes that the model knew before.",
            metavar="F",
        ),
    ] = 0.01
    group: Annotated[
        str,
        Option(
            "Which images were taken in one session, so that cross-validation keeps them together: auto, folder, none, "
            "FILE.csv:COLUMN, or a regular expression.",
            metavar="RULE",
        ),
    ] = "auto"
    thumbnails: Annotated[
        bool,
        Option(
            "Keep small JPEGs of the images in the model file, for `explain` to show; whoever has the file "
            "can see them. Without, names and hashes are kept."
        ),
    ] = False
    unlabelled: Annotated[
        Path | None, Option("Folder of images without labels: say which of them to label next.", metavar="DIR")
    ] = None
    label_next: Annotated[int, Option("How many of them to name.", metavar="N")] = 20
    threads: Annotated[
        int | None, Option("CPU threads.", metavar="N", default="the physical cores", repeated=False)
    ] = None
    seed: Annotated[int, Option("Seed of the folds and of the features drawn for classes without images.")] = 0

    def __post_init__(self) -> None:
        """Raises :class:`UsageError` for values out of range."""
        if not 0 <= self.max_drop <= 1:
            raise UsageError(f"--max-drop {self.max_drop:g}: expected a fraction from 0 to 1")
        if self.label_next < 0:
            raise UsageError(f"--label-next {self.label_next}: expected 0 or more")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads {self.threads}: expected 1 or more")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: expected 0 or more")
