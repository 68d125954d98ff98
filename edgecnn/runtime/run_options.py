"""The old name of :mod:`edgecnn.runtime.session.run_options`, kept for programs that import it."""

from edgecnn.runtime.session.run_options import Power, RunOptions, read_provider_options

__all__ = ["Power", "RunOptions", "read_provider_options"]
