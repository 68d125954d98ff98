"""The package version, in its own module so that no module imports the package root to get it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
