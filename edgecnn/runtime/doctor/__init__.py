"""The checks of `doctor`: of this machine, a model file, or a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.doctor.run import Diagnosis as Diagnosis
    from edgecnn.runtime.doctor.run import Finding as Finding
    from edgecnn.runtime.doctor.run import examine as examine

__all__ = ["Diagnosis", "Finding", "examine"]

_MODULES = {"Diagnosis": "run", "Finding": "run", "examine": "run"}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
