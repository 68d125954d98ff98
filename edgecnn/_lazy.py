"""Lazy imports for packages (PEP 562): a name is imported on first use, so that importing the package is fast."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as in edgecnn/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str], needs: str | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Returns ``__getattr__`` and ``__dir__`` for a package.

    Args:
        package: the ``__name__`` of the package.
        modules: maps each public name to its module, relative to the package (``"session.opening"``).
        needs: the extra that installs what the modules import. If a package is missing, access to a name raises
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
            from edgecnn.errors import MissingExtraError  # noqa: PLC0415  # importing a package costs nothing

            raise MissingExtraError(
                f"{package} needs {error.name}, which is not installed; run pip install 'edgecnn[{needs}]'"
            ) from error

    return get, lambda: sorted(modules)
