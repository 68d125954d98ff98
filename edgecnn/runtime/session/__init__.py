"""Opens a model file on an execution provider and replays its golden samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.session.model_session import ModelSession as ModelSession
    from edgecnn.runtime.session.model_session import Outputs as Outputs
    from edgecnn.runtime.session.opening import open_session as open_session

__all__ = ["ModelSession", "Outputs", "open_session"]

_MODULES = {"ModelSession": "model_session", "Outputs": "model_session", "open_session": "opening"}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
