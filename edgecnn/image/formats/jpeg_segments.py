"""The segments of a JPEG (ITU-T T.81, annex B), found as the decoder finds them.

Before a marker there may be fill bytes, and what a damaged or careless encoder left there: the decoder passes over both
(libjpeg-turbo, ``next_marker`` in ``jdmarker.c``).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

__all__ = ["DQT", "EOI", "MARKER", "SOF", "SOI", "SOS", "TEM", "jpeg_segments"]

MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""Any marker but a stuffed zero and the restart markers, which stand within entropy-coded data (B.1.1.2).

Of fill bytes before it the last one counts; ``\\xff+`` took 18 times as long.
"""

SOI, EOI, SOS, DQT, TEM = 0xD8, 0xD9, 0xDA, 0xDB, 0x01
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset((TEM, SOI, EOI))

_MOST = 200_000
"""With each segment Python takes a step, and a file could have millions."""


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Each marker after the first, and where its length stands, up to the end-of-image marker.

    Args:
        data: the complete file. It has to be a JPEG: in other data markers are found where none are.

    Raises:
        struct.error: the file ends within a segment.
    """
    position = 2
    for _ in range(_MOST):
        found = MARKER.search(data, position)
        if not found:
            return
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker == EOI:
            return
        if marker not in _STANDALONE:  # after SOS the entropy-coded data follows: the search runs over it
            (length,) = struct.unpack_from(">H", data, position)
            position += length
