"""Where pictures come from, behind one iterator of frames."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.runtime.sources.address import Address as Address
    from edgecnn.runtime.sources.address import parse_address as parse_address
    from edgecnn.runtime.sources.files import expand_sources as expand_sources
    from edgecnn.runtime.sources.frame import Frame as Frame
    from edgecnn.runtime.sources.live import LiveSource as LiveSource
    from edgecnn.runtime.sources.live_options import Counters as Counters
    from edgecnn.runtime.sources.live_options import LiveOptions as LiveOptions
    from edgecnn.runtime.sources.live_options import Outage as Outage
    from edgecnn.runtime.sources.opening import open_source as open_source

_WHERE = {
    "Address": "address",
    "Counters": "live_options",
    "Frame": "frame",
    "LiveOptions": "live_options",
    "LiveSource": "live",
    "Outage": "live_options",
    "expand_sources": "files",
    "open_source": "opening",
    "parse_address": "address",
}

__all__ = ["Address", "Counters", "Frame", "LiveOptions", "LiveSource", "Outage", "expand_sources", "open_source", "parse_address"]


def __getattr__(name: str) -> object:
    """Names are imported when first used: a capture process needs few of them, and starts as often as a camera goes away."""
    if name not in _WHERE:
        raise AttributeError(f"module 'edgecnn.runtime.sources' has no attribute {name!r}")
    return getattr(import_module(f"edgecnn.runtime.sources.{_WHERE[name]}"), name)
