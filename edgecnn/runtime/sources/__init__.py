"""Where pictures come from, behind one iterator of frames."""

from edgecnn.runtime.sources.files import expand_sources, open_source
from edgecnn.runtime.sources.frame import Frame

__all__ = ["Frame", "expand_sources", "open_source"]
