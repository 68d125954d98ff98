"""How good a model is, how alike two forms of it are, and when it says `unknown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.evaluation.evaluation import Judge as Judge
    from edgecnn.evaluation.evaluation import Readings as Readings
    from edgecnn.evaluation.evaluation import ValResult as ValResult
    from edgecnn.evaluation.evaluation import read_probabilities as read_probabilities
    from edgecnn.evaluation.evaluation import validate as validate

__all__ = ["Judge", "Readings", "ValResult", "read_probabilities", "validate"]

_MODULES = {"Judge": "evaluation", "Readings": "evaluation", "ValResult": "evaluation", "read_probabilities": "evaluation", "validate": "evaluation"}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
