"""The order for a capture process: one line of JSON on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.runtime.sources.drivers.table import Kind

__all__ = ["CaptureOrder"]


@dataclass(frozen=True)
class CaptureOrder:
    """The source and options for a capture process."""

    kind: Kind
    address: str
    memory: str  # handle of the shared memory
    capacity: int  # bytes of a frame there
    first_number: int  # under which the first frame goes there: numbers go on from one connection to the next
    first_index: int
    every: int  # decode every N-th frame
    max_pixels: int
    timeout_s: float  # of a silent connection
    interval_s: float | None  # between two requests of an image over HTTP; None: one alone
    folder: str  # that relative paths begin in
    model: ModelInput | None = None  # what JPEGs are decoded for; None: they are decoded whole

    @staticmethod
    def from_json(line: str | bytes) -> CaptureOrder:
        """Reads :meth:`to_json`."""
        found = json.loads(line)
        if (model := found["model"]) is not None:
            found["model"] = ModelInput(InputSpec(**model["size"]), PreprocessSpec(**model["preprocess"]))
        return CaptureOrder(**found)

    def to_json(self) -> str:
        """Returns one line of JSON."""
        return json.dumps(asdict(self))
