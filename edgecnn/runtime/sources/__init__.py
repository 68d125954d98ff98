"""Where pictures come from, behind one iterator of frames."""

from edgecnn.runtime.sources.address import Address, parse_address
from edgecnn.runtime.sources.files import expand_sources
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.sources.live import Counters, LiveOptions, LiveSource, Outage
from edgecnn.runtime.sources.opening import open_source

__all__ = ["Address", "Counters", "Frame", "LiveOptions", "LiveSource", "Outage", "expand_sources", "open_source", "parse_address"]
