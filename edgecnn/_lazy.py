"""Packages whose names are imported when they are first used (PEP 562), so that importing a package costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from edgecnn.errors import MissingExtraError

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str], needs: str | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        modules: the module of each name, relative to the package (``"session.opening"``).
        needs: the extra that installs what the modules import. Where that is missing, a name raises
            :class:`MissingExtraError`.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{modules[name]}"), name)
        except ModuleNotFoundError as error:
            if needs is None or (error.name or "").startswith(("edgecnn", "exporters")):
                raise
            raise MissingExtraError(
                f"{package} needs {error.name}, which is not installed; run pip install 'edgecnn[{needs}]'"
            ) from error

    return get, lambda: sorted(modules)
