"""Execution providers: availability, reasons for missing ones, and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn._lazy import lazy_names

if TYPE_CHECKING:
    from edgecnn.runtime.providers.registry import PROVIDERS as PROVIDERS
    from edgecnn.runtime.providers.registry import Provider as Provider
    from edgecnn.runtime.providers.registry import available as available
    from edgecnn.runtime.providers.registry import parse as parse
    from edgecnn.runtime.providers.registry import why_missing as why_missing

__all__ = ["PROVIDERS", "Provider", "available", "parse", "why_missing"]

_MODULES = {
    "PROVIDERS": "registry",
    "Provider": "registry",
    "available": "registry",
    "parse": "registry",
    "why_missing": "registry",
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
