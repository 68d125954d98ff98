"""How many images and frames sources will give, for a progress bar."""

from __future__ import annotations

import os
from collections.abc import Sequence

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.sources.address import parse_address
from edgecnn.runtime.sources.files import expand_sources

__all__ = ["count_frames"]


def count_frames(sources: Sequence[str | os.PathLike[str]], every: int = 1) -> int | None:
    """Frames of files and videos, these as their headers say.

    None where there is no end or no telling: a camera, standard input.
    """
    images = frames = 0
    for address in map(parse_address, sources):
        if address.live or address.text == "-":
            return None
        if address.kind == "video":
            from edgecnn.runtime.sources.video import stated_frames  # noqa: PLC0415  # images need no video decoder

            stated = stated_frames(address.text)
            if stated is None:
                return None
            frames += -(-stated // every)
            continue
        try:
            images += sum(1 for _ in expand_sources([address.text]))
        except EdgeCNNError:  # reported where it is opened
            return None
    return frames + -(-images // every)
