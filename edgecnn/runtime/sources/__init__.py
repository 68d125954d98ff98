"""Sources of frames: images, videos, cameras and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.sources.address import Address as Address
    from edgecnn.runtime.sources.address import parse_address as parse_address
    from edgecnn.runtime.sources.capture.live import LiveSource as LiveSource
    from edgecnn.runtime.sources.capture.live_options import Counters as Counters
    from edgecnn.runtime.sources.capture.live_options import LiveOptions as LiveOptions
    from edgecnn.runtime.sources.capture.live_options import Outage as Outage
    from edgecnn.runtime.sources.files import expand_sources as expand_sources
    from edgecnn.runtime.sources.frame import Frame as Frame
    from edgecnn.runtime.sources.opening import open_source as open_source

__all__ = [
    "Address",
    "Counters",
    "Frame",
    "LiveOptions",
    "LiveSource",
    "Outage",
    "expand_sources",
    "open_source",
    "parse_address",
]

_MODULES = {
    "Address": "address",
    "Counters": "capture.live_options",
    "Frame": "frame",
    "LiveOptions": "capture.live_options",
    "LiveSource": "capture.live",
    "Outage": "capture.live_options",
    "expand_sources": "files",
    "open_source": "opening",
    "parse_address": "address",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
