"""Admission of untrusted model files: static rules, and a trial run in a sandboxed child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.admission.admission import admit as admit
    from edgecnn.runtime.admission.admission import admit_own as admit_own

__all__ = ["admit", "admit_own"]

_MODULES = {"admit": "admission", "admit_own": "admission"}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
